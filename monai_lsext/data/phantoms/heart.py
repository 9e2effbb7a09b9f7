"""The heart in a short-axis slice: both ventricles, their wall and papillary muscles, and the vessels above them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .thorax import Slice, mix, soft_step

__all__ = ["LEFT_VENTRICLE", "Heart", "draw_heart", "paint_above", "paint_ventricles", "taper"]

LEFT_VENTRICLE = 3  # label: 1 right ventricle, 2 myocardium, 3 left ventricle's cavity


class Heart(NamedTuple):
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


def draw_heart(rng: np.random.Generator, centre: NDArray[np.float64]) -> Heart:
    """Random heart about a centre (x, y in mm from the middle of the image)."""
    septum = math.pi - rng.uniform(0.1, 0.7)  # left and somewhat below, as a reader sees it
    angles = septum + math.pi + np.array([-0.9, 0.9]) + rng.normal(0, 0.15, 2)
    return Heart(
        centre=centre,
        drift=rng.uniform(-12, 12, 2),
        radius=rng.uniform(21, 31),
        wall=rng.uniform(7, 12),
        septum=septum,
        aspect=rng.uniform(0.88, 1.0),
        uneven=np.stack([rng.uniform(0, 0.05, 3), rng.uniform(0, 2 * math.pi, 3)], axis=1),
        papillary=np.stack([angles, rng.uniform(0.5, 0.72, 2), rng.uniform(0.14, 0.24, 2)], axis=1),
        blood=rng.uniform(0.6, 0.95),
        muscle=rng.uniform(0.18, 0.33),
        fat=rng.uniform(0.5, 0.9),
    )


def taper(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radius over the largest radius at a depth of 0 (base) to 1 (apex); 0 where there is no ventricle."""
    inside = (depth >= 0) & (depth <= 1)
    return np.where(inside, np.sqrt(np.clip(1 - ((depth - 0.25) / 0.8) ** 2, 0, None)), 0)


def paint_ventricles(
    image: Slice, label: NDArray[np.uint8], heart: Heart, x: Slice, y: Slice, depth: float, radii: tuple[float, float]
) -> Slice:
    """Paint one slice at a depth of 0 (base) to 1 (apex) into the signal, and its label map in place.

    ``radii`` are those of the cavity in this frame and in end diastole, in mm: the wall keeps its area.
    """
    radius, radius_ed = radii
    dx, dy = x - heart.centre[0] - depth * heart.drift[0], y - heart.centre[1] - depth * heart.drift[1]
    angle, distance = np.arctan2(dy, dx), np.hypot(dx, dy / heart.aspect)
    outline = 1 + sum(
        a * np.cos(n * angle + p * (1 + depth)) for n, (a, p) in zip((2, 3, 5), heart.uneven, strict=True)
    )
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


def paint_above(image: Slice, heart: Heart, x: Slice, y: Slice) -> Slice:
    """Left atrium and aortic root instead of the ventricles; nothing here has a label."""
    dx, dy = x - heart.centre[0], y - heart.centre[1]
    atrium = (1 - np.hypot((dx - 12) / (1.1 * heart.radius), (dy - 8) / (0.75 * heart.radius))) * heart.radius
    aorta = 0.55 * heart.radius - np.hypot(dx + 16, dy + 10)
    image = mix(image, heart.fat, soft_step(np.maximum(atrium, aorta) + 8, 2.0))
    for distance, wall in ((atrium, 2.0), (aorta, 3.0)):
        image = mix(mix(image, heart.muscle, soft_step(distance + wall)), 0.9 * heart.blood, soft_step(distance))
    return image
