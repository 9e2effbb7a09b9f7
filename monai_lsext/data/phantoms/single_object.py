"""Seeded grey pictures of one object, brighter or darker than its ground, in uneven light."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["ObjectPhantom", "object_phantom"]

SIZE = (96, 96)
_WAVES = (2, 3, 4, 5)


class ObjectPhantom(NamedTuple):
    """Grey picture and mask (1 in the object), each [rows, columns]."""

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def object_phantom(seed: int, size: tuple[int, int] | None = None) -> ObjectPhantom:
    """One object near the middle, about half as long as the picture; bright and dark ones are equally likely.

    The outline is ``radius * (1 + sum_k a_k cos(k t + p_k))`` of an ellipse; the light falls off as a polynomial of
    second degree, by a third at most, so that one threshold does not always separate object and ground. The same
    arguments give the same bytes.

    Args:
        seed: seed of all random choices (shape, place, contrast, light, focus, noise), >= 0.
        size: rows and columns in pixels, each >= 32; default (96, 96).

    Raises:
        ValueError: for an argument out of range.
    """
    shape = SIZE if size is None else size
    if seed < 0:
        raise ValueError(f"`seed` must be >= 0, got {seed}")
    if len(shape) != 2 or min(shape) < 32:
        raise ValueError(f"`size` must be two numbers >= 32, got {size}")
    rng = np.random.default_rng(seed)
    y, x = (np.linspace(-1, 1, side).reshape(form) for side, form in zip(shape, ((-1, 1), (1, -1)), strict=True))
    mask = _depth(rng, y, x) > 0
    ground, contrast = rng.uniform(80, 150), rng.uniform(35, 80) * rng.choice([-1, 1])
    texture = gaussian_filter(rng.standard_normal(shape), rng.uniform(1, 3))
    a, b, c = rng.uniform(-1, 1, 3)
    light = a * y + b * x + c * (y**2 + x**2)
    light = 1 + rng.uniform(0, 1 / 3) * (light - light.mean()) / np.ptp(light)
    image = light * (ground + contrast * mask + rng.uniform(0, 0.15) * abs(contrast) * texture / texture.std())
    image = gaussian_filter(image, rng.uniform(0.5, 1.5))
    image += rng.uniform(0.03, 0.3) * abs(contrast) * rng.standard_normal(shape)
    return ObjectPhantom(np.clip(np.rint(image), 0, 255).astype(np.uint8), mask.astype(np.uint8))


def _depth(rng: np.random.Generator, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive in the object; the picture reaches from -1 to 1."""
    dy, dx = y - rng.uniform(-0.1, 0.1), x - rng.uniform(-0.1, 0.1)
    angle, stretch = rng.uniform(0, math.pi), math.sqrt(rng.uniform(1, 2))
    along = (dx * math.cos(angle) + dy * math.sin(angle)) / stretch
    across = (dy * math.cos(angle) - dx * math.sin(angle)) * stretch
    turn = np.arctan2(across, along)
    waves = sum(rng.uniform(0, 0.35 / k) * np.cos(k * turn + rng.uniform(0, 2 * math.pi)) for k in _WAVES)
    return rng.uniform(0.32, 0.45) * (1 + waves) - np.hypot(along, across)
