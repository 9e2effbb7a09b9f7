"""Objects found where there is none, and objects missed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._reduced import ReducedMetric, required

__all__ = ["PresenceError"]


class PresenceError(ReducedMetric):
    """Share of the images without the object that get one, and of those with it that get none.

    Args:
        reduction: MONAI's reduction, default ``mean_batch``: the two shares.

    Shape:
        y_pred, y: binary [B, 1, \\*S], or lists of [1, \\*S]. The result for each image is [2]: (found though there is
        none, missed though there is one), 0 or 1 where it applies and nan where not.

    Raises:
        ValueError: when the masks differ in shape.
    """

    def __init__(self, reduction: str = "mean_batch") -> None:
        super().__init__(reduction)

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        y = required(y)
        if y_pred.shape != y.shape:
            raise ValueError(f"`y_pred` and `y` must have one shape, got {tuple(y_pred.shape)} and {tuple(y.shape)}")
        found, present = ((mask > 0.5).flatten(1).any(1) for mask in (y_pred, y))
        undefined = torch.full(found.shape, torch.nan, device=y.device)
        return torch.stack([found.float().where(~present, undefined), (~found).float().where(present, undefined)], 1)
