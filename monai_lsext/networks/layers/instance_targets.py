"""Objects of a label map: their boxes, classes and ids."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["InstanceTargets", "instance_targets"]


class InstanceTargets(NamedTuple):
    """The G objects of one image.

    Args:
        boxes: [G, 4] in pixels, (start_1, start_2, end_1, end_2); the end is one past the last pixel.
        classes: [G], 1 .. K.
        ids: [G], the objects' numbers in the map, ascending.
    """

    boxes: Tensor
    classes: Tensor
    ids: Tensor


def instance_targets(label: Tensor, num_classes: int) -> InstanceTargets:
    """The objects of a label map.

    Args:
        label: instance ids (channel 0; 0 background) and class ids (channel 1; 1 to K on the objects).
        num_classes: K, >= 1.

    Shape:
        label [2, H, W].

    Raises:
        ValueError: for a map of another shape; for a negative id, a class out of range, an object of two classes, or a
            class where there is no object.
    """
    if label.ndim != 3 or label.shape[0] != 2:
        raise ValueError(f"`label` must have shape [2, H, W], instance ids and class ids, got {tuple(label.shape)}")
    ids, classes = label.long()
    if bool((ids < 0).any()):
        raise ValueError(f"instance ids must be >= 0, got {int(ids.min())}")
    alone = classes[ids == 0]
    if bool(alone.any()):
        raise ValueError(f"class {int(alone[alone != 0][0])} is given where there is no instance")
    places = ids.nonzero()
    numbers, index = ids[ids > 0].unique(return_inverse=True)
    count = len(numbers)
    pair = index[:, None].expand(-1, 2)
    low = places.new_zeros(count, 2).scatter_reduce(0, pair, places, "amin", include_self=False)
    high = places.new_zeros(count, 2).scatter_reduce(0, pair, places, "amax", include_self=False)
    classes = classes[ids > 0]
    first = classes.new_zeros(count).scatter_reduce(0, index, classes, "amin", include_self=False)
    last = classes.new_zeros(count).scatter_reduce(0, index, classes, "amax", include_self=False)
    for number, a, b in zip(numbers.tolist(), first.tolist(), last.tolist(), strict=True):
        if not 1 <= a <= b <= num_classes:
            raise ValueError(f"class ids must be 1 to {num_classes}, got {a if a < 1 else b} for instance {number}")
        if a != b:
            raise ValueError(f"instance {number} must have one class, got {a} and {b}")
    return InstanceTargets(torch.cat([low, high + 1], dim=1).float(), first, numbers)
