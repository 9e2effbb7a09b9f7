"""Precision, recall, accuracy and the like of each item's mask."""

from __future__ import annotations

from typing import Any

from monai.metrics import compute_confusion_matrix_metric, get_confusion_matrix
from monai.utils import MetricReduction
from torch import Tensor

from ._reduced import ReducedMetric, check_pair, required

__all__ = ["PixelScore"]


class PixelScore(ReducedMetric):
    """A score of MONAI's confusion matrix, for each item and channel by itself.

    MONAI's ``ConfusionMatrixMetric`` collects counts, so that a file of its details has no score of an item; this one
    collects the scores, which can be listed and compared item by item.

    Args:
        metric_name: any of ``compute_confusion_matrix_metric``, e.g. ``precision``, ``recall``, ``accuracy``,
            ``f1 score``.
        reduction: MONAI's reduction, default ``mean``.

    Shape:
        y_pred, y: binary [B, C, \\*S], 2D or 3D, or lists of [C, \\*S]. The result is [B, C].

    Raises:
        ValueError: when the masks differ in shape.

    Note:
        A score without a denominator (precision where nothing is predicted) is nan, which the reduction leaves out.
    """

    def __init__(self, metric_name: str, reduction: MetricReduction | str = MetricReduction.MEAN) -> None:
        super().__init__(reduction)
        self.metric_name = metric_name

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        y = required(y)
        check_pair(y_pred, y, "[B, C, *S]", 4, 5)
        return compute_confusion_matrix_metric(self.metric_name, get_confusion_matrix(y_pred, y))
