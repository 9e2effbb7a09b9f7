"""Seeded fundus-like pictures with a known optic disc and cup."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from .vessels import draw_ribbons, vessel_tree

__all__ = ["FundusPhantom", "fundus_phantom"]

VIEWS = {"crop": (400, 400), "full": (900, 1000)}
Picture = NDArray[np.float32]


class FundusPhantom(NamedTuple):
    """Colour picture [rows, columns, 3] and label map [rows, columns]: 0 background, 1 disc rim, 2 cup."""

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]


class _Scene(NamedTuple):
    """Where the disc lies, and every pixel's place relative to it."""

    centre: tuple[float, float]
    radius_px: float
    x: Picture
    y: Picture
    temporal: int


def _scene(rng: np.random.Generator, view: str, size: tuple[int, int]) -> _Scene:
    rows, columns = size
    temporal = int(rng.choice([-1, 1]))
    if view == "crop":
        diameter = rng.uniform(0.36, 0.52) * min(size)
        centre = (rows * rng.normal(0.5, 0.015), columns * rng.normal(0.5, 0.015))
    else:
        diameter = rng.uniform(0.155, 0.2) * min(size)
        centre = (rows * rng.uniform(0.42, 0.58), columns * (0.5 - temporal * rng.uniform(0.0, 0.25)))
    y, x = np.ogrid[:rows, :columns]
    radius = diameter / 2
    grid = np.broadcast_arrays((x - centre[1]) / radius, (y - centre[0]) / radius)
    return _Scene(centre, radius, grid[0].astype(np.float32), grid[1].astype(np.float32), temporal)


def _relative_radius(rng: np.random.Generator, x: Picture, y: Picture, width: float, uneven: float) -> Picture:
    """Distance from the centre over the outline's radius there: below 1 inside an uneven ellipse of height 1."""
    angle = np.arctan2(y, x)
    outline = np.ones_like(angle)
    for order in (2, 3, 5):
        outline += np.float32(rng.uniform(0, uneven) / order) * np.cos(order * angle + np.float32(rng.uniform(0, 6.3)))
    return np.hypot(x / np.float32(width), y) / outline


def _step(value: Picture, softness: float) -> Picture:
    """Soft step from 0 to 1, 1/2 at value 0."""
    return 1 / (1 + np.exp(np.clip(-value / np.float32(softness), -30, 30)))


def _background(rng: np.random.Generator, scene: _Scene, field: Picture) -> Picture:
    """Orange-red retina under uneven light, with a mottled texture and a dark macula."""
    red = rng.uniform(85, 170)
    colour = red * np.array([1, rng.uniform(0.36, 0.5), rng.uniform(0.06, 0.22)])
    shape = scene.x.shape
    mottle = zoom(rng.standard_normal((shape[0] // 8 + 2, shape[1] // 8 + 2), dtype=np.float32), 8, order=1)
    waves = zoom(rng.standard_normal((6, 6), dtype=np.float32), (shape[0] / 5, shape[1] / 5), order=1)
    light = 1 + 0.03 * mottle[: shape[0], : shape[1]] + 0.03 * waves[: shape[0], : shape[1]]
    tilt = np.linspace(-0.5, 0.5, shape[0])[:, None] * rng.normal(0, 0.2)
    tilt = tilt + np.linspace(-0.5, 0.5, shape[1])[None] * rng.normal(0, 0.2)
    macula = np.exp(-((scene.x - 5 * scene.temporal) ** 2 + (scene.y - 0.5) ** 2) / 2)
    light = light * (1 + tilt - 0.35 * field**4) * (1 - 0.25 * macula)
    return (light[..., None] * colour).astype(np.float32)


def _field(view: str, shape: tuple[int, int]) -> Picture:
    """Distance from the middle of the field of view over its radius; a crop lies well within the field."""
    extent = max(shape) * (2.4 if view == "crop" else 1.0) / 2
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (np.hypot(x - shape[1] / 2 + 0.5, y - shape[0] / 2 + 0.5) / extent).astype(np.float32)


def fundus_phantom(seed: int, view: str = "crop", size: tuple[int, int] | None = None) -> FundusPhantom:
    """Fundus-like picture: bright disc with a soft edge, a paler cup known by a pallor gradient and bent vessels.

    The same seed, view and size give the same bytes. The vertical cup-to-disc ratio lies in 0.3 to 0.8.

    Args:
        seed: seed of all random choices (place, size, colour, contrast, light, vessels, noise), >= 0.
        view: ``crop``: the region around the disc, which fills about 0.35 to 0.5 of the side; ``full``: a whole
            photograph, a round field of view on black, the disc about 0.15 to 0.2 of the short side.
        size: rows and columns in pixels, each >= 64; default (400, 400) for a crop, (900, 1000) for a photograph.

    Raises:
        ValueError: for an unknown view or a size below 64.
    """
    if view not in VIEWS:
        raise ValueError(f"`view` must be one of {sorted(VIEWS)}, got {view!r}")
    shape = VIEWS[view] if size is None else size
    if len(shape) != 2 or min(shape) < 64:
        raise ValueError(f"`size` must be two numbers >= 64, got {size}")
    rng = np.random.default_rng(seed)
    scene = _scene(rng, view, shape)
    field = _field(view, shape)
    cup_ratio = rng.uniform(0.33, 0.77)
    rho = _relative_radius(rng, scene.x, scene.y, rng.uniform(0.86, 1.0), 0.04)
    room = 0.4 * (0.95 - cup_ratio)
    x_cup = (scene.x - scene.temporal * room * rng.uniform(0, 1)) / cup_ratio
    y_cup = (scene.y - room * rng.normal(0, 0.3)) / cup_ratio
    rho_cup = np.maximum(_relative_radius(rng, x_cup, y_cup, rng.uniform(0.85, 1.0), 0.06), rho / 0.95)

    image = _background(rng, scene, field)
    halo = rng.uniform(0, 0.12) * _step(1.3 - rho, 0.1) * np.clip(0.5 + scene.temporal * scene.x, 0, 1)
    disc = _step(1 - rho, rng.uniform(0.02, 0.05))
    pallor = _step(1 - rho_cup, rng.uniform(0.07, 0.14) / math.sqrt(cup_ratio))
    gain_disc = rng.uniform(0.35, 0.75) * np.array([1.0, 1.15, rng.uniform(0.8, 1.8)])
    gain_cup = rng.uniform(0.9, 1.5) * np.array([0.15, 0.55, 1.4])
    vessels = draw_ribbons(
        vessel_tree(rng, scene.temporal, cup_ratio, 5 if view == "crop" else 11), shape, scene.centre, scene.radius_px
    )
    vessels = gaussian_filter(vessels, max(0.6, 0.016 * scene.radius_px))
    absorb = np.array([0.3, 0.75, 0.7])
    for channel in range(3):
        gain = 1 + halo + disc * np.float32(gain_disc[channel]) + disc * pallor * np.float32(gain_cup[channel])
        image[..., channel] *= gain * (1 - np.float32(absorb[channel]) * vessels)
    image = 250 * np.tanh(image / 250)  # a camera's soft saturation
    image += rng.uniform(1, 3.5) * rng.standard_normal(image.shape, dtype=np.float32)
    if view == "full":
        image *= _step(0.985 - field, 0.002)[..., None]
    label = np.where(rho < 1, np.where(rho_cup < 1, 2, 1), 0)
    return FundusPhantom(np.clip(image, 0, 255).astype(np.uint8), label.astype(np.uint8))
