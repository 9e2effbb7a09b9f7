"""Averaged Hausdorff distance of two masks, in millimetres."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from monai.metrics.utils import get_edge_surface_distance
from torch import Tensor

__all__ = ["averaged_hausdorff_distance"]


def averaged_hausdorff_distance(a: Tensor, b: Tensor, spacing_mm: Sequence[float] | None = None) -> float:
    """Mean of the two directed mean surface distances, in mm.

    With A and B the border pixels of the two masks and d the Euclidean distance::

        AVD = 1/2 (mean_{p in A} min_{q in B} d(p, q) + mean_{q in B} min_{p in A} d(q, p))

    Args:
        a: mask [\\*S], 2D or 3D; inside where > 0.5.
        b: mask of the same shape.
        spacing_mm: side of a pixel along each axis, in mm; default 1.

    Returns:
        A number >= 0; 0 when both are empty, infinite when exactly one is.

    Raises:
        ValueError: for masks of different shapes or not 2D or 3D, or a spacing of another length or not > 0.

    Note:
        This is not MONAI's ``SurfaceDistanceMetric(symmetric=True)``, which is the mean over both borders together,
        so that the longer border weighs more; nor the absolute volume difference, which is abbreviated alike.
        A border pixel is one inside with a neighbour (along an axis) outside the mask or outside the image; in a
        volume of one slice only the axes in its plane count.

    Reference:
        Cai, Lu, Xing & Yang, 2018, section IV-D (AVD).
    """
    if a.shape != b.shape or a.ndim not in (2, 3):
        raise ValueError(f"`a` and `b` must be 2D or 3D of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    spacing = [1.0] * a.ndim if spacing_mm is None else [float(side) for side in spacing_mm]
    if len(spacing) != a.ndim or not all(math.isfinite(side) and side > 0 for side in spacing):
        raise ValueError(f"`spacing_mm` must be {a.ndim} numbers > 0, got {spacing_mm}")
    a, b = a > 0.5, b > 0.5
    if a.ndim == 3 and a.shape[2] == 1:
        a, b, spacing = a[..., 0], b[..., 0], spacing[:2]
    if torch.equal(a, b):
        return 0.0
    if not (a.any() and b.any()):
        return math.inf
    _, distances, _ = get_edge_surface_distance(a, b, spacing=spacing, symmetric=True)
    return float(sum(distance.double().mean() for distance in distances)) / 2
