"""Seeded pictures like stained tissue sections, with a known map of their nuclei."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["NucleiPhantom", "nuclei_phantom"]

SIZE = (256, 256)
# optical density of the stains in red, green and blue: Ruifrok & Johnston, Anal. Quant. Cytol. Histol. 2001
HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.07, 0.99, 0.11])
Picture = NDArray[np.float64]


class NucleiPhantom(NamedTuple):
    """Colour picture [rows, columns, 3] and map of instances [rows, columns]: 0 background, 1 .. n the nuclei."""

    image: NDArray[np.uint8]
    instances: NDArray[np.uint16]


class _Nucleus(NamedTuple):
    """An uneven ellipse; lengths in pixels."""

    centre: NDArray[np.float64]  # row, column
    radii: NDArray[np.float64]
    angle: float
    waves: NDArray[np.float64]  # amplitude and phase of the outline's waves of order 2, 3, 4: [3, 2]

    @property
    def reach_px(self) -> float:
        return float(self.radii.max()) * 1.25

    def window(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns that hold it."""
        low = np.floor(self.centre - self.reach_px - 3).astype(int)
        high = np.ceil(self.centre + self.reach_px + 4).astype(int)
        rows, columns = (slice(max(a, 0), max(min(b, n), 0)) for a, b, n in zip(low, high, size, strict=True))
        return rows, columns

    def depth_px(self, window: tuple[slice, slice]) -> Picture:
        """About the distance from the outline, positive inside, at the pixels of a window."""
        y, x = np.ogrid[window]
        dy, dx = y - self.centre[0], x - self.centre[1]
        along = (dx * math.cos(self.angle) + dy * math.sin(self.angle)) / self.radii[0]
        across = (dy * math.cos(self.angle) - dx * math.sin(self.angle)) / self.radii[1]
        turn = np.arctan2(across, along)
        outline = 1 + sum(a * np.cos(k * turn + p) for k, (a, p) in zip((2, 3, 4), self.waves, strict=True))
        return (outline - np.hypot(along, across)) * float(self.radii.min())


def _noise(rng: np.random.Generator, size: tuple[int, int], sigma_px: float | tuple[float, float]) -> Picture:
    """Smooth noise of mean 0 and standard deviation 1."""
    field = gaussian_filter(rng.standard_normal(size), sigma_px, mode="wrap")
    return (field - field.mean()) / field.std()


def _draw(rng: np.random.Generator, radius: float, slender: float) -> _Nucleus:
    radius *= math.exp(rng.normal(0, 0.18))
    stretch = math.sqrt(rng.uniform(1.0, slender))
    waves = np.stack([rng.uniform(0, 0.08, 3), rng.uniform(0, 2 * math.pi, 3)], axis=1)
    radii = np.array([radius * stretch, radius / stretch])
    return _Nucleus(np.zeros(2), radii, rng.uniform(0, math.pi), waves)


def _place(rng: np.random.Generator, size: tuple[int, int]) -> list[_Nucleus]:
    """Nuclei of about one size; about a third touches or overlaps the one before, the others keep clear."""
    radius, slender = rng.uniform(5, 13), rng.uniform(1.3, 3.5)
    wanted = max(3, int(rng.uniform(0.06, 0.25) * size[0] * size[1] / (math.pi * radius**2)))
    placed: list[_Nucleus] = []
    for _ in range(20 * wanted):
        nucleus = _draw(rng, radius, slender)
        attached = bool(placed) and rng.random() < 0.35
        if attached:
            last = placed[-1]
            heading = rng.uniform(0, 2 * math.pi)
            reach = rng.uniform(0.75, 1.0) * math.sqrt(last.radii.prod()) + math.sqrt(nucleus.radii.prod())
            centre = last.centre + reach * np.array([math.sin(heading), math.cos(heading)])
            others = placed[:-1]
        else:
            centre = rng.uniform([0, 0], size)
            others = placed
        clear = all(np.hypot(*(centre - o.centre)) > o.reach_px + nucleus.reach_px + 2 for o in others)
        inside = bool(((centre >= 0) & (centre < size)).all())
        if clear and inside:
            placed.append(nucleus._replace(centre=centre))
        if len(placed) == wanted:
            break
    return placed


def _tissue(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Picture, Picture]:
    """Concentration of haematoxylin and eosin between the nuclei: fibres, blots, gaps and blood cells."""
    sigma = sorted(rng.uniform(1, 9, 2))
    fibres = _noise(rng, size, (sigma[0], sigma[1]) if rng.random() < 0.5 else (sigma[1], sigma[0]))
    level = rng.uniform(0.03, 0.5)
    eosin = level * (1 + rng.uniform(0.1, 0.35) * fibres + 0.2 * _noise(rng, size, size[0] / 8))
    gaps = 1 / (1 + np.exp(-4 * (_noise(rng, size, rng.uniform(4, 12)) - rng.uniform(1.0, 2.5))))
    cells = np.zeros(size)
    for _ in range(int(rng.integers(0, 6))):
        cell = _draw(rng, rng.uniform(4, 8), 1.3)._replace(centre=rng.uniform([0, 0], size))
        window = cell.window(size)
        cells[window] = np.maximum(cells[window], 1 / (1 + np.exp(-2 * cell.depth_px(window))))
    eosin = np.clip(eosin * (1 - gaps), 0.01, None) + rng.uniform(0.4, 0.8) * cells
    haematoxylin = rng.uniform(0.02, 0.25) * (1 + 0.25 * _noise(rng, size, 3)) * (1 - gaps) * (1 - cells)
    return np.clip(haematoxylin, 0, None), eosin


def nuclei_phantom(seed: int, size: tuple[int, int] | None = None) -> NucleiPhantom:
    """Section stained with haematoxylin and eosin: nuclei of which some touch or overlap, and blood cells, unlabelled.

    Where two nuclei overlap, the upper one has the pixel. The colour follows the Beer-Lambert law,
    ``255 * exp(-(H * c_H + E * c_E))``, with the stains' densities H, E and their concentrations c. The same seed
    and size give the same bytes.

    Args:
        seed: seed of all random choices (magnification, shapes, places, stain, light, focus, noise), >= 0.
        size: rows and columns in pixels, each >= 64; default (256, 256).

    Raises:
        ValueError: for a negative seed or a size below 64.
    """
    shape = SIZE if size is None else size
    if seed < 0:
        raise ValueError(f"`seed` must be >= 0, got {seed}")
    if len(shape) != 2 or min(shape) < 64:
        raise ValueError(f"`size` must be two numbers >= 64, got {size}")
    rng = np.random.default_rng(seed)
    haematoxylin, eosin = _tissue(rng, shape)
    stain, chromatin = rng.uniform(0.55, 1.3), _noise(rng, shape, rng.uniform(1, 2.5))
    instances = np.zeros(shape, np.uint16)
    for nucleus in _place(rng, shape):
        window = nucleus.window(shape)
        depth = nucleus.depth_px(window)
        share = 1 / (1 + np.exp(-np.clip(2.5 * depth, -30, 30)))
        rim = rng.uniform(0, 0.4) * np.exp(-((depth - 1) ** 2) / 2)
        amount = stain * rng.uniform(0.75, 1.25) * (1 + rng.uniform(0.05, 0.2) * chromatin[window] + rim)
        haematoxylin[window] += share * (amount - haematoxylin[window])
        eosin[window] *= 1 - 0.6 * share
        instances[window][depth > 0] = int(instances.max()) + 1
    present = np.unique(instances)
    instances = np.searchsorted(present, instances).astype(np.uint16)  # without the numbers of those that are hidden
    stains = [vector * np.exp(rng.normal(0, 0.12, 3)) for vector in (HAEMATOXYLIN, EOSIN)]
    density = haematoxylin[..., None] * stains[0] + eosin[..., None] * stains[1]
    light = rng.uniform(225, 252) * np.exp(rng.normal(0, 0.02, 3))
    image = light * np.exp(-density)
    focus = rng.uniform(0.4, 1.0)
    image = np.stack([gaussian_filter(image[..., channel], focus) for channel in range(3)], axis=-1)
    image += rng.uniform(1, 5) * rng.standard_normal(image.shape)
    return NucleiPhantom(np.clip(image, 0, 255).astype(np.uint8), instances)
