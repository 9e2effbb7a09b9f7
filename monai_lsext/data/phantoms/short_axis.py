"""Seeded short-axis cine MR volumes of a heart in end diastole and end systole, with known ventricles."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from .thorax import Slice, draw_thorax, mix, soft_step

__all__ = ["ShortAxisFrame", "ShortAxisPhantom", "short_axis_phantom"]

LEFT_VENTRICLE = 3


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


class _Heart(NamedTuple):
    """One patient's heart; lengths in mm, angles in radians, the right ventricle lying at ``septum``."""

    centre: NDArray[np.float64]
    drift: NDArray[np.float64]
    radius: float
    wall: float
    septum: float
    aspect: float
    uneven: NDArray[np.float64]  # amplitude and phase of the outline's waves, [3, 2]
    papillary: NDArray[np.float64]  # angle, relative distance, relative radius, [2, 3]
    blood: float
    muscle: float
    fat: float


def _heart(rng: np.random.Generator, centre: NDArray[np.float64]) -> _Heart:
    septum = math.pi - rng.uniform(0.1, 0.7)  # left and somewhat below, as a reader sees it
    angles = septum + math.pi + np.array([-0.9, 0.9]) + rng.normal(0, 0.15, 2)
    return _Heart(
        centre=centre,
        drift=rng.uniform(-12, 12, 2),
        radius=rng.uniform(20, 29),
        wall=rng.uniform(7, 12),
        septum=septum,
        aspect=rng.uniform(0.88, 1.0),
        uneven=np.stack([rng.uniform(0, 0.05, 3), rng.uniform(0, 2 * math.pi, 3)], axis=1),
        papillary=np.stack([angles, rng.uniform(0.5, 0.72, 2), rng.uniform(0.14, 0.24, 2)], axis=1),
        blood=rng.uniform(0.6, 0.95),
        muscle=rng.uniform(0.18, 0.33),
        fat=rng.uniform(0.5, 0.9),
    )


def _taper(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radius over the largest radius at a depth of 0 (base) to 1 (apex); 0 where there is no ventricle."""
    inside = (depth >= 0) & (depth <= 1)
    return np.where(inside, np.sqrt(np.clip(1 - ((depth - 0.25) / 0.8) ** 2, 0, None)), 0)


def _paint(
    image: Slice, label: NDArray[np.uint8], heart: _Heart, x: Slice, y: Slice, depth: float, radii: tuple[float, float]
) -> Slice:
    """Heart of one slice; ``radii`` are those of this frame and of end diastole, and give the wall its thickness."""
    radius, radius_ed = radii
    dx, dy = x - heart.centre[0] - depth * heart.drift[0], y - heart.centre[1] - depth * heart.drift[1]
    angle, distance = np.arctan2(dy, dx), np.hypot(dx, dy / heart.aspect)
    outline = 1 + sum(a * np.cos(n * angle + p * (1 + depth)) for n, (a, p) in zip((2, 3, 5), heart.uneven, strict=True))
    muscle_area = (radius_ed + heart.wall) ** 2 - radius_ed**2  # kept while the heart contracts
    cavity = radius * outline - distance
    outer = np.sqrt((radius * outline) ** 2 + muscle_area) - distance
    outer_radius = math.sqrt(radius**2 + muscle_area)
    along = dx * math.cos(heart.septum) + dy * math.sin(heart.septum) - 0.62 * outer_radius
    across = -dx * math.sin(heart.septum) + dy * math.cos(heart.septum)
    a, b = outer_radius * (1.0 - 0.5 * depth), outer_radius * (1.3 - 0.7 * depth)
    right = (1 - np.hypot(along / a, across / b)) * a
    layer = 5 + 9 * np.cos(angle + heart.uneven[0, 1]) * np.cos(2 * angle + heart.uneven[1, 1])  # patches of fat
    image = mix(image, heart.fat, soft_step(np.maximum(outer, right) + layer, 2.0))
    image = mix(image, heart.muscle, soft_step(np.maximum(right + 3, outer)))
    image = mix(image, 0.9 * heart.blood, soft_step(np.minimum(right, -outer)))
    image = mix(image, heart.blood, soft_step(cavity))
    if 0.15 < depth < 0.95:
        for turn, place, size in heart.papillary:
            gap = np.hypot(dx - place * radius * math.cos(turn), dy - place * radius * math.sin(turn))
            image = mix(image, 1.2 * heart.muscle, soft_step(np.minimum(size * radius - gap, cavity)))
    label[right > 0] = 1
    label[outer > 0] = 2
    label[cavity > 0] = LEFT_VENTRICLE
    return image


def _paint_above(image: Slice, heart: _Heart, x: Slice, y: Slice) -> Slice:
    """Left atrium and aortic root instead of the ventricles; nothing here has a label."""
    dx, dy = x - heart.centre[0], y - heart.centre[1]
    atrium = (1 - np.hypot((dx - 12) / (1.1 * heart.radius), (dy - 8) / (0.75 * heart.radius))) * heart.radius
    aorta = 0.55 * heart.radius - np.hypot(dx + 16, dy + 10)
    image = mix(image, heart.fat, soft_step(np.maximum(atrium, aorta) + 8, 2.0))
    for distance, wall in ((atrium, 2.0), (aorta, 3.0)):
        image = mix(mix(image, heart.muscle, soft_step(distance + wall)), 0.9 * heart.blood, soft_step(distance))
    return image


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
        num_slices: >= 5; default 8 to 10.

    Raises:
        ValueError: for a number out of range.
    """
    if seed < 0:
        raise ValueError(f"`seed` must be >= 0, got {seed}")
    if size is not None and (len(size) != 2 or min(size) < 64):
        raise ValueError(f"`size` must be two numbers >= 64, got {size}")
    if num_slices is not None and num_slices < 5:
        raise ValueError(f"`num_slices` must be >= 5, got {num_slices}")
    rng = np.random.default_rng(seed)
    width, height = sorted(int(side) for side in rng.integers(160, 201, 2)) if size is None else size
    total = int(rng.integers(8, 11)) if num_slices is None else num_slices
    pixel = rng.uniform(285, 335) / max(width, height)
    x = ((np.arange(width) - width / 2 + 0.5) * pixel)[:, None]
    y = ((np.arange(height) - height / 2 + 0.5) * pixel)[None]
    centre = rng.normal(0, 1, 2) * np.array([9.0, 7.0]) - np.array([0.0, 8.0])
    heart = _heart(rng, centre)
    chest = draw_thorax(rng, x, y, (float(centre[0]), float(centre[1])), total)
    lit = rng.uniform(-1, 1, 2) * np.array([0.35, 0.2]) + np.array([0, -0.35])  # brighter near the anterior coil
    shading = np.exp(lit[0] * x / np.abs(x).max() + lit[1] * y / np.abs(y).max())
    gain, noise = rng.uniform(300, 900), rng.uniform(0.015, 0.045)

    slices = np.arange(total)
    last = total - 2
    ed_depth = (slices - 1) / (last - 1)
    first_es = 1 + int(rng.integers(0, 2))
    es_depth = (slices - first_es) / (last - first_es)
    ed_radius, es_radius = heart.radius * _taper(ed_depth), heart.radius * _taper(es_depth)
    ejection_fraction = rng.uniform(0.2, 0.7)
    es_radius *= math.sqrt((1 - ejection_fraction) * (ed_radius**2).sum() / (es_radius**2).sum())

    frames = []
    for depth, radius in ((ed_depth, ed_radius), (es_depth, es_radius)):
        image = np.zeros((width, height, total), np.int16)
        label = np.zeros((width, height, total), np.uint8)
        for k in slices:
            signal = chest[k]
            if depth[k] < 0:
                signal = _paint_above(signal, heart, x, y)
            elif depth[k] <= 1:
                thickness = (float(radius[k]), float(ed_radius[k]))
                signal = _paint(signal, label[..., k], heart, x, y, float(depth[k]), thickness)
            image[..., k] = np.round(_acquire(rng, signal, shading, gain, noise)).astype(np.int16)
        frames.append(ShortAxisFrame(image, label))
    return ShortAxisPhantom(frames[0], frames[1], _affine(rng, (pixel, pixel, rng.uniform(7, 10))))
