"""Energies of a level set as small terms that add up: each knows its value and how it moves phi."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from monai.networks.layers import GaussianFilter
from torch import Tensor

from monai_lsext.evolution.grid import Block, Grid, check_spacing, inner, replicate

__all__ = [
    "Area",
    "DistanceRegularisation",
    "EnergyTerm",
    "Flow",
    "Length",
    "ProbabilityFit",
    "RegionFit",
    "RegionMeans",
    "edge_indicator",
]

AVERAGES = ("smooth", "hard")


class Flow(NamedTuple):
    """One term's part of ``d phi / dt`` on a block.

    Args:
        value: negative functional derivative of the energy, without the factor delta(phi) when ``on_contour``.
        stiffness: the part of it that is proportional to -phi(x), >= 0, treated implicitly; None for 0.
        weight: factor of both.
        on_contour: whether delta(phi) multiplies it.
    """

    value: Tensor
    stiffness: Tensor | None = None
    weight: float = 1.0
    on_contour: bool = True


class EnergyTerm(ABC):
    """One term of an energy; keeps the images that it needs, never anything of a run."""

    def update(self, phi: Tensor, state: Any, grid: Grid) -> Any:
        """What the term derives from all of phi before a step, e.g. the means; ``state`` is None at the start.

        Returns:
            None, or a (named) tuple of tensors with one entry per item of the batch.
        """
        return None

    @abstractmethod
    def flow(self, block: Block, state: Any) -> Flow:
        """How the term moves phi on a block."""

    @abstractmethod
    def energy(self, block: Block, state: Any) -> Tensor:
        """Value of the term for each item, [B]; ``block`` is the whole batch."""


class Length(EnergyTerm):
    """Length of the contour (area of the surface), ``weight * int g delta(phi) |grad phi|``.

    Flow: ``weight * delta(phi) div(g grad phi / |grad phi|)``; with g = 1 the curvature.

    Args:
        weight: >= 0.
        edge: g [B, 1, \\*S] > 0, small on edges (see :func:`edge_indicator`); None (default) for 1.

    Raises:
        ValueError: for a negative weight.

    Reference:
        Chan & Vese, "Active contours without edges", 2001; Caselles et al., "Geodesic active contours", 1997.
    """

    def __init__(self, weight: float, edge: Tensor | None = None) -> None:
        self.weight = check_not_negative("weight", weight)
        self.edge = edge
        self.padded_edge = None if edge is None else replicate(edge)

    def flow(self, block: Block, state: Any) -> Flow:
        return Flow(*block.divergence(torch.rsqrt, self.padded_edge), weight=self.weight)

    def energy(self, block: Block, state: Any) -> Tensor:
        density = block.grid.step.dirac(block.phi) * block.gradient_magnitude()
        return self.weight * block.grid.integral(density if self.edge is None else density * self.edge)


class Area(EnergyTerm):
    """Area (volume) inside, ``weight * int g H(phi)``; a positive weight shrinks, a negative one grows.

    Args:
        weight: any number.
        edge: g [B, 1, \\*S]; None (default) for 1.

    Reference:
        Chan & Vese, 2001; with g Li et al., "Distance regularized level set evolution", 2010, Eq. 26.
    """

    def __init__(self, weight: float, edge: Tensor | None = None) -> None:
        self.weight = weight
        self.edge = edge

    def flow(self, block: Block, state: Any) -> Flow:
        value = block.window.new_ones(()) if self.edge is None else block.of(self.edge)
        return Flow(value, weight=-self.weight)

    def energy(self, block: Block, state: Any) -> Tensor:
        inside = block.grid.step.heaviside(block.phi)
        return self.weight * block.grid.integral(inside if self.edge is None else inside * self.edge)


class RegionMeans(NamedTuple):
    """Means of the image inside and outside, each [B, C]."""

    inside: Tensor
    outside: Tensor


class RegionFit(EnergyTerm):
    """Chan and Vese's fit, ``int lambda1 |I - c1|**2 H(phi) + lambda2 |I - c2|**2 (1 - H(phi))``, averaged over C.

    Args:
        image: I [B, C, \\*S].
        lambda1: weight inside, >= 0, default 1.
        lambda2: weight outside, >= 0, default 1.
        averages: "smooth" (default): c1 and c2 are weighted by H(phi), as published; "hard": by phi > 0.

    Raises:
        ValueError: for a negative weight or an unknown ``averages``.

    Note:
        An empty region has the mean 0. The energy always takes the smooth averages, those that minimise it.

    Reference:
        Chan & Vese, "Active contours without edges", 2001, Eq. 11, 12, 14; for channels Chan, Sandberg & Vese, 2000.
    """

    def __init__(self, image: Tensor, lambda1: float = 1.0, lambda2: float = 1.0, averages: str = "smooth") -> None:
        if averages not in AVERAGES:
            raise ValueError(f"`averages` must be one of {list(AVERAGES)}, got {averages!r}")
        self.image = image
        self.lambda1 = check_not_negative("lambda1", lambda1)
        self.lambda2 = check_not_negative("lambda2", lambda2)
        self.averages = averages
        self.total = image.flatten(2).sum(2)

    def update(self, phi: Tensor, state: Any, grid: Grid) -> RegionMeans:
        return self._means(phi, grid, self.averages)

    def flow(self, block: Block, state: RegionMeans) -> Flow:
        image, c1, c2 = block.of(self.image), block.item(state.inside), block.item(state.outside)
        if self.lambda1 == self.lambda2 and image.shape[1] == 1:
            # (I - c2)**2 - (I - c1)**2 is linear in I
            return Flow(torch.addcmul(c2.square() - c1.square(), image, 2 * (c1 - c2)), weight=self.lambda1)
        force = self.lambda2 * (image - c2).square() - self.lambda1 * (image - c1).square()
        return Flow(force.mean(1, keepdim=True))

    def energy(self, block: Block, state: RegionMeans) -> Tensor:
        means = self._means(block.phi, block.grid, "smooth")
        misfit = [(self.image - block.item(c)).square().mean(1, keepdim=True) for c in means]
        inside = block.grid.step.heaviside(block.phi)
        return block.grid.integral(self.lambda1 * misfit[0] * inside + self.lambda2 * misfit[1] * (1 - inside))

    def _means(self, phi: Tensor, grid: Grid, averages: str) -> RegionMeans:
        sizes, sums = [], []
        for region in grid.regions:
            part = region.of(phi)
            inside = grid.step.heaviside(part) if averages == "smooth" else (part > 0).to(phi.dtype)
            inside = inside.flatten(2)  # [b, 1, n]
            sizes.append(inside.sum(2))
            sums.append(torch.bmm(region.of(self.image).flatten(2), inside.mT)[..., 0])
        size, summed = _per_item(sizes, grid), _per_item(sums, grid)
        points = phi[0].numel()
        return RegionMeans(_ratio(summed, size), _ratio(self.total - summed, points - size))


class ProbabilityFit(EnergyTerm):
    """Likelihood of a probability map, ``-weight * int H(phi) log P + (1 - H(phi)) log(1 - P)``.

    Flow: ``weight * delta(phi) log(P / (1 - P))``.

    Args:
        probability: P of the object [B, 1, \\*S], 0 to 1; cut to 0.001 to 0.999.
        weight: >= 0, default 1.

    Raises:
        ValueError: for a negative weight.

    Note:
        The paper prints the likelihood itself, which is to be maximised; an energy is its negative.

    Reference:
        Tang et al., "A deep level set method for image segmentation", 2017, Eq. 3.
    """

    def __init__(self, probability: Tensor, weight: float = 1.0) -> None:
        self.weight = check_not_negative("weight", weight)
        self.probability = probability.clamp(1e-3, 1 - 1e-3)
        self.log_odds = torch.logit(self.probability)

    def flow(self, block: Block, state: Any) -> Flow:
        return Flow(block.of(self.log_odds), weight=self.weight)

    def energy(self, block: Block, state: Any) -> Tensor:
        inside = block.grid.step.heaviside(block.phi)
        density = inside * self.probability.log() + (1 - inside) * torch.log1p(-self.probability)
        return -self.weight * block.grid.integral(density)


class DistanceRegularisation(EnergyTerm):
    """Keeps ``|grad phi|`` at 1 near the contour and 0 far off, ``weight * int p(|grad phi|)``.

    ``p(s) = (1 - cos(2 pi s)) / (2 pi)**2`` for s < 1, else ``(s - 1)**2 / 2``: wells at 0 and 1.
    Flow: ``weight * div(d(|grad phi|) grad phi)``, ``d(s) = p'(s) / s``, everywhere, without delta.

    Args:
        weight: >= 0.

    Raises:
        ValueError: for a negative weight.

    Reference:
        Li, Xu, Gui & Fox, "Distance regularized level set evolution and its application to image segmentation",
        2010, Eq. 16.
    """

    def __init__(self, weight: float) -> None:
        self.weight = check_not_negative("weight", weight)

    def flow(self, block: Block, state: Any) -> Flow:
        value, stiffness = block.divergence(_double_well_diffusion)
        return Flow(value, stiffness.clamp(min=0), self.weight, on_contour=False)

    def energy(self, block: Block, state: Any) -> Tensor:
        s = block.gradient_magnitude()
        low = (1 - torch.cos(2 * torch.pi * s)) / (2 * torch.pi) ** 2
        return self.weight * block.grid.integral(torch.where(s < 1, low, 0.5 * (s - 1).square()))


def edge_indicator(image: Tensor, sigma: float = 0.0, spacing: Sequence[float] | None = None) -> Tensor:
    """``g = 1 / (1 + |grad (G_sigma * I)|**2)``: near 1 where I is flat, small on edges.

    Args:
        image: I [B, C, \\*S]; its scale decides what counts as an edge. Squared gradients of channels add up.
        sigma: standard deviation of the Gaussian in pixels, >= 0, default 0 (none).
        spacing: distance between neighbours along each spatial axis, default 1 (pixels).

    Returns:
        g [B, 1, \\*S], in (0, 1].

    Raises:
        ValueError: for a negative ``sigma`` or a bad ``spacing``.

    Reference:
        Caselles et al., "Geodesic active contours", 1997; Li et al., 2010, Eq. 23.
    """
    check_not_negative("sigma", sigma)
    steps = check_spacing(spacing, image.ndim - 2)
    if sigma > 0:
        margin = int(4 * sigma + 0.5)
        padded = F.pad(image, (margin, margin) * len(steps), mode="replicate")
        smooth = GaussianFilter(len(steps), sigma).to(image)(padded)
        image = F.pad(smooth, (-margin, -margin) * len(steps))
    gradients = torch.gradient(replicate(image), spacing=list(steps), dim=list(range(2, image.ndim)))
    squared = torch.stack([inner(gradient).square() for gradient in gradients]).sum(0)
    return 1 / (1 + squared.sum(1, keepdim=True))


def check_not_negative(name: str, value: float) -> float:
    """The value, or ValueError when it is below 0."""
    if value < 0:
        raise ValueError(f"`{name}` must be >= 0, got {value}")
    return value


def _double_well_diffusion(squared: Tensor) -> Tensor:
    s = squared.sqrt()
    return torch.where(s < 1, torch.sinc(2 * s), 1 - 1 / s)


def _per_item(parts: list[Tensor], grid: Grid) -> Tensor:
    """Sums over regions [b, C], in the order of ``grid.regions``, to sums over items [B, C]."""
    if len(parts) == 1:
        return parts[0]
    items = [region.items.start for region in grid.regions]
    groups: dict[int, Tensor] = {}
    for item, part in zip(items, parts, strict=True):
        groups[item] = groups[item] + part if item in groups else part
    return torch.cat(list(groups.values()))


def _ratio(total: Tensor, size: Tensor) -> Tensor:
    return torch.where(size > 0, total / size.clamp(min=torch.finfo(size.dtype).tiny), 0.0)
