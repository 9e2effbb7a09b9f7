"""Random tree of retinal vessels: ribbons that leave the cup, bend at its wall and branch."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

__all__ = ["Ribbon", "draw_ribbons", "vessel_tree"]

STEP = 0.08  # distance between two points of a path, in disc radii


class Ribbon(NamedTuple):
    """One vessel: its centre line [N, 2] as x, y, its half widths [N] and its darkness (0 to 1)."""

    points: NDArray[np.float64]
    half_width: NDArray[np.float64]
    depth: float


def _course(
    rng: np.random.Generator, start: NDArray[np.float64], heading: float, turn: float, length: float
) -> NDArray[np.float64]:
    """Points of a wandering path that slowly turns by ``turn`` radians."""
    s = np.arange(STEP, max(length, 3 * STEP), STEP)
    wander = 0.12 * np.cumsum(rng.normal(0, math.sqrt(STEP), s.size))
    angle = heading + turn * (1 - np.exp(-s / 2)) + wander + 0.1 * np.sin(rng.uniform(1.5, 3) * s + rng.uniform(0, 6))
    steps = STEP * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([start[None], start + np.cumsum(steps, axis=0)])


def _branches(rng: np.random.Generator, trunk: Ribbon, number: int, length: float) -> list[Ribbon]:
    branches = []
    for _ in range(number):
        index = int(rng.integers(len(trunk.points) // 6, len(trunk.points) - 1))
        along = trunk.points[index + 1] - trunk.points[index]
        side = rng.choice([-1.0, 1.0])
        heading = math.atan2(along[1], along[0]) + side * rng.uniform(0.5, 1.0)
        points = _course(rng, trunk.points[index], heading, -side * 0.4, length * rng.uniform(0.3, 0.7))
        width = rng.uniform(0.4, 0.7) * trunk.half_width[index] * np.linspace(1, 0.5, len(points))
        branches.append(Ribbon(points, width, trunk.depth * rng.uniform(0.7, 1.0)))
    return branches


def vessel_tree(rng: np.random.Generator, temporal: int, cup_ratio: float, length: float) -> list[Ribbon]:
    """Arteries and veins to the four quadrants, with branches; lengths in disc radii, the disc's centre at 0.

    Args:
        rng: source of randomness.
        temporal: side of the macula, +1 right or -1 left.
        cup_ratio: cup-to-disc ratio; the vessels climb the cup's wall there and bend.
        length: how far a vessel runs from the disc, in disc radii.

    Returns:
        the vessels, thick ones first.
    """
    tree = []
    for vertical in (-1, 1):
        for side in (temporal, -temporal):
            for depth, width in ((0.75, 0.06), (0.5, 0.045)):  # a vein and an artery
                exit_angle = math.atan2(vertical, side * rng.uniform(0.05, 0.9))
                hub = cup_ratio * np.array([-temporal * rng.uniform(0.1, 0.45), rng.normal(0, 0.12)])
                wall = cup_ratio * rng.uniform(0.85, 1.05) * np.array([math.cos(exit_angle), math.sin(exit_angle)])
                bend = rng.uniform(-0.6, 0.6)
                towards_side = side * vertical * -rng.uniform(0.1, 0.9)
                outer = _course(rng, wall, exit_angle + bend, towards_side - bend, length)
                inner = np.linspace(hub, wall, 12, endpoint=False)
                inner = inner + 0.08 * np.sin(np.linspace(0, math.pi, 12))[:, None] * rng.normal(size=2)
                points = np.concatenate([inner, outer])
                half_width = width * rng.uniform(0.6, 1.3) * np.linspace(1, 0.45, len(points))
                tree.append(Ribbon(points, half_width, depth * rng.uniform(0.7, 1.1)))
    for _ in range(4):  # thin vessels that leave the disc's border sideways
        angle = rng.choice([0, math.pi]) + rng.uniform(-0.7, 0.7)
        points = _course(rng, np.array([math.cos(angle), math.sin(angle)]) * 0.9, angle, rng.normal(0, 0.4), length)
        tree.append(Ribbon(points, rng.uniform(0.015, 0.03) * np.linspace(1, 0.5, len(points)), 0.45))
    tree += [twig for trunk in list(tree) for twig in _branches(rng, trunk, 3, length)]
    return tree


def draw_ribbons(
    ribbons: list[Ribbon], shape: tuple[int, int], centre: tuple[float, float], radius_px: float
) -> NDArray[np.float32]:
    """Darkness of every pixel, the deepest vessel winning.

    Args:
        ribbons: vessels in disc radii about the disc's centre.
        shape: rows and columns of the picture.
        centre: row and column of the disc's centre.
        radius_px: disc radius in pixels.

    Returns:
        [rows, columns], 0 where no vessel runs.
    """
    canvas = Image.new("F", shape[::-1])
    brush = ImageDraw.Draw(canvas)
    for points, half_width, depth in sorted(ribbons, key=lambda ribbon: ribbon.depth):
        along = np.gradient(points, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
        offset = np.maximum(half_width * radius_px, 0.6)[:, None] * normal
        line = points * radius_px + np.array([centre[1], centre[0]])
        outline = np.concatenate([line + offset, (line - offset)[::-1]])
        brush.polygon([(x, y) for x, y in outline.tolist()], fill=depth)
    return np.asarray(canvas, dtype=np.float32)
