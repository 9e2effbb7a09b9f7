"""Seeded short-axis cine MR volumes of a heart in end diastole and end systole, with known ventricles."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from .heart import LEFT_VENTRICLE, Heart, draw_heart, paint_above, paint_ventricles, taper
from .thorax import Slice, draw_thorax

__all__ = ["ShortAxisFrame", "ShortAxisPhantom", "short_axis_phantom"]


class ShortAxisFrame(NamedTuple):
    """Image and label map [W, H, D]: 0 background, 1 right ventricle, 2 myocardium, 3 left ventricle's cavity."""

    image: NDArray[np.int16]
    label: NDArray[np.uint8]


class ShortAxisPhantom(NamedTuple):
    """End diastole, end systole, and the affine [4, 4] from voxel to RAS in mm."""

    ed: ShortAxisFrame
    es: ShortAxisFrame
    affine: NDArray[np.float64]

    def cavity_ml(self) -> tuple[float, float]:
        """Volume of the left ventricle in end diastole and end systole: voxels times their size."""
        voxel_ml = abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000
        ed, es = (voxel_ml * int((frame.label == LEFT_VENTRICLE).sum()) for frame in (self.ed, self.es))
        return ed, es


def _affine(rng: np.random.Generator, spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Right-handed oblique frame: slices run from base to apex (left, forward, down), rows towards the feet."""
    normal = np.array([-0.65, 0.65, -0.4]) + rng.normal(0, 0.06, 3)
    normal /= np.linalg.norm(normal)
    down = np.array([0.0, 0.0, -1.0]) + normal[2] * normal
    down /= np.linalg.norm(down)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([np.cross(down, normal), down, normal], axis=1) * spacing_mm
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    return affine.round(6)


def _frame(
    chest: list[Slice], heart: Heart, x: Slice, y: Slice, depth: NDArray[np.float64], radii: NDArray[np.float64]
) -> tuple[list[Slice], NDArray[np.uint8]]:
    """Signal of each slice, and the label map [W, H, D], of one phase; ``radii`` [D, 2] of it and of end diastole."""
    label = np.zeros((*chest[0].shape, len(chest)), np.uint8)
    signal = list(chest)
    for k, (level, radius) in enumerate(zip(depth.tolist(), radii.tolist(), strict=True)):
        if level < 0:
            signal[k] = paint_above(chest[k], heart, x, y)
        elif level <= 1:
            signal[k] = paint_ventricles(chest[k], label[..., k], heart, x, y, level, tuple(radius))
    return signal, label


def _acquire(rng: np.random.Generator, signal: Slice, shading: Slice, gain: float, noise: float) -> Slice:
    """Blurred, shaded by the coil and with Rician noise, as the magnitude of a complex signal has it."""
    seen = gain * shading * gaussian_filter(signal, 0.6)
    return np.hypot(seen + rng.normal(0, noise * gain, seen.shape), rng.normal(0, noise * gain, seen.shape))


def short_axis_phantom(
    seed: int, size: tuple[int, int] | None = None, num_slices: int | None = None
) -> ShortAxisPhantom:
    """Short-axis volumes of one patient in end diastole and end systole, base first.

    The left ventricle tapers towards the apex, its wall keeps its area while it contracts, and papillary muscles are
    dark but belong to the cavity. The first slice (atrium, aortic root) and the last (below the apex) have no
    ventricle; in end systole the most basal ventricular slice may lose it too. The ejection fraction is drawn from
    0.2 to 0.7. The same arguments give the same bytes.

    Args:
        seed: seed of all random choices, >= 0.
        size: columns and rows in pixels, each >= 64; default 160 to 200 each.
        num_slices: >= 6; default 8 to 10.

    Raises:
        ValueError: for a number out of range.
    """
    if seed < 0:
        raise ValueError(f"`seed` must be >= 0, got {seed}")
    if size is not None and (len(size) != 2 or min(size) < 64):
        raise ValueError(f"`size` must be two numbers >= 64, got {size}")
    if num_slices is not None and num_slices < 6:
        raise ValueError(f"`num_slices` must be >= 6, got {num_slices}")
    rng = np.random.default_rng(seed)
    width, height = sorted(int(side) for side in rng.integers(160, 201, 2)) if size is None else size
    total = int(rng.integers(8, 11)) if num_slices is None else num_slices
    pixel = rng.uniform(285, 335) / max(width, height)
    x = ((np.arange(width) - width / 2 + 0.5) * pixel)[:, None]
    y = ((np.arange(height) - height / 2 + 0.5) * pixel)[None]
    centre = rng.normal(0, 1, 2) * np.array([9.0, 7.0]) - np.array([0.0, 8.0])
    heart = draw_heart(rng, centre)
    chest = draw_thorax(rng, x, y, (float(centre[0]), float(centre[1])), total)
    lit = rng.uniform(-1, 1, 2) * np.array([0.35, 0.2]) + np.array([0, -0.35])  # brighter near the anterior coil
    shading = np.exp(lit[0] * x / np.abs(x).max() + lit[1] * y / np.abs(y).max())
    gain, noise = rng.uniform(300, 900), rng.uniform(0.015, 0.045)

    slices = np.arange(total)
    last = total - 2
    ed_depth = (slices - 1) / (last - 1)
    first_es = 1 + int(rng.integers(0, 2))
    es_depth = (slices - first_es) / (last - first_es)
    ed_radius, es_radius = heart.radius * taper(ed_depth), heart.radius * taper(es_depth)
    ejection_fraction = rng.uniform(0.2, 0.7)
    es_radius *= math.sqrt((1 - ejection_fraction) * (ed_radius**2).sum() / (es_radius**2).sum())

    frames = []
    for depth, radius in ((ed_depth, ed_radius), (es_depth, es_radius)):
        signal, label = _frame(chest, heart, x, y, depth, np.stack([radius, ed_radius], axis=1))
        image = np.stack([_acquire(rng, one, shading, gain, noise) for one in signal], axis=-1)
        frames.append(ShortAxisFrame(np.round(image).astype(np.int16), label))
    return ShortAxisPhantom(frames[0], frames[1], _affine(rng, (pixel, pixel, rng.uniform(7, 10))))
