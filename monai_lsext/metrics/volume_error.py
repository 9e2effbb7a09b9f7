"""Difference of volumes in millilitres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ._reduced import ReducedMetric

__all__ = ["VolumeError"]


class VolumeError(ReducedMetric):
    """Absolute difference of the volumes of two masks, in millilitres.

    ``|n_pred - n_truth| * v / 1000`` with v mm^3 a voxel.

    Args:
        reduction: MONAI's reduction, default ``mean_batch``: one mean for each channel.

    Shape:
        y_pred, y: binary [B, C, W, H, D] -> [B, C] before the reduction. ``spacing`` at the call: three sides in mm for
        each item, default 1.

    Raises:
        ValueError: when the masks differ in shape or are no volumes.
    """

    def __init__(self, reduction: str = "mean_batch") -> None:
        super().__init__(reduction)

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        if y is None or y_pred.ndim != 5 or y_pred.shape != y.shape:
            found = None if y is None else tuple(y.shape)
            raise ValueError(f"`y_pred` and `y` must be [B, C, W, H, D], got {tuple(y_pred.shape)} and {found}")
        spacing: Sequence[Sequence[float]] = kwargs.get("spacing") or [[1.0] * 3] * len(y)
        voxel_ml = torch.tensor(spacing, dtype=torch.float64, device=y.device).prod(1, keepdim=True) / 1000
        counts = [(mask > 0.5).flatten(2).sum(2).double() for mask in (y_pred, y)]
        return ((counts[0] - counts[1]).abs() * voxel_ml).float()
