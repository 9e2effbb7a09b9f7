"""Level-set calculus: smoothed step functions, gradient magnitude, curvature and signed distance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from monai.transforms.utils import distance_transform_edt
from torch import Tensor

__all__ = ["dirac", "gradient_magnitude", "gradient_magnitude_and_curvature", "heaviside", "signed_distance"]


def heaviside(x: Tensor, eps: float = 1.0) -> Tensor:
    """Smoothed step function ``H(x) = 1/2 * (1 + 2/pi * arctan(x / eps))``.

    Args:
        x: any real tensor, usually a level set (positive inside).
        eps: half width of the transition, in the unit of ``x``, > 0.

    Returns:
        Tensor of the shape of ``x`` with values in (0, 1).

    Raises:
        ValueError: when ``eps`` is not positive.

    Reference:
        Chan & Vese, "Active contours without edges", 2001, the second regularisation of H.
    """
    _check_positive("eps", eps)
    return 0.5 + torch.atan(x / eps) / math.pi


def dirac(x: Tensor, eps: float = 1.0) -> Tensor:
    """Derivative of :func:`heaviside`: ``delta(x) = 1/pi * eps / (eps**2 + x**2)``.

    Args:
        x: any real tensor, usually a level set.
        eps: half width of the peak, in the unit of ``x``, > 0.

    Returns:
        Tensor of the shape of ``x``; its integral over the real line is 1.

    Raises:
        ValueError: when ``eps`` is not positive.

    Reference:
        Chan & Vese, "Active contours without edges", 2001.
    """
    _check_positive("eps", eps)
    return eps / (math.pi * (eps**2 + x.square()))


def gradient_magnitude(phi: Tensor, spacing: Sequence[float] | None = None, eps: float = 1e-6) -> Tensor:
    """Length of the gradient, ``sqrt(sum_i phi_i**2 + eps)``, by central differences.

    Args:
        phi: level set; each axis has at least 2 points.
        spacing: distance between neighbours along each spatial axis, default 1 (pixels).
        eps: keeps value and derivative finite where the gradient vanishes, > 0.

    Shape:
        ``phi`` [B, C, H, W] or [B, C, H, W, D]; the result has the same shape.

    Raises:
        ValueError: for another number of dimensions, an axis of one point, or a bad ``spacing``.
    """
    phi, step = _checked(phi, spacing)
    padded = _extrapolate(phi)
    return torch.sqrt(_sum_of_squares([_first(padded, axis, step) for axis in range(len(step))]) + eps)


def gradient_magnitude_and_curvature(
    phi: Tensor, spacing: Sequence[float] | None = None, eps: float = 1e-6
) -> tuple[Tensor, Tensor]:
    """Length of the gradient, and the curvature of the level lines (2D) or surfaces (3D).

    ``kappa = div(grad phi / |grad phi|)
            = (|grad phi|**2 * laplace(phi) - grad(phi)^T Hessian(phi) grad(phi)) / |grad phi|**3``,
    which in 2D is ``(phi_xx phi_y**2 - 2 phi_x phi_y phi_xy + phi_yy phi_x**2) / |grad phi|**3``.
    With phi positive inside, a disc of radius r has kappa = -1/r and a ball -2/r on the zero level.

    Args:
        phi: level set, positive inside; each axis has at least 2 points.
        spacing: distance between neighbours along each spatial axis, default 1 (pixels).
        eps: added to ``|grad phi|**2``; keeps both results and their derivatives finite where the gradient
            vanishes, > 0.

    Shape:
        ``phi`` [B, 1, H, W] or [B, 1, H, W, D]; both results have the same shape.

    Returns:
        ``(|grad phi|, kappa)``; half-precision input is computed and returned in float32, since kappa
        overflows float16.

    Raises:
        ValueError: for another number of dimensions, an axis of one point, or a bad ``spacing``.

    Note:
        The paper fixes the filters but not their kernels. First derivatives and the mixed ones are central
        differences, pure second derivatives are compact (1, -2, 1); beyond the border phi is continued
        linearly, so that |grad phi| stays 1 there for a signed distance.

    Reference:
        Chakravarty & Sivaswamy, "RACE-net", 2018, section III-B, module C(phi).
    """
    phi, step = _checked(phi, spacing)
    axes = range(len(step))
    padded = _extrapolate(phi)
    first = [_first(padded, i, step) for i in axes]
    squared = _sum_of_squares(first) + eps
    numerator = torch.zeros_like(phi)
    for i in axes:
        # the pure second derivative along i meets every squared first derivative but its own
        others = _sum_of_squares([first[j] for j in axes if j != i])
        numerator = numerator + _second(padded, i, step) * others
        for j in range(i):
            numerator = numerator - 2 * first[i] * first[j] * _mixed(padded, i, j, step)
    magnitude = torch.sqrt(squared)
    return magnitude, numerator / (squared * magnitude)


def signed_distance(mask: Tensor, spacing: Sequence[float] | None = None) -> Tensor:
    """Signed Euclidean distance to the border of a mask, positive inside.

    ``phi = d - s/2`` inside and ``-(d - s/2)`` outside, where d is the distance to the nearest point of the
    other class and s the smallest spacing: the zero level runs half-way between the two classes.

    Args:
        mask: binary mask; values > 0.5 are inside.
        spacing: distance between neighbours along each spatial axis, default 1 (pixels).

    Shape:
        ``mask`` [B, 1, H, W] or [B, 1, H, W, D]; the result has the same shape, in float32.

    Raises:
        ValueError: when an item of the batch is empty or full (no border to measure from).
    """
    inside = mask > 0.5
    _, step = _checked(mask, spacing)
    for index, item in enumerate(inside):
        if not item.any() or item.all():
            state = "full" if item.any() else "empty"
            raise ValueError(f"`mask` must have points inside and outside, but item {index} is {state}")
    distance = [
        torch.as_tensor(distance_transform_edt(side[:, 0].float(), sampling=list(step)), device=mask.device)
        for side in (inside, ~inside)
    ]
    half = min(step) / 2
    signed = torch.where(inside[:, 0], distance[0] - half, half - distance[1])
    return signed[:, None].to(torch.float32)


def _checked(phi: Tensor, spacing: Sequence[float] | None) -> tuple[Tensor, tuple[float, ...]]:
    """Validate shape and spacing; lift half precision to float32."""
    dims = phi.ndim - 2
    if dims not in (2, 3):
        raise ValueError(f"expected [B, C, H, W] or [B, C, H, W, D], got a tensor of shape {tuple(phi.shape)}")
    if min(phi.shape[2:]) < 2:
        raise ValueError(f"each spatial size must be >= 2, got {tuple(phi.shape[2:])}")
    step = (1.0,) * dims if spacing is None else tuple(float(s) for s in spacing)
    if len(step) != dims or min(step) <= 0:
        raise ValueError(f"`spacing` must be {dims} numbers > 0, got {spacing}")
    return (phi.float() if phi.dtype in (torch.float16, torch.bfloat16) else phi), step


def _check_positive(name: str, value: float) -> None:
    if value <= 0:
        raise ValueError(f"`{name}` must be > 0, got {value}")


def _sum_of_squares(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack([term.square() for term in terms]).sum(0)


def _extrapolate(phi: Tensor) -> Tensor:
    """Continue phi by one point on each side of each spatial axis, linearly."""
    for axis in range(2, phi.ndim):
        size = phi.shape[axis]
        head, head2 = phi.narrow(axis, 0, 1), phi.narrow(axis, 1, 1)
        tail, tail2 = phi.narrow(axis, size - 1, 1), phi.narrow(axis, size - 2, 1)
        phi = torch.cat([2 * head - head2, phi, 2 * tail - tail2], dim=axis)
    return phi


def _shifted(padded: Tensor, offsets: dict[int, int]) -> Tensor:
    """The unpadded window moved by ``offsets[axis]`` (-1, 0 or 1) along each spatial axis."""
    for axis in range(padded.ndim - 2):
        padded = padded.narrow(axis + 2, 1 + offsets.get(axis, 0), padded.shape[axis + 2] - 2)
    return padded


def _first(padded: Tensor, axis: int, step: Sequence[float]) -> Tensor:
    return (_shifted(padded, {axis: 1}) - _shifted(padded, {axis: -1})) / (2 * step[axis])


def _second(padded: Tensor, axis: int, step: Sequence[float]) -> Tensor:
    ends = _shifted(padded, {axis: 1}) + _shifted(padded, {axis: -1})
    return (ends - 2 * _shifted(padded, {})) / step[axis] ** 2


def _mixed(padded: Tensor, i: int, j: int, step: Sequence[float]) -> Tensor:
    same = _shifted(padded, {i: 1, j: 1}) + _shifted(padded, {i: -1, j: -1})
    opposite = _shifted(padded, {i: 1, j: -1}) + _shifted(padded, {i: -1, j: 1})
    return (same - opposite) / (4 * step[i] * step[j])
