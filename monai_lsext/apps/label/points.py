"""Clicks and boxes of a request, in voxel indices of the image's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monai_lsext.apps.label.errors import RequestError

__all__ = ["Box", "Click", "box_of", "clicks_of"]

Click = tuple[float, ...]


@dataclass(frozen=True)
class Box:
    """First and last voxel index along each axis."""

    low: tuple[float, ...]
    high: tuple[float, ...]


def clicks_of(request: Mapping[str, Any], size: Sequence[int]) -> list[Click]:
    """The foreground clicks of a request.

    Args:
        request: its ``foreground`` is a list of [x, y] or [x, y, z], as 3D Slicer and QuPath send it.
        size: of the image, voxels along the file's axes.

    Raises:
        RequestError: for clicks of another form, outside the image, or a volume's click without its slice.
    """
    given = request.get("foreground") or []
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise RequestError(f"`foreground` must be a list of points [x, y] or [x, y, z], got {given}")
    return [_click(point, size) for point in given]


def box_of(request: Mapping[str, Any], size: Sequence[int]) -> Box | None:
    """The box of a request, None where it has none; what lies outside the image is cut off.

    Args:
        request: its ``roi`` is [x0, x1, y0, y1] or [x0, x1, y0, y1, z0, z1], first and last index, as 3D Slicer sends
            it.
        size: of the image, voxels along the file's axes.

    Raises:
        RequestError: for another form, or a box without a voxel of the image.
    """
    given = request.get("roi")
    if not given:
        return None
    numbers = _numbers(given)
    if numbers is None or len(numbers) < 2 * len(size) or len(numbers) % 2:
        raise RequestError(f"`roi` must be {2 * len(size)} numbers, first and last index of each axis, got {given}")
    pairs = [sorted(numbers[2 * axis : 2 * axis + 2]) for axis in range(len(size))]
    low = tuple(max(pair[0], 0) for pair in pairs)
    high = tuple(min(pair[1], length - 1) for pair, length in zip(pairs, size, strict=True))
    if any(first > last for first, last in zip(low, high, strict=True)):
        raise RequestError(f"`roi` must meet the image of {_words(size)}, got {given}")
    return Box(low, high)


def _click(point: Any, size: Sequence[int]) -> Click:
    numbers = _numbers(point)
    if numbers is None or len(numbers) not in (2, 3) or len(numbers) < len(size):
        raise RequestError(f"a click must be {len(size)} numbers, the indices of a voxel, got {point}")
    # viewers give a picture's click a third index
    click = tuple(numbers[: len(size)])
    if not all(0 <= x <= length - 1 for x, length in zip(click, size, strict=True)):
        raise RequestError(f"a click must lie in the image of {_words(size)}, got {', '.join(f'{x:g}' for x in click)}")
    return click


def _numbers(values: Any) -> list[float] | None:
    if not isinstance(values, Sequence) or isinstance(values, str):
        return None
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return None
    return numbers if np.isfinite(numbers).all() else None


def _words(size: Sequence[int]) -> str:
    return " x ".join(map(str, size)) + (" pixels" if len(size) == 2 else " voxels")
