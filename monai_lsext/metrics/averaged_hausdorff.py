"""Averaged Hausdorff distance (AVD) of each item's mask, in millimetres."""

from __future__ import annotations

from typing import Any

import torch
from monai.metrics.utils import prepare_spacing
from torch import Tensor

from monai_lsext.networks.layers.averaged_hausdorff import averaged_hausdorff_distance

from ._reduced import ReducedMetric, check_pair, required

__all__ = ["AveragedHausdorffDistance", "averaged_hausdorff_distance"]


class AveragedHausdorffDistance(ReducedMetric):
    """Mean of the two directed mean surface distances, see :func:`averaged_hausdorff_distance`.

    Args:
        reduction: MONAI's reduction, default ``mean``.

    Shape:
        y_pred, y: binary [B, C, \\*S], 2D or 3D, or lists of [C, \\*S]. ``spacing`` at the call: one number, one for
        each axis, or those of each item, in mm, default 1. The result is [B, C].

    Raises:
        ValueError: when the masks differ in shape.

    Note:
        Infinite where exactly one mask is empty, and then so is a mean: a missed object is not left out. Count such
        cases apart (``reduction="none"``) or report a median. 0 where both are empty.
    """

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        y = required(y)
        check_pair(y_pred, y, "[B, C, *S]", 4, 5)
        dims = y.ndim - 2
        given: Any = prepare_spacing(kwargs.get("spacing"), batch_size=len(y), img_dim=dims)
        spacings = [[side] * dims if isinstance(side, (int, float)) else side for side in given]
        values = [
            [averaged_hausdorff_distance(p, t, spacing) for p, t in zip(pred, truth, strict=True)]
            for pred, truth, spacing in zip(y_pred, y, spacings, strict=True)
        ]
        return torch.tensor(values, dtype=torch.float32, device=y.device)
