"""Seeded volumes like contrast-enhanced abdominal CT, with a known pancreas that some slices do not show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import distance_transform_edt, gaussian_filter

from .thorax import mix, soft_step

__all__ = ["AbdomenPhantom", "abdomen_phantom"]

Volume = NDArray[np.float32]
Point = NDArray[np.float64]

# course of the pancreas from the head (right, low) to the tail (left, high) in mm, and its radius there
_COURSE = np.array([[34, -6, -30], [30, 2, -12], [14, 14, 0], [-14, 16, 6], [-44, 0, 12], [-70, -22, 20]], float)
_RADII = np.array([11.0, 14.0, 9.5, 9.0, 9.5, 8.0])
_EDGE = 2  # slices at either end of the pancreas that never lose their contrast


class AbdomenPhantom(NamedTuple):
    """Volume in HU, pancreas and liver [W, H, D] (0 and 1) along right, anterior, superior, with sides and losses."""

    image: NDArray[np.int16]
    label: NDArray[np.uint8]
    liver: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    dropped: tuple[int, ...]  # slices that do not show the pancreas


class _Space(NamedTuple):
    """Coordinates along each axis in mm from the middle of the volume, ready to be broadcast."""

    axes: list[Volume]
    spacing_mm: tuple[float, float, float]

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        return tuple(axis.size for axis in self.axes)

    def ball(self, centre: Sequence[float], radii: Sequence[float]) -> Volume:
        """About the distance to the surface of an ellipsoid, positive inside; an infinite radius makes a cylinder."""
        squares = [((axis - c) / r) ** 2 for axis, c, r in zip(self.axes, centre, radii, strict=True)]
        return ((1 - np.sqrt(squares[0] + squares[1] + squares[2])) * min(radii)).astype(np.float32)

    def tube(self, points: Point, radii_mm: Point) -> Volume:
        """Distance to the surface of a tube about a line, positive inside."""
        places = np.stack([p / s + (n - 1) / 2 for p, s, n in zip(points.T, self.spacing_mm, self.shape, strict=True)])
        index = np.rint(places).astype(int)
        inside = ((index >= 0) & (index < np.array(self.shape)[:, None])).all(0)
        line, radius = np.ones(self.shape, bool), np.zeros(self.shape, np.float32)
        line[tuple(index[:, inside])] = False
        radius[tuple(index[:, inside])] = radii_mm[inside]
        distance, nearest = distance_transform_edt(line, sampling=self.spacing_mm, return_indices=True)
        return (radius[tuple(nearest)] - distance).astype(np.float32)


def _course(knots: Point, radii: Point, number: int = 240) -> tuple[Point, Point]:
    """Smooth line through the knots, and the radius along it."""
    along = np.linspace(0, 1, len(knots))
    fine = np.linspace(0, 1, number)
    return CubicSpline(along, knots)(fine), np.interp(fine, along, radii)


def _texture(rng: np.random.Generator, space: _Space, sigma_mm: float) -> Volume:
    """Smoothed white noise of standard deviation 1."""
    sigma = [sigma_mm / side for side in space.spacing_mm]
    noise = gaussian_filter(rng.standard_normal(space.shape, dtype=np.float32), sigma)
    return (noise / noise.std()).astype(np.float32)


def _paint_body(rng: np.random.Generator, space: _Space) -> Volume:
    """Air, skin, fat, muscle, spine, and fat inside the wall."""
    width, depth = (axis.max() - axis.min() for axis in (space.axes[0].ravel(), space.axes[1].ravel()))
    radii = (width / 2 * rng.uniform(0.9, 0.97), depth / 2 * rng.uniform(0.9, 0.97), math.inf)
    rho = space.axes[0] ** 2 / radii[0] ** 2 + space.axes[1] ** 2 / radii[1] ** 2
    inside = np.broadcast_to((1 - np.sqrt(rho)) * min(radii), space.shape)
    fat = rng.uniform(8, 18)
    image = mix(np.full(space.shape, -1000, np.float32), rng.uniform(-110, -95), soft_step(inside))
    image = mix(image, rng.uniform(50, 62), soft_step(inside - fat))
    image = mix(image, rng.uniform(-105, -90), soft_step(inside - fat - rng.uniform(9, 13)))
    back = -rng.uniform(0.52, 0.58) * depth / 2 - 8
    for side in (-1, 1):  # muscles beside the spine
        image = mix(image, 58.0, soft_step(space.ball((38 * side, back + 2, 0), (20, 16, math.inf))))
    spine = space.ball((0, back, 0), (21, 17, math.inf))
    return mix(mix(image, 330.0, soft_step(spine)), rng.uniform(150, 190), soft_step(spine - 3))


def _paint_organs(rng: np.random.Generator, space: _Space, image: Volume) -> tuple[Volume, Volume]:
    """Liver, spleen, kidneys, great vessels, stomach and bowel loops, some as dense as the pancreas; and the liver.

    The liver is given as about the distance to the border of what the others leave of it, positive inside.
    """

    def near(*place: float) -> list[float]:
        return [float(p + rng.normal(0, 4)) for p in place]

    liver = space.ball(near(82, 18, 38), (62, 66, 62))
    image = mix(image, rng.uniform(98, 118), soft_step(liver))
    for centre, radii, signal in (
        (near(-100, -28, 34), (28, 38, 40), rng.uniform(108, 130)),  # spleen
        (near(58, -40, -22), (24, 22, 44), rng.uniform(150, 190)),  # kidneys
        (near(-60, -42, -14), (24, 22, 44), rng.uniform(150, 190)),
        (near(-12, -28, 0), (9, 9, math.inf), rng.uniform(150, 180)),  # aorta
        (near(14, -26, 0), (11, 9, math.inf), rng.uniform(120, 150)),  # vena cava
    ):
        organ = space.ball(centre, radii)
        image, liver = mix(image, signal, soft_step(organ)), np.minimum(liver, -organ)
    for _ in range(14):  # bowel, in front of and below the pancreas
        centre = [rng.uniform(-95, 75), rng.uniform(34, 70), rng.uniform(-60, 20)]
        loop = space.ball(centre, rng.uniform(10, 20, 3).tolist())
        image = mix(image, rng.uniform(60, 110), soft_step(loop))
        image = mix(image, rng.uniform(-15, 90), soft_step(loop - rng.uniform(2, 4)))
        liver = np.minimum(liver, -loop)
    stomach = space.ball(near(-52, 40, 34), (42, 26, 30))
    gas = np.minimum(stomach - 4, space.axes[1] - np.float32(rng.uniform(46, 56)))  # rises to the front
    image = mix(mix(image, 70.0, soft_step(stomach)), rng.uniform(5, 30), soft_step(stomach - 4))
    return mix(image, -850.0, soft_step(gas)), np.minimum(liver, -stomach)


def _paint_neighbours(
    rng: np.random.Generator, space: _Space, image: Volume, liver: Volume, knots: Point
) -> tuple[Volume, Volume]:
    """Duodenum about the head, and the vein behind body and tail; what they leave of the liver."""
    head = knots[:2].mean(0)
    around = np.array([[6, 26, 16], [22, 10, 8], [25, -2, -8], [16, -8, -26], [-8, -10, -34]], float)
    duodenum = space.tube(*_course(head + around, rng.uniform(9, 13) * np.ones(5)))
    image = mix(image, rng.uniform(70, 100), soft_step(duodenum))
    image = mix(image, rng.uniform(0, 60), soft_step(duodenum - 3))
    vein = space.tube(*_course(knots[2:] + np.array([0, -12, -1]), np.full(4, rng.uniform(4, 5.5))))
    image = mix(image, rng.uniform(140, 170), soft_step(vein))
    return image, np.minimum(liver, -np.maximum(duodenum, vein))


def _drop(rng: np.random.Generator, shown: NDArray[np.bool_], lengths: Sequence[int]) -> tuple[int, ...]:
    """Runs of neighbouring slices inside the pancreas, at least two slices apart."""
    places = np.flatnonzero(shown)
    free = np.zeros(len(shown), bool)
    free[places[_EDGE : len(places) - _EDGE]] = True
    dropped: list[int] = []
    for length in sorted(lengths, reverse=True):
        starts = [s for s in range(len(free) - length + 1) if free[s : s + length].all()]
        if not starts:
            raise ValueError(f"`dropouts` must fit into the {len(places)} slices of the pancreas, got {list(lengths)}")
        start = int(rng.choice(starts))
        dropped += range(start, start + length)
        free[max(start - 2, 0) : start + length + 2] = False
    return tuple(sorted(dropped))


def abdomen_phantom(
    seed: int,
    shape: tuple[int, int, int] = (128, 96, 48),
    spacing_mm: tuple[float, float, float] = (2.5, 2.5, 2.5),
    dropouts: Sequence[int] = (1, 3),
) -> AbdomenPhantom:
    """Portal-venous CT of the upper abdomen: a curved, lobulated pancreas among organs of similar density, and noise.

    In some slices the pancreas has hardly any contrast: there it is at most a tenth above what lies around it. The
    label has it nevertheless. The same arguments give the same bytes.

    Args:
        seed: seed of all random choices (form, place, neighbours, densities, slices without contrast, noise), >= 0.
        shape: voxels along right, anterior and superior, each >= 16; default 320 x 240 x 120 mm.
        spacing_mm: sides of a voxel in mm, each > 0, default 2.5.
        dropouts: lengths of the runs of neighbouring slices without contrast, each >= 1, default one of a single
            slice and one of three; empty for none. They keep two slices away from each other and from the ends.

    Raises:
        ValueError: for a number out of range, or runs that do not fit into the pancreas.
    """
    if len(shape) != 3 or min(shape) < 16:
        raise ValueError(f"`shape` must be three numbers >= 16, got {shape}")
    if len(spacing_mm) != 3 or min(spacing_mm) <= 0:
        raise ValueError(f"`spacing_mm` must be three numbers > 0, got {spacing_mm}")
    if any(length < 1 for length in dropouts):
        raise ValueError(f"`dropouts` must be numbers >= 1, got {list(dropouts)}")
    rng = np.random.default_rng(seed)
    axes = [side * (np.arange(n, dtype=np.float32) - (n - 1) / 2) for n, side in zip(shape, spacing_mm, strict=True)]
    space = _Space([a.astype(np.float32) for a in np.meshgrid(*axes, indexing="ij", sparse=True)], spacing_mm)
    knots = _COURSE * rng.uniform(0.9, 1.1, 3) + rng.normal(0, 4, _COURSE.shape) + rng.normal(0, 5, 3)
    pancreas = space.tube(*_course(knots, _RADII * rng.uniform(0.85, 1.2) * rng.uniform(0.9, 1.1, len(_RADII))))
    pancreas = pancreas + np.float32(rng.uniform(0.8, 1.4)) * _texture(rng, space, 4.0)  # lobules
    image, liver = _paint_neighbours(rng, space, *_paint_organs(rng, space, _paint_body(rng, space)), knots)
    label = (pancreas > 0).astype(np.uint8)
    dropped = _drop(rng, np.asarray(label.any((0, 1))), dropouts)
    contrast = np.ones(shape[2], np.float32)
    contrast[list(dropped)] = rng.uniform(0, 0.1, len(dropped))
    image = mix(image, rng.uniform(82, 112) + 6 * _texture(rng, space, 3.0), contrast * soft_step(pancreas))
    noise = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), (0.6, 0.6, 0))
    image = image + np.float32(rng.uniform(9, 16)) * noise / noise.std()
    hounsfield = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
    visible = (np.minimum(liver, -pancreas) > 0).astype(np.uint8)
    return AbdomenPhantom(hounsfield, label, visible, spacing_mm, dropped)
