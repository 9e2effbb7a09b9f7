"""Seeded grey pictures of round and angular objects that touch, with a known map of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["ShapesPhantom", "shapes_phantom"]

SIZE = (96, 96)
_TRIES = 40


class ShapesPhantom(NamedTuple):
    """Grey picture, instance ids 1 .. n and class ids (1 round, 2 angular), each [rows, columns]; 0 is background."""

    image: NDArray[np.uint8]
    instances: NDArray[np.uint16]
    classes: NDArray[np.uint8]


def shapes_phantom(seed: int, size: tuple[int, int] | None = None, num_objects: int | None = None) -> ShapesPhantom:
    """Ellipses and rectangles of their own grey on a darker ground; more than half of them touch the one before.

    Objects share borders, not pixels. The same arguments give the same bytes.

    Args:
        seed: seed of all random choices, >= 0.
        size: rows and columns in pixels, each >= 64; default (96, 96).
        num_objects: how many are tried, >= 0; default 3 to 7. There may be fewer where no room is found.

    Raises:
        ValueError: for an argument out of range.
    """
    shape = SIZE if size is None else size
    if seed < 0:
        raise ValueError(f"`seed` must be >= 0, got {seed}")
    if len(shape) != 2 or min(shape) < 64:
        raise ValueError(f"`size` must be two numbers >= 64, got {size}")
    if num_objects is not None and num_objects < 0:
        raise ValueError(f"`num_objects` must be >= 0, got {num_objects}")
    rng = np.random.default_rng(seed)
    wanted = int(rng.integers(3, 8)) if num_objects is None else num_objects
    instances, classes = np.zeros(shape, np.uint16), np.zeros(shape, np.uint8)
    image = np.full(shape, rng.uniform(30, 80))
    last: NDArray[np.float64] | None = None
    for _ in range(wanted):
        kind, radii, angle = int(rng.integers(1, 3)), rng.uniform(7, 13, 2), rng.uniform(0, math.pi)
        start = last if last is not None and rng.random() < 0.7 else None
        placed = _place(rng, instances, kind, radii, angle, start)
        if placed is None:
            continue
        last, mask = placed
        instances[mask], classes[mask] = instances.max() + 1, kind
        image[mask] = rng.uniform(120, 220)
    image = gaussian_filter(image, rng.uniform(0.4, 0.9)) + rng.uniform(3, 9) * rng.standard_normal(shape)
    return ShapesPhantom(np.clip(image, 0, 255).astype(np.uint8), instances, classes)


def _place(
    rng: np.random.Generator,
    taken: NDArray[np.uint16],
    kind: int,
    radii: NDArray[np.float64],
    angle: float,
    start: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """Centre and mask where the object is whole and free; from ``start`` it moves away until it just is."""
    room = np.array(taken.shape) - 1.0
    for _ in range(_TRIES):
        heading = rng.uniform(0, 2 * math.pi)
        way = np.array([math.sin(heading), math.cos(heading)])
        centre = rng.uniform(0, room) if start is None else start.copy()
        for _ in range(60):
            if ((centre - radii.max() * 1.45 < 0) | (centre + radii.max() * 1.45 > room)).any():
                break
            mask = _draw(taken.shape, centre, kind, radii, angle)
            if not taken[mask].any():
                return centre, mask
            if start is None:
                break
            centre = centre + way
    return None


def _draw(
    size: tuple[int, ...], centre: NDArray[np.float64], kind: int, radii: NDArray[np.float64], angle: float
) -> NDArray[np.bool_]:
    y, x = np.ogrid[: size[0], : size[1]]
    dy, dx = y - centre[0], x - centre[1]
    along = (dx * math.cos(angle) + dy * math.sin(angle)) / radii[0]
    across = (dy * math.cos(angle) - dx * math.sin(angle)) / radii[1]
    mask: NDArray[np.bool_] = np.hypot(along, across) < 1 if kind == 1 else np.maximum(abs(along), abs(across)) < 0.9
    return mask
