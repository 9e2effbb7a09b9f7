"""Distance regularised level set evolution: an edge-based contour that stays a distance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from monai_lsext.evolution.chan_vese import unit_range
from monai_lsext.evolution.energies import Area, DistanceRegularisation, EnergyTerm, Length, edge_indicator
from monai_lsext.evolution.evolve import Observation, evolve
from monai_lsext.evolution.grid import CosineStep

__all__ = ["drlse"]

_GREY_LEVELS = 255.0


def drlse(
    image: Tensor,
    phi0: Tensor,
    num_iter: int = 500,
    mu: float = 0.04,
    length: float = 5.0,
    area: float = 1.5,
    sigma: float = 1.5,
    eps: float = 1.5,
    step: float = 5.0,
    tol: float = 0.0,
    spacing: Sequence[float] | None = None,
    callback: Callable[[Observation], None] | None = None,
    compiled: bool = False,
) -> Tensor:
    """Contour drawn to the edges of an image by Li's energy, without ever being reinitialised.

    ``E = mu int p(|grad phi|) + length int g delta(phi) |grad phi| + area int g H(phi)``,
    ``g = 1 / (1 + |grad (G_sigma * I)|**2)``, p a double well that keeps ``|grad phi|`` near 1 around the contour.

    Args:
        image: any real image; each item is scaled to 0 to 255, which decides what counts as an edge.
        phi0: start, positive inside, e.g. ``2 * (2 * mask - 1)``; the contour has to pass the edges from one side.
        num_iter: most iterations, >= 0, default 500.
        mu: weight of the distance regularisation, >= 0, default 0.04.
        length: weight of the edge-weighted length, >= 0, default 5.
        area: weight of the edge-weighted area, default 1.5: shrinks; a negative one grows.
        sigma: standard deviation of the Gaussian in pixels, >= 0, default 1.5.
        eps: half width of delta in the unit of phi, > 0, default 1.5.
        step: > 0, default 5.
        tol: an item ends when its mean ``|phi change|`` per point and iteration is below it; 0 (default): never.
        spacing: distance between neighbours along each spatial axis, default 1 (pixels).
        callback: see :func:`evolve`.
        compiled: see :func:`evolve`.

    Shape:
        image [B, C, \\*S], phi0 [B, 1, \\*S] -> phi [B, 1, \\*S]; 2D and 3D.

    Raises:
        ValueError: for a bad shape or an argument out of range.

    Note:
        Li's phi is negative inside, here positive; the meaning of ``area`` is his. His step is explicit and needs
        ``mu * step < 0.25``; ours takes the diffusion semi-implicitly.

    Reference:
        Li, Xu, Gui & Fox, "Distance regularized level set evolution and its application to image segmentation", 2010.
    """
    edge = edge_indicator(_GREY_LEVELS * unit_range(image), sigma, spacing)
    terms: list[EnergyTerm] = [DistanceRegularisation(mu), Length(length, edge), Area(area, edge)]
    step_function = CosineStep(eps)
    return evolve(
        phi0.to(edge.dtype), terms, num_iter, step, tol, spacing, step_function, callback, compiled=compiled
    ).phi
