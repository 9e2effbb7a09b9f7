"""Vertical cup-to-disc ratio, the number that a glaucoma examination reads from the optic disc."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._reduced import ReducedMetric, check_pair, required

__all__ = ["CupToDiscRatioError", "vertical_cup_to_disc_ratio"]


def vertical_cup_to_disc_ratio(label_map: Tensor | np.ndarray) -> float:
    """Vertical extent of the cup over that of the disc, in rows from the first to the last.

    Args:
        label_map: 0 background, 1 disc rim, 2 cup (the disc is rim and cup), in MONAI's axis order.

    Shape:
        [W, H]: the last axis is vertical.

    Returns:
        A number 0 .. 1; 0 without a cup, nan without a disc.

    Raises:
        ValueError: when the label map is not 2D.
    """
    labels = torch.as_tensor(np.asarray(label_map))
    if labels.ndim != 2:
        raise ValueError(f"`label_map` must have shape [W, H], got {tuple(labels.shape)}")
    return _ratio(labels >= 1, labels == 2)


class CupToDiscRatioError(ReducedMetric):
    """Absolute difference of the vertical cup-to-disc ratios, ``|CDR(y_pred) - CDR(y)|``.

    Args:
        reduction: MONAI's reduction, default ``mean``.

    Shape:
        y_pred, y: binary [B, 2, W, H], channel 0 the disc (rim and cup), channel 1 the cup; or lists of
        [2, W, H]. The last axis is vertical. The result is [B, 1].

    Raises:
        ValueError: when the masks differ in shape or have not two channels.

    Note:
        A ground truth without a disc gives nan, which the reduction leaves out. A prediction without a disc
        counts as ratio 0, so that a missed disc cannot improve the mean.
    """

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        y = required(y)
        check_pair(y_pred, y, "[B, 2, W, H]", 4)
        if y.shape[1] != 2:
            raise ValueError(f"`y` must have 2 channels, disc and cup, got {y.shape[1]}")
        errors = []
        for estimate, truth in zip(y_pred > 0.5, y > 0.5, strict=True):
            predicted = _ratio(estimate[0], estimate[1])
            errors.append(abs((0.0 if math.isnan(predicted) else predicted) - _ratio(truth[0], truth[1])))
        return torch.tensor(errors, dtype=torch.float32, device=y.device)[:, None]


def _ratio(disc: Tensor, cup: Tensor) -> float:
    height = _vertical_extent(disc)
    return _vertical_extent(cup) / height if height else math.nan


def _vertical_extent(mask: Tensor) -> int:
    rows = torch.as_tensor(mask).any(0).nonzero()
    return int(rows[-1] - rows[0]) + 1 if len(rows) else 0
