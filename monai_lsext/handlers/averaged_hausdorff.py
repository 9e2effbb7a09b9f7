"""Averaged Hausdorff distance in millimetres, given the spacing of each item."""

from __future__ import annotations

from collections.abc import Callable

from monai.utils import MetricReduction

from monai_lsext.metrics import AveragedHausdorffDistance

from .surface_metrics import SpacedMetricHandler

__all__ = ["AveragedHausdorffMM"]


class AveragedHausdorffMM(SpacedMetricHandler):
    """Averaged Hausdorff distance (AVD) in mm, of binary [C, \\*S] items with their own spacing.

    Args:
        reduction: MONAI's reduction, default ``mean``.
        output_transform: gives (y_pred, y) from the engine's output, e.g. ``from_engine(["pred", "label"])``.
        save_details: keep each item's value in ``engine.state.metric_details``.

    Raises:
        TypeError: for an item that is no MetaTensor and so has no spacing.

    Note:
        Infinite where exactly one mask is empty, and then so is the mean.
    """

    def __init__(
        self,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        output_transform: Callable = lambda x: x,
        save_details: bool = True,
    ) -> None:
        metric = AveragedHausdorffDistance(reduction)
        super().__init__(metric_fn=metric, output_transform=output_transform, save_details=save_details)
