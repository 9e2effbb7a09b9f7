"""Chest around the heart in a short-axis slice: fat, chest wall, lung, diaphragm and the organs below it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["Slice", "draw_thorax", "mix", "soft_step"]

Slice = NDArray[np.floating[Any]]


def soft_step(distance_mm: Slice, softness_mm: float = 0.7) -> Slice:
    """Share of tissue in a pixel: 0 to 1, 1/2 at distance 0, 1 where the distance is positive."""
    return 1 / (1 + np.exp(-np.clip(distance_mm / softness_mm, -30, 30)))


def mix(below: Slice, above: float | Slice, share: Slice) -> Slice:
    """``below`` painted over with ``above`` where ``share`` is 1."""
    return below + share * (above - below)


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma_px: float) -> Slice:
    """Smoothed white noise of standard deviation 1."""
    noise = gaussian_filter(rng.standard_normal(shape), sigma_px, mode="wrap")
    return noise / noise.std()


def draw_thorax(
    rng: np.random.Generator, x_mm: Slice, y_mm: Slice, heart_mm: tuple[float, float], num_slices: int
) -> list[Slice]:
    """Signal of each slice without the heart, about 0 (air) to 1 (fat).

    Args:
        rng: source of randomness.
        x_mm: columns' place [W, 1], 0 in the middle of the field of view.
        y_mm: rows' place [1, H], positive below the middle.
        heart_mm: place of the left ventricle.
        num_slices: base first; the diaphragm and the chest wall move from slice to slice.
    """
    half_x, half_y = float(np.abs(x_mm).max()), float(np.abs(y_mm).max())
    pixel = float(y_mm[0, 1] - y_mm[0, 0])
    angle = np.arctan2(y_mm, x_mm)
    wobble = sum(rng.uniform(0, 0.04) * np.cos(n * angle + rng.uniform(0, 6.3)) for n in (2, 3, 4))
    fat_depth = rng.uniform(6, 16) * (1 + 0.8 * np.cos(angle + rng.uniform(1, 3)))
    wall = rng.uniform(6, 12)
    middle = rng.uniform(-0.05, 0.05, 2)
    fat, muscle, belly = rng.uniform(0.75, 1.0), rng.uniform(0.15, 0.3), rng.uniform(0.3, 0.45)
    width, height = half_x * rng.uniform(0.88, 1.02), half_y * rng.uniform(1.0, 1.15)
    dome, slope = rng.uniform(14, 34), rng.uniform(-0.6, 0.3)
    organs = [
        (*rng.uniform(-half_x, half_x, 1), *rng.uniform(0, half_y, 1), *rng.uniform(7, 32, 2), rng.uniform(0.08, 0.95))
        for _ in range(20)
    ]
    depth = [(rng.uniform(0, num_slices), rng.uniform(2, num_slices)) for _ in organs]
    slices = []
    for k in range(num_slices):
        shrink = 1 - 0.012 * k
        rho = np.hypot(x_mm / (width * shrink) - middle[0], y_mm / height - middle[1]) / (1 + wobble)
        inside = (1 - rho) * min(width, height)
        image = mix(np.zeros_like(rho), fat, soft_step(inside))
        image = mix(image, muscle, soft_step(inside - fat_depth))
        vessels = np.clip(_smooth_noise(rng, rho.shape, 2 / pixel) - 2, 0, None)
        cavity = soft_step(inside - fat_depth - wall)
        image = mix(image, 0.06 + 0.4 * vessels, cavity)
        level = heart_mm[1] + dome - 1.5 * k + slope * (x_mm - heart_mm[0]) + 0.003 * (x_mm - heart_mm[0]) ** 2
        abdomen = np.full_like(rho, belly) * (1 + 0.15 * _smooth_noise(rng, rho.shape, 5 / pixel))
        for (cx, cy, a, b, signal), (middle_k, extent) in zip(organs, depth, strict=True):
            size = np.sqrt(max(1 - ((k - middle_k) / extent) ** 2, 0.0))
            if size > 0.2:
                ring = (1 - np.hypot((x_mm - cx) / (size * a), (y_mm - cy) / (size * b))) * size * min(a, b)
                abdomen = mix(mix(abdomen, 0.1, soft_step(ring + 2)), signal, soft_step(ring))
        slices.append(mix(image, abdomen, cavity * soft_step(y_mm - level)))
    return slices
