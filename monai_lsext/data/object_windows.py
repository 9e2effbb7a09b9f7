"""Square windows around single objects of a label map, and which objects are alone in theirs."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

__all__ = ["ObjectWindow", "lonely_objects", "object_window"]


class ObjectWindow(NamedTuple):
    """A square, or a cube: its first pixel along each axis, which may lie outside the picture, and its side."""

    start: tuple[int, ...]
    side: int


def object_window(mask: NDArray[np.bool_], context: float = 2.0) -> ObjectWindow:
    """Window around an object: its side is ``context`` times the longer side of the object's bounding box.

    Args:
        mask: the object, any number of axes.
        context: >= 1, default 2.

    Raises:
        ValueError: for a mask without a pixel.
    """
    boxes = find_objects(mask.astype(np.uint8))
    if not boxes:
        raise ValueError("`mask` must have a pixel, got none")
    return _around(boxes[0], context)


def _around(box: tuple[slice, ...], context: float) -> ObjectWindow:
    """The box's middle is the window's, rounded towards the first pixel."""
    side = math.ceil(context * max(axis.stop - axis.start for axis in box))
    return ObjectWindow(tuple(math.floor((axis.start + axis.stop - side) / 2) for axis in box), side)


def lonely_objects(
    ids: NDArray[np.integer], context: float = 2.0, smallest_px: int = 10
) -> tuple[list[int], Counter[str]]:
    """Objects whose window lies inside the picture and holds no pixel of another object.

    Args:
        ids: label map [W, H], 0 for the background.
        context: see :func:`object_window`.
        smallest_px: least longer side of an object's bounding box, default 10.

    Returns:
        their ids, and for the others the number left out for each reason.
    """
    chosen, left_out = [], Counter[str]()
    for number, box in enumerate(find_objects(ids), 1):
        if box is None:
            continue
        (x, y), side = _around(box, context)
        window = ids[max(x, 0) : x + side, max(y, 0) : y + side]
        if max(axis.stop - axis.start for axis in box) < smallest_px:
            left_out[f"below {smallest_px} px"] += 1
        elif window.shape != (side, side):
            left_out["at the border"] += 1
        elif ((window != 0) & (window != number)).any():
            left_out["not alone in the window"] += 1
        else:
            chosen.append(number)
    return chosen, left_out
