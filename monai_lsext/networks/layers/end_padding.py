"""Images continued at their far ends to a size that a network with strides can take, and cut back; can be scripted."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["cropped", "padded"]


def padded(x: Tensor, divisor: int, least: int = 0) -> Tensor:
    """``x`` continued by its last values to a multiple of ``divisor`` on each spatial axis.

    Args:
        x: [B, C, \\*S], 2D or 3D; it comes back as it is when nothing is missing.
        divisor: >= 1.
        least: pixels that each axis gets at least, a multiple of ``divisor``, default 0.
    """
    ends: list[int] = []
    for axis in range(x.ndim - 1, 1, -1):
        ends += [0, max(-x.shape[axis] % divisor, least - x.shape[axis])]
    return F.pad(x, ends, mode="replicate") if max(ends) > 0 else x


def cropped(x: Tensor, like: Tensor) -> Tensor:
    """The part of ``x`` [B, C, \\*S] where ``like`` lies, which was continued at its far ends."""
    for axis in range(2, like.ndim):
        x = x.narrow(axis, 0, like.shape[axis])
    return x
