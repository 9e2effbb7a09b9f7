"""Two regions whose intensities are low-order polynomials in space (L2S)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from monai_lsext.evolution.chan_vese import scaled_disk, unit_range
from monai_lsext.evolution.energies import EnergyTerm, Flow, Length
from monai_lsext.evolution.evolve import Observation, evolve
from monai_lsext.evolution.grid import Block, Grid

__all__ = ["LegendreFit", "LegendreFits", "legendre_basis", "legendre_level_set"]


def legendre_basis(size: Sequence[int], degree: int, like: Tensor) -> Tensor:
    """Products of Legendre polynomials of degree 0 to ``degree`` along each axis, on [-1, 1].

    Args:
        size: points along each spatial axis.
        degree: >= 0.
        like: gives dtype and device.

    Returns:
        [(degree + 1)**d, \\*size].
    """
    axes = []
    for points in size:
        x = torch.linspace(-1, 1, points, dtype=like.dtype, device=like.device)
        rows = [torch.ones_like(x), x]
        for n in range(1, degree):
            rows.append(((2 * n + 1) * x * rows[n] - n * rows[n - 1]) / (n + 1))
        axes.append(rows[: degree + 1])
    products = []
    for factors in itertools.product(*axes):
        product = factors[0]
        for factor in factors[1:]:
            product = product[..., None] * factor
        products.append(product)
    return torch.stack(products)


class LegendreFits(NamedTuple):
    """State of :class:`LegendreFit`: coefficients A and B [B, K], and the fitted images [B, 1, \\*S]."""

    coefficients_inside: Tensor
    coefficients_outside: Tensor
    inside: Tensor
    outside: Tensor


class LegendreFit(EnergyTerm):
    """Fit of each region by a polynomial in space.

    ``int |I - A.P|**2 H(phi) + lambda |A|**2 + int |I - B.P|**2 (1 - H(phi)) + lambda |B|**2``; A and B minimise it
    by regularised least squares, once an iteration. Degree 0 without lambda is Chan and Vese's fit.

    Args:
        image: I [B, 1, \\*S].
        degree: highest degree along each axis, >= 0, default 2.
        ridge: lambda, per point of the image, > 0, default 1e-4.

    Raises:
        ValueError: for several channels or an argument out of range.

    Reference:
        Mukherjee & Acton, "Region based segmentation in presence of intensity inhomogeneity using Legendre
        polynomials", 2015, Eq. 5-9.
    """

    def __init__(self, image: Tensor, degree: int = 2, ridge: float = 1e-4) -> None:
        if image.shape[1] != 1:
            raise ValueError(f"`image` must have 1 channel, got {image.shape[1]}")
        if degree < 0:
            raise ValueError(f"`degree` must be >= 0, got {degree}")
        if ridge <= 0:
            raise ValueError(f"`ridge` must be > 0, got {ridge}")
        self.image = image
        self.ridge = ridge
        self.basis = legendre_basis(image.shape[2:], degree, image)

    def update(self, phi: Tensor, state: LegendreFits | None, grid: Grid) -> LegendreFits:
        inside = grid.step.heaviside(phi)
        a, b = self._coefficients(inside), self._coefficients(1 - inside)
        return LegendreFits(a, b, self._fitted(a), self._fitted(b))

    def flow(self, block: Block, state: LegendreFits) -> Flow:
        image = block.of(self.image)
        return Flow((image - block.of(state.outside)).square() - (image - block.of(state.inside)).square())

    def energy(self, block: Block, state: LegendreFits) -> Tensor:
        inside = block.grid.step.heaviside(block.phi)
        misfit = (self.image - state.inside).square() * inside + (self.image - state.outside).square() * (1 - inside)
        size = torch.stack([c.square().sum(1) for c in state[:2]]).sum(0)
        return block.grid.integral(misfit) + self.ridge * inside[0].numel() * block.grid.volume * size

    def _coefficients(self, share: Tensor) -> Tensor:
        """Regularised least squares with the weights ``share`` [B, 1, \\*S] -> [B, K]."""
        basis = self.basis.flatten(1)  # [K, n]
        weighted = share.flatten(2) * basis  # [B, K, n]
        points = basis.shape[1]
        normal = weighted @ basis.T + self.ridge * points * torch.eye(len(basis)).to(basis)
        right = weighted @ self.image.flatten(2).mT  # [B, K, 1]
        return torch.linalg.solve(normal, right)[..., 0]

    def _fitted(self, coefficients: Tensor) -> Tensor:
        return (coefficients @ self.basis.flatten(1)).view_as(self.image)


def legendre_level_set(
    image: Tensor,
    phi0: Tensor | None = None,
    num_iter: int = 300,
    degree: int = 2,
    nu: float = 0.02,
    ridge: float = 1e-4,
    step: float = 20.0,
    tol: float = 1e-3,
    spacing: Sequence[float] | None = None,
    callback: Callable[[Observation], None] | None = None,
) -> Tensor:
    """Two regions of an image, each of them a polynomial in space, by the level set L2S.

    ``E`` of :class:`LegendreFit` plus ``nu int delta(phi) |grad phi|``.

    Args:
        image: any real image; each item is scaled to [0, 1].
        phi0: start, positive inside; None (default): the largest disc (ball) scaled to [-1, 1].
        num_iter: most iterations, >= 0, default 300.
        degree: highest degree along each axis, >= 0, default 2.
        nu: weight of the length, >= 0, default 0.02.
        ridge: weight of the squared coefficients per point, > 0, default 1e-4.
        step: > 0, default 20.
        tol: an item ends when its mean ``|phi change|`` per point and iteration is below it, default 1e-3; 0: never.
        spacing: distance between neighbours along each spatial axis, default 1 (pixels).
        callback: see :func:`evolve`; the fits are in the state of the first term.

    Shape:
        image [B, 1, \\*S], phi0 [B, 1, \\*S] -> phi [B, 1, \\*S]; 2D and 3D.

    Raises:
        ValueError: for a bad shape or an argument out of range.

    Reference:
        Mukherjee & Acton, "Region based segmentation in presence of intensity inhomogeneity using Legendre
        polynomials", IEEE Signal Processing Letters, 2015.
    """
    image = unit_range(image)
    start = scaled_disk(image) if phi0 is None else phi0.to(image.dtype)
    terms: list[EnergyTerm] = [LegendreFit(image, degree, ridge), Length(nu)]
    return evolve(start, terms, num_iter, step, tol, spacing, None, callback, eps=0.3).phi
