"""The part that per-item, per-channel metrics share: reduction of the collected values."""

from __future__ import annotations

from typing import Any

from monai.metrics import CumulativeIterationMetric
from monai.metrics.utils import do_metric_reduction
from monai.utils import MetricReduction
from torch import Tensor


class ReducedMetric(CumulativeIterationMetric):
    """Collects [B, C] values and reduces them over what is not nan.

    Args:
        reduction: MONAI's ``none``, ``mean``, ``sum``, ``mean_batch``, ``sum_batch``, ``mean_channel`` or
            ``sum_channel``.
    """

    def __init__(self, reduction: MetricReduction | str = MetricReduction.MEAN) -> None:
        super().__init__()
        self.reduction = reduction

    def aggregate(self, reduction: MetricReduction | str | None = None) -> Tensor | Any:
        """The collected values, reduced; ``reduction`` defaults to the constructor's."""
        values = self.get_buffer()
        if not isinstance(values, Tensor):
            raise ValueError("nothing to aggregate: call the metric on at least one batch first")
        return do_metric_reduction(values, reduction or self.reduction)[0]


def required(y: Tensor | None) -> Tensor:
    """The ground truth, which MONAI's signature lets be missing."""
    if y is None:
        raise ValueError("`y`, the ground truth, is required, got None")
    return y


def check_pair(y_pred: Tensor, y: Tensor, shape: str, *ndim: int) -> None:
    """Refuse a pair of masks of different shapes or of another number of dimensions."""
    if y_pred.ndim not in ndim or y_pred.shape != y.shape:
        raise ValueError(
            f"`y_pred` and `y` must both have shape {shape}, got {tuple(y_pred.shape)} and {tuple(y.shape)}"
        )
