"""Surface distances in millimetres and volumes in millilitres: metrics, given the spacing of each item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from ignite.metrics.metric import reinit__is_reduced
from monai.data import MetaTensor
from monai.handlers import IgniteMetricHandler
from monai.metrics import HausdorffDistanceMetric, SurfaceDistanceMetric
from monai.utils import MetricReduction
from torch import Tensor

from monai_lsext.metrics import VolumeError

__all__ = ["HausdorffDistanceMM", "SurfaceDistanceMM", "VolumeErrorML"]


class SpacedMetricHandler(IgniteMetricHandler):
    """A MONAI metric handler that reads each item's spacing from its ground truth (else its prediction)."""

    @reinit__is_reduced
    def update(self, output: Sequence[Any]) -> None:
        """Add a batch: (predictions, ground truths), batch-first tensors or lists of channel-first ones."""
        if len(output) != 2:
            raise ValueError(f"`output` must be (y_pred, y), got {len(output)} elements")
        y_pred, y = output
        pairs = [(y_pred, y)] if isinstance(y, Tensor) else [(p[None], t[None]) for p, t in zip(y_pred, y, strict=True)]
        for estimate, truth in pairs:
            spacing_mm = _spacing_mm(truth, estimate)
            self.metric_fn(_plain(estimate), _plain(truth), spacing=spacing_mm)


class SurfaceDistanceMM(SpacedMetricHandler):
    """Average surface distance in millimetres, of binary [C, \\*S] items with their own spacing.

    MONAI's ``SurfaceDistance`` handler, which passes no spacing, measures in voxels.

    Args:
        include_background: whether channel 0 counts, default False as in MONAI.
        symmetric: distances in both directions (default) or from prediction to ground truth only.
        reduction: MONAI's reduction, default ``mean``.
        output_transform: gives (y_pred, y) from the engine's output, e.g. ``from_engine(["pred", "label"])``.
        save_details: keep each item's value in ``engine.state.metric_details``.

    Raises:
        TypeError: for an item that is no MetaTensor and so has no spacing.

    Note:
        An image without a physical size (PNG, JPEG) has spacing 1: its millimetres are pixels.
    """

    def __init__(
        self,
        include_background: bool = False,
        symmetric: bool = True,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        output_transform: Callable = lambda x: x,
        save_details: bool = True,
    ) -> None:
        metric = SurfaceDistanceMetric(include_background, symmetric, reduction=reduction)
        super().__init__(metric_fn=metric, output_transform=output_transform, save_details=save_details)


class HausdorffDistanceMM(SpacedMetricHandler):
    """Hausdorff distance in millimetres, of binary [C, \\*S] items with their own spacing.

    Args:
        include_background: whether channel 0 counts, default False as in MONAI.
        percentile: 0 .. 100, e.g. 95, or None (default) for the maximum.
        directed: from prediction to ground truth only, default False.
        reduction: MONAI's reduction, default ``mean``.
        output_transform: gives (y_pred, y) from the engine's output, e.g. ``from_engine(["pred", "label"])``.
        save_details: keep each item's value in ``engine.state.metric_details``.

    Raises:
        TypeError: for an item that is no MetaTensor and so has no spacing.
    """

    def __init__(
        self,
        include_background: bool = False,
        percentile: float | None = None,
        directed: bool = False,
        reduction: MetricReduction | str = MetricReduction.MEAN,
        output_transform: Callable = lambda x: x,
        save_details: bool = True,
    ) -> None:
        metric = HausdorffDistanceMetric(
            include_background, percentile=percentile, directed=directed, reduction=reduction
        )
        super().__init__(metric_fn=metric, output_transform=output_transform, save_details=save_details)


class VolumeErrorML(SpacedMetricHandler):
    """Absolute volume difference in millilitres, of binary [C, W, H, D] items with their own spacing.

    Args:
        reduction: MONAI's reduction, default ``mean_batch``.
        output_transform: gives (y_pred, y) from the engine's output, e.g. ``from_engine(["pred", "label"])``.
        save_details: keep each item's value in ``engine.state.metric_details``.

    Raises:
        TypeError: for an item that is no MetaTensor and so has no spacing.
    """

    def __init__(
        self, reduction: str = "mean_batch", output_transform: Callable = lambda x: x, save_details: bool = True
    ) -> None:
        super().__init__(VolumeError(reduction), output_transform=output_transform, save_details=save_details)


def _spacing_mm(*batches: Tensor) -> list[list[float]]:
    """The spacing of each item of a batch [B, C, \\*S], from the first batch that has affines."""
    for batch in batches:
        if isinstance(batch, MetaTensor):
            # a collated batch has one affine per item, an item that was given a batch axis only one
            affines = torch.as_tensor(batch.affine).reshape(-1, *batch.affine.shape[-2:])
            columns = affines[:, :-1, : batch.ndim - 2].norm(dim=1)
            return columns.expand(len(batch), -1).tolist()
    raise TypeError(f"a MetaTensor is needed for its spacing, got {' and '.join(type(b).__name__ for b in batches)}")


def _plain(batch: Tensor) -> Tensor:
    return batch.as_tensor() if isinstance(batch, MetaTensor) else batch
