"""Boundary localisation error: how far a contour lies from the true one, along rays from its centre."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from monai.utils import MetricReduction, convert_to_tensor
from torch import Tensor

from ._reduced import ReducedMetric, check_pair, required

__all__ = ["BoundaryLocalizationError", "boundary_radii", "compute_boundary_localization_error"]

_SAMPLE_STEP_PX = 0.25


class BoundaryLocalizationError(ReducedMetric):
    """Mean distance of two contours along equi-spaced rays, ``mean_k |r_est(theta_k) - r_gt(theta_k)|``.

    The rays start at the centroid of the ground truth. In an Ignite engine use it through
    ``monai.handlers.IgniteMetricHandler(metric_fn=BoundaryLocalizationError(), output_transform=...)``.

    Args:
        num_angles: number of rays, >= 1, default 24.
        scale: length of one pixel in the unit of the result, > 0, default 1 (pixels of the given masks);
            2 for masks at half resolution reported in full-resolution pixels, or millimetres per pixel.
        reduction: MONAI's reduction, default ``mean``.

    Shape:
        y_pred, y: binary [B, C, H, W], or lists of [C, H, W] -> one value per item and channel, [B, C].

    Raises:
        ValueError: for an argument out of range, or masks that are not 2D or differ in shape.

    Note:
        The paper does not say how a radius is read off. Here it is the outermost point of the ray where the
        bilinearly interpolated mask falls through 0.5, at sub-pixel precision; beyond the image the mask is
        0, so an object cut by the border ends there. A ray that meets no object, or an empty prediction, has
        radius 0. An empty ground truth gives nan, which the reduction leaves out.

    Reference:
        Chakravarty & Sivaswamy, "RACE-net", 2018, section IV-A (24 angles).
    """

    def __init__(
        self,
        num_angles: int = 24,
        scale: float = 1.0,
        reduction: MetricReduction | str = MetricReduction.MEAN,
    ) -> None:
        super().__init__(reduction)
        _check_options(num_angles, scale)
        self.num_angles = num_angles
        self.scale = scale

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        y = required(y)
        return compute_boundary_localization_error(y_pred, y, self.num_angles, self.scale)


def compute_boundary_localization_error(y_pred: Tensor, y: Tensor, num_angles: int = 24, scale: float = 1.0) -> Tensor:
    """Function form of :class:`BoundaryLocalizationError`: [B, C, H, W] masks -> [B, C] errors."""
    _check_options(num_angles, scale)
    check_pair(y_pred, y, "[B, C, H, W]", 4)
    shape = y.shape
    # [B, C, H, W] -> [B * C, H, W]
    estimate, truth = (
        convert_to_tensor(mask, dtype=torch.float32, track_meta=False).flatten(0, 1) for mask in (y_pred, y)
    )
    area = truth.sum((1, 2))
    axes = [torch.arange(size, dtype=torch.float32, device=truth.device) for size in shape[2:]]
    first, last = (truth.sum(2) * axes[0]).sum(1), (truth.sum(1) * axes[1]).sum(1)
    centroid = torch.stack([first, last], dim=1) / area[:, None].clamp(min=1e-6)
    error = (boundary_radii(estimate, centroid, num_angles) - boundary_radii(truth, centroid, num_angles)).abs().mean(1)
    return torch.where(area > 0, error * scale, torch.nan).reshape(shape[:2])


def boundary_radii(mask: Tensor, centre: Tensor, num_angles: int = 24) -> Tensor:
    """Distance in pixels from a point to the outermost contour of a mask, along equi-spaced rays.

    Args:
        mask: values 0 .. 1, float.
        centre: where the rays start, in the order of the mask's axes.
        num_angles: number of rays; ray k points to ``(cos, sin)(2 pi k / num_angles)`` in that order.

    Shape:
        mask [N, H, W], centre [N, 2] -> [N, num_angles]; 0 where the ray meets no object.
    """
    size = torch.tensor(mask.shape[1:], dtype=torch.float32, device=mask.device)
    steps = math.ceil(math.hypot(*(s + 1 for s in mask.shape[1:])) / _SAMPLE_STEP_PX) + 1
    distance = torch.arange(steps, dtype=torch.float32, device=mask.device) * _SAMPLE_STEP_PX
    angle = torch.arange(num_angles, dtype=torch.float32, device=mask.device) * (2 * math.pi / num_angles)
    direction = torch.stack([angle.cos(), angle.sin()], dim=1)
    # [N, 1, 1, 2] + [R, 1] * [A, 1, 2] -> [N, A, R, 2]
    points = centre[:, None, None] + distance[:, None] * direction[:, None]
    # pixel indices -> grid_sample's (-1, 1) from edge to edge; it wants the last axis first
    grid = ((2 * points + 1) / size - 1).flip(-1)
    values = F.grid_sample(mask[:, None], grid, padding_mode="zeros", align_corners=False)[:, 0]
    near, far = values[..., :-1], values[..., 1:]
    crossing = (near >= 0.5) & (far < 0.5)
    radius = distance[:-1] + _SAMPLE_STEP_PX * (near - 0.5) / (near - far).clamp(min=1e-6)
    return torch.where(crossing, radius, 0.0).amax(-1)


def _check_options(num_angles: int, scale: float) -> None:
    if num_angles < 1:
        raise ValueError(f"`num_angles` must be >= 1, got {num_angles}")
    if scale <= 0:
        raise ValueError(f"`scale` must be > 0, got {scale}")
