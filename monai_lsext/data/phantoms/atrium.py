"""Seeded volumes like late-enhancement MR of the heart, with a known left atrium and its thin pulmonary veins."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

__all__ = ["AtriumPhantom", "atrium_phantom"]

Volume = NDArray[np.float32]
Point = NDArray[np.float64]


class AtriumPhantom(NamedTuple):
    """Volume and label [W, H, D] along right, anterior, superior (label 1: left atrium), and the voxel's side in mm."""

    image: NDArray[np.int16]
    label: NDArray[np.uint8]
    spacing_mm: float


class _Space(NamedTuple):
    """Coordinates of every voxel in mm from the middle of the volume, [3, W, H, D]."""

    grid: Volume

    def ball(self, centre: Point, radii: Point, turn: float = 0.0) -> Volume:
        """About the distance to an ellipsoid that is turned about the vertical axis, positive inside."""
        x, y, z = (self.grid[axis] - np.float32(centre[axis]) for axis in range(3))
        cos, sin = np.float32(math.cos(turn)), np.float32(math.sin(turn))
        rho = np.sqrt(
            ((cos * x + sin * y) / np.float32(radii[0])) ** 2
            + ((cos * y - sin * x) / np.float32(radii[1])) ** 2
            + (z / np.float32(radii[2])) ** 2
        )
        return ((1 - rho) * np.float32(radii.min())).astype(np.float32)

    def tube(self, points: Point, radii_mm: Point) -> Volume:
        """Distance to a chain of balls along a line, positive inside."""
        inside = np.full(self.grid.shape[1:], -np.inf, np.float32)
        for point, radius in zip(points.astype(np.float32), radii_mm.astype(np.float32), strict=True):
            gap = self.grid - point[:, None, None, None]
            np.maximum(inside, radius - np.sqrt(np.square(gap).sum(0)), out=inside)
        return inside


def _vein(rng: np.random.Generator, start: Point, heading: Point) -> tuple[Point, Point]:
    """Points 1.5 mm apart of a bending vein, and its radius at each, which narrows."""
    length, bend = rng.uniform(14, 22), rng.normal(0, 0.5, 3)
    along = np.arange(0, length, 1.5)
    directions = heading + np.outer(along / length, bend)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points = start + 1.5 * np.cumsum(directions, axis=0)
    return points, rng.uniform(4.2, 6.0) * np.linspace(1.15, rng.uniform(0.6, 0.85), len(along))


def _atrium(rng: np.random.Generator, space: _Space) -> Volume:
    """Distance inside the left atrium: a flattened, uneven body, its appendage and four veins."""
    radii = np.array([rng.uniform(25, 33), rng.uniform(15, 21), rng.uniform(16, 22)])
    turn, centre = rng.normal(0, 0.2), rng.normal(0, 3, 3)
    wobble = zoom(rng.standard_normal((5, 5, 5)), [n / 5 for n in space.grid.shape[1:]], order=1)
    body = space.ball(centre, radii, turn) + np.float32(rng.uniform(0.8, 1.8)) * gaussian_filter(wobble, 3)
    # right, anterior, superior: the appendage lies in front on the left, the veins leave backwards on both sides
    side = np.array([-1.0, 0.45, 0.5])
    tip = centre + np.array([-0.85, 0.6, 0.35]) * radii
    appendage = tip + np.linspace(0, rng.uniform(9, 15), 8)[:, None] * side / np.linalg.norm(side)
    inside = np.maximum(body, space.tube(appendage, np.linspace(rng.uniform(5, 7), 3.5, 8)))
    for right in (-1.0, 1.0):
        for up in (-1.0, 1.0):
            where = np.array([0.74 * right, -0.45, 0.5 * up]) + rng.normal(0, 0.06, 3)
            heading = np.array([right, -0.35, 0.35 * up]) + rng.normal(0, 0.15, 3)
            inside = np.maximum(inside, space.tube(*_vein(rng, centre + where * radii, heading)))
    return inside.astype(np.float32)


def _paint(rng: np.random.Generator, space: _Space, atrium: Volume) -> Volume:
    """Signal: lungs and wall, blood in atrium, ventricles, aorta and right atrium, and scars on the atrium's wall."""
    x, y, _ = space.grid
    half = np.abs(space.grid).reshape(3, -1).max(1)
    lungs = np.minimum(np.abs(x) - half[0] * rng.uniform(0.62, 0.75), 6 - np.abs(y + rng.uniform(0, 8)) / 2)
    texture = gaussian_filter(rng.standard_normal(atrium.shape, dtype=np.float32), 2)
    image = np.float32(rng.uniform(0.25, 0.4)) * (1 + texture)
    image = _mix(image, rng.uniform(0.05, 0.12) * (1 + 2 * texture), _step(lungs, 2))
    blood = rng.uniform(0.6, 0.9)
    organs = [  # right atrium, left ventricle, aorta before and behind, each with its wall's distance from ours
        (np.array([rng.uniform(28, 36), rng.uniform(14, 22), rng.uniform(-10, 4)]), rng.uniform(14, 19, 3)),
        (np.array([rng.uniform(-30, -20), rng.uniform(24, 32), rng.uniform(-22, -12)]), rng.uniform(15, 20, 3)),
        (np.array([rng.uniform(0, 10), rng.uniform(24, 30), rng.uniform(8, 18)]), np.array([10.0, 10.0, 40.0])),
        (np.array([rng.uniform(-26, -12), rng.uniform(-38, -30), 0.0]), np.array([9.0, 9.0, 400.0])),
    ]
    for centre, radii in organs:
        inside = np.minimum(space.ball(centre, radii), -atrium - 2.0)  # the wall between is muscle
        image = _mix(image, blood * rng.uniform(0.85, 1.1), _step(inside, 0.8))
    image = _mix(image, blood * (1 + 0.15 * texture), _step(atrium, 0.7))
    scars = np.clip(gaussian_filter(rng.standard_normal(atrium.shape, dtype=np.float32), 4) * 12 - 0.6, 0, 1)
    wall = np.exp(-np.square((atrium + 1.5) / 1.2))
    return (image + np.float32(rng.uniform(0.15, 0.4)) * scars * wall).astype(np.float32)


def atrium_phantom(seed: int, shape: tuple[int, int, int] = (88, 72, 48), spacing_mm: float = 1.25) -> AtriumPhantom:
    """Late-enhancement-like MR volume: bright blood, enhanced patches of the wall, uneven coil sensitivity, noise.

    The same seed, shape and spacing give the same bytes. Intensities are scaled to mean 0 and standard deviation 32,
    as in the files of the 2018 atrial challenge.

    Args:
        seed: seed of all random choices (form, place, veins, neighbours, contrast, noise), >= 0.
        shape: voxels along right, anterior and superior, each >= 24; default 110 x 90 x 60 mm.
        spacing_mm: side of a voxel in mm, > 0, default 1.25.

    Raises:
        ValueError: for a number out of range.
    """
    if len(shape) != 3 or min(shape) < 24:
        raise ValueError(f"`shape` must be three numbers >= 24, got {shape}")
    if spacing_mm <= 0:
        raise ValueError(f"`spacing_mm` must be > 0, got {spacing_mm}")
    rng = np.random.default_rng(seed)
    axes = [spacing_mm * (np.arange(n, dtype=np.float32) - (n - 1) / 2) for n in shape]
    space = _Space(np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32))
    atrium = _atrium(rng, space)
    image = _paint(rng, space, atrium)
    slope = sum(rng.normal(0, 0.15) * space.grid[axis] / np.abs(space.grid[axis]).max() for axis in range(3))
    noise = rng.uniform(0.03, 0.07) * rng.standard_normal((2, *shape), dtype=np.float32)
    image = np.hypot(image * (1 + slope) + noise[0], noise[1])  # the magnitude of a complex signal
    scaled = 32 * (image - image.mean()) / image.std()
    return AtriumPhantom(scaled.round().astype(np.int16), (atrium > 0).astype(np.uint8), spacing_mm)


def _step(distance: Volume, softness: float) -> Volume:
    """Soft step from 0 to 1, 1/2 at distance 0."""
    return (1 / (1 + np.exp(np.clip(-distance / softness, -30, 30)))).astype(np.float32)


def _mix(image: Volume, signal: float | Volume, share: Volume) -> Volume:
    return (image + share * (signal - image)).astype(np.float32)
