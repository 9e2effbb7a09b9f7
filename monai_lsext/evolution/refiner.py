"""Refinement of a probability map by a level set: likelihood, smoothness, shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from monai_lsext.evolution.energies import (
    DistanceRegularisation,
    EnergyTerm,
    Length,
    ProbabilityFit,
    check_not_negative,
    edge_indicator,
)
from monai_lsext.evolution.evolve import Evolution, Observation, evolve
from monai_lsext.evolution.grid import check_spacing
from monai_lsext.evolution.shape_prior import ShapePrior
from monai_lsext.networks.layers.level_set import signed_distance

__all__ = ["LevelSetRefiner"]


class LevelSetRefiner(nn.Module):
    """Level set started from and held to a network's probability map, made smooth, optionally of a known shape.

    ``E = shape * E_shape + smoothness * int delta(phi) b |grad phi| - data * int H(phi) log P + (1 - H(phi))
    log(1 - P) + distance * int p(|grad phi|)``; b = 1, or ``1 / (1 + |edges * grad I|**2)`` when an image is given.
    The start is the signed distance of ``P > 0.5``.

    Args:
        num_iter: iterations, >= 0, default 50.
        smoothness: weight of the length in the unit of the spacing, >= 0, default 1.
        data: weight of the likelihood, >= 0, default 1.
        distance: weight of the distance regularisation, >= 0, default 0.2.
        shape: weight of the shape prior, >= 0, default 0 (none); it needs ``prior``.
        prior: signed distance (positive inside) of the shape [1, 1, \\*M], on a grid of the image's spacing; see
            :func:`disc_prior`.
        edges: factor of the image, >= 0, default 1; a step of some units times it counts as an edge. With 0 the image
            has no effect.
        step: > 0, default 1.
        tol: an item ends when its mean ``|phi change|`` per point and iteration is below it, default 0: never.

    Shape:
        probability [B, 1, \\*S] in 0 to 1, image [B, C, \\*S] -> phi [B, 1, \\*S]; ``phi > 0`` is the refined mask.

    Raises:
        ValueError: for an argument out of range, a ``shape`` without ``prior`` or a ``prior`` without ``shape``.

    Note:
        An item whose map is nowhere (everywhere) above 0.5 has no contour to move: its phi is negative (positive)
        all over. Gradients reach the probability through the likelihood, not through the start.

    Reference:
        Tang, Valipour, Zhang, Cobzas & Jagersand, "A deep level set method for image segmentation", 2017, Eq. 1-4.
    """

    def __init__(
        self,
        num_iter: int = 50,
        smoothness: float = 1.0,
        data: float = 1.0,
        distance: float = 0.2,
        shape: float = 0.0,
        prior: Tensor | None = None,
        step: float = 1.0,
        tol: float = 0.0,
        edges: float = 1.0,
    ) -> None:
        super().__init__()
        weights = {"smoothness": smoothness, "data": data, "distance": distance, "shape": shape, "edges": edges}
        for name, value in weights.items():
            check_not_negative(name, value)
        if (shape > 0) != (prior is not None):
            given = None if prior is None else tuple(prior.shape)
            raise ValueError(f"`prior` must be given with `shape` > 0 alone, got {given} with {shape}")
        if num_iter < 0:
            raise ValueError(f"`num_iter` must be >= 0, got {num_iter}")
        self.num_iter = num_iter
        self.smoothness = smoothness
        self.data = data
        self.distance = distance
        self.shape = shape
        self.step = step
        self.tol = tol
        self.edges = edges
        self.prior: Tensor | None
        self.register_buffer("prior", prior, persistent=False)

    def forward(
        self,
        probability: Tensor,
        image: Tensor | None = None,
        spacing: Sequence[float] | None = None,
        callback: Callable[[Observation], None] | None = None,
    ) -> Tensor:
        """phi after the refinement."""
        return self.evolve(probability, image, spacing, callback).phi

    def evolve(
        self,
        probability: Tensor,
        image: Tensor | None = None,
        spacing: Sequence[float] | None = None,
        callback: Callable[[Observation], None] | None = None,
    ) -> Evolution:
        """The same with the iterations and the terms' states; the shape's alignment is in that of the last term."""
        if probability.ndim not in (4, 5) or probability.shape[1] != 1:
            raise ValueError(
                f"`probability` must have shape [B, 1, H, W] or [B, 1, H, W, D], got {tuple(probability.shape)}"
            )
        if image is not None and (len(image), *image.shape[2:]) != (len(probability), *probability.shape[2:]):
            raise ValueError(f"`image` {tuple(image.shape)} does not fit `probability` {tuple(probability.shape)}")
        if probability.dtype != torch.float64:
            probability = probability.float()
        edge = None
        if image is not None and self.edges > 0:
            edge = edge_indicator(self.edges * image.to(probability), spacing=spacing)
        terms: list[EnergyTerm] = [
            ProbabilityFit(probability, self.data),
            Length(self.smoothness, edge),
            DistanceRegularisation(self.distance),
        ]
        if self.prior is not None:
            terms.append(ShapePrior(self.prior, self.shape))
        start = start_from_probability(probability.detach(), spacing)
        return evolve(start, terms, self.num_iter, self.step, self.tol, spacing, callback=callback)


def start_from_probability(probability: Tensor, spacing: Sequence[float] | None = None) -> Tensor:
    """Signed distance to the border of ``P > 0.5``; without a border the image's diagonal, negative or positive."""
    steps = check_spacing(spacing, probability.ndim - 2)
    inside = probability > 0.5
    diagonal = sum((size * h) ** 2 for size, h in zip(probability.shape[2:], steps, strict=True)) ** 0.5
    phi = torch.where(inside, diagonal, -diagonal).to(probability.dtype)
    share = inside.flatten(1).float().mean(1)
    mixed = (share > 0) & (share < 1)
    if mixed.any():
        # a single slice is doubled: a distance needs two points along each axis
        thick = inside[mixed].repeat(1, 1, *[2 if size == 1 else 1 for size in inside.shape[2:]])
        distance = signed_distance(thick, steps).to(phi.dtype)
        for axis in range(2, phi.ndim):
            distance = distance.narrow(axis, 0, phi.shape[axis])
        phi[mixed] = distance
    return phi
