"""The Eikonal loss keeps a level set close to a signed distance."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_lsext.networks.layers import gradient_magnitude

__all__ = ["EikonalLoss"]

# sqrt(eps) is what a flat level set measures instead of 0: small enough for an error of 2e-7 in the loss
_EPS = 1e-14


class EikonalLoss(_Loss):
    """Mean squared deviation of the gradient's length from 1, ``mean((|grad phi| - 1)**2)``.

    Args:
        spacing: distance between neighbours in the unit of phi: one number > 0 for all axes, or one per
            spatial axis; default 1 (phi in pixels). For a network whose unit of phi is ten pixels
            (``phi_scale=0.1``) give 0.1.

    Shape:
        phi [B, C, H, W] or [B, C, H, W, D] -> scalar.

    Raises:
        ValueError: for a ``spacing`` that is not positive or has another number of axes than phi.

    Note:
        The paper prints a sum over the image; the mean makes the weight independent of the image's size.

    Reference:
        Chakravarty & Sivaswamy, "RACE-net", 2018, Eq. 6, second term.
    """

    def __init__(self, spacing: float | Sequence[float] | None = None) -> None:
        super().__init__()
        values = () if spacing is None else (spacing,) if isinstance(spacing, (int, float)) else tuple(spacing)
        if any(value <= 0 for value in values):
            raise ValueError(f"`spacing` must be > 0, got {spacing}")
        self.spacing = spacing

    def forward(self, phi: Tensor) -> Tensor:
        """The loss of one level set."""
        spacing = self.spacing
        if isinstance(spacing, (int, float)):
            spacing = [spacing] * (phi.ndim - 2)
        return (gradient_magnitude(phi, spacing, eps=_EPS) - 1).square().mean()
