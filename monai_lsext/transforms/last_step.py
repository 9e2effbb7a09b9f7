"""The last of a network's steps."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.transforms import MapTransform, Transform
from torch import Tensor

__all__ = ["LastStep", "LastStepd"]


class LastStep(Transform):
    """Last element of a list of steps; a tensor passes unchanged.

    A recurrent network gives a list of T tensors in training and one tensor in evaluation; what follows then sees
    one tensor in both.

    Shape:
        list or tuple of T tensors of any one shape, or one such tensor -> that shape.

    Raises:
        ValueError: for an empty list.
        TypeError: for anything but a tensor or a list of tensors.
    """

    def __call__(self, steps: Tensor | Sequence[Tensor]) -> Tensor:
        if isinstance(steps, Tensor):
            return steps
        if not isinstance(steps, (list, tuple)):
            raise TypeError(f"expected a tensor or a list of tensors, got {type(steps).__name__}")
        if not steps:
            raise ValueError("expected at least 1 step, got an empty list")
        return self(steps[-1])


class LastStepd(MapTransform):
    """Dictionary form of :class:`LastStep`.

    Args:
        keys: items to take the last step of, usually ``pred``.
        allow_missing_keys: MONAI's option, default False.
    """

    def __init__(self, keys: Any, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.last_step = LastStep()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.last_step(d[key])
        return d
