"""A shape prior that follows the contour by scale, rotation and shift."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_lsext.evolution.energies import EnergyTerm, Flow, check_not_negative
from monai_lsext.evolution.grid import Block, Grid, inner, replicate

__all__ = ["Alignment", "ShapePrior", "ShapeState", "disc_prior"]

_START_ANGLES = tuple(math.radians(degrees) for degrees in (-45, -30, -15, 0, 15, 30, 45))
_DAMPING = 1e-3
_TRUSTED_PX = 2.0


def disc_prior(radius_px: float, spatial_dims: int = 2) -> Tensor:
    """Signed distance to a disc or ball, ``radius - |x|``, on a grid that reaches one radius beyond it.

    The shape of what is round in a slice, such as the left ventricle. The alignment finds size and place, so the radius
    only says how finely the grid is drawn.

    Args:
        radius_px: >= 1.
        spatial_dims: 2 (default) or 3.

    Returns:
        phi [1, 1, \\*M].

    Raises:
        ValueError: for an argument out of range.
    """
    if radius_px < 1:
        raise ValueError(f"`radius_px` must be >= 1, got {radius_px}")
    if spatial_dims not in (2, 3):
        raise ValueError(f"`spatial_dims` must be 2 or 3, got {spatial_dims}")
    side = torch.arange(-math.ceil(2 * radius_px), math.ceil(2 * radius_px) + 1, dtype=torch.float32)
    axes = torch.meshgrid(*[side] * spatial_dims, indexing="ij")
    return (radius_px - torch.stack(axes).norm(dim=0))[None, None]


class Alignment(NamedTuple):
    """``A(x) = S R x + T`` from the image to the prior, x from the centre of the grid in the unit of the spacing.

    Args:
        scale: S [B].
        rotation: rotation vector [B, 1] (2D, from the first axis to the second) or [B, 3] (3D), in radians.
        shift: T [B, d].
    """

    scale: Tensor
    rotation: Tensor
    shift: Tensor

    def matrix(self) -> Tensor:
        """S R, [B, d, d]."""
        return self.scale[:, None, None] * torch.linalg.matrix_exp(_skew(self.rotation))

    def of_object(self) -> Alignment:
        """The inverse: how the prior is scaled, turned and shifted to lie on the object."""
        inverse = torch.linalg.inv(self.matrix())
        return Alignment(1 / self.scale, -self.rotation, -(inverse @ self.shift[..., None])[..., 0])


class ShapeState(NamedTuple):
    """State of :class:`ShapePrior`: the alignment, and the prior under it, ``phi_M(A(x))`` [B, 1, \\*S]."""

    alignment: Alignment
    target: Tensor


class ShapePrior(EnergyTerm):
    """Distance to an aligned shape, ``weight * int delta(phi) (S phi(x) - phi_M(A(x)))**2``, ``A(x) = S R x + T``.

    S, R and T start from the centroid, the size and, in 2D, the best of some angles up to 45 degrees, and take one
    damped Gauss-Newton step of this energy before each step of phi.

    Args:
        prior: phi_M, a signed distance (positive inside) on a grid of the image's spacing and any size, [1 or B, 1,
            \\*M].
        weight: >= 0, default 1.

    Raises:
        ValueError: for a negative weight or a prior of another form.

    Note:
        The paper descends A by the gradient; scale, angle and shift have different units, which Gauss-Newton
        settles. The flow takes delta(phi) as the weight of a point and does not differentiate it, or a large misfit
        would push the contour's neighbourhood away from zero instead of towards the shape. S may be anything from a
        fifth to five times; without a bound S = 0 would be a minimum.

    Reference:
        Tang et al., "A deep level set method for image segmentation", 2017, Eq. 4; Cremers, Osher & Soatto, 2006.
    """

    def __init__(self, prior: Tensor, weight: float = 1.0) -> None:
        if prior.ndim not in (4, 5) or prior.shape[1] != 1:
            raise ValueError(f"`prior` must have shape [B, 1, H, W] or [B, 1, H, W, D], got {tuple(prior.shape)}")
        self.weight = check_not_negative("weight", weight)
        self.prior = prior

    def update(self, phi: Tensor, state: ShapeState | None, grid: Grid) -> ShapeState:
        field = self._field(phi, grid)
        x = _coordinates(phi, grid)
        weights = grid.step.dirac(phi).flatten(1)
        alignment = self._start(phi, field, x, weights, grid) if state is None else state.alignment
        alignment = self._improved(alignment, phi.flatten(1), field, x, weights, grid)
        sampled = _sample(field[:, :1], alignment, x, grid)
        return ShapeState(alignment, sampled.view_as(phi))

    def flow(self, block: Block, state: ShapeState) -> Flow:
        scale = block.item(state.alignment.scale[:, None])
        stiffness = (2 * scale.square()).expand_as(block.phi)
        return Flow(2 * scale * (block.of(state.target) - scale * block.phi), stiffness, self.weight)

    def energy(self, block: Block, state: ShapeState) -> Tensor:
        residual = block.item(state.alignment.scale[:, None]) * block.phi - state.target
        return self.weight * block.grid.integral(block.grid.step.dirac(block.phi) * residual.square())

    def _field(self, phi: Tensor, grid: Grid) -> Tensor:
        """phi_M and its gradient, [B, 1 + d, \\*M]."""
        prior = self.prior.to(phi)
        axes = list(range(2, prior.ndim))
        if prior.ndim != phi.ndim or len(prior) not in (1, len(phi)):
            raise ValueError(f"`prior` {tuple(prior.shape)} does not fit phi {tuple(phi.shape)}")
        gradients = torch.gradient(replicate(prior), spacing=list(grid.spacing), dim=axes)
        field = torch.cat([prior, *[inner(gradient) for gradient in gradients]], dim=1)
        return field.expand(len(phi), *field.shape[1:])

    def _start(self, phi: Tensor, field: Tensor, x: Tensor, weights: Tensor, grid: Grid) -> Alignment:
        """From centroid and size of the two masks, and the angle with the least energy."""
        dims = x.shape[0]
        centre, size = _moments((phi.detach() > 0).flatten(1).to(phi.dtype), x)
        prior = field[:, 0]
        own = _coordinates(prior[:, None], grid)
        prior_centre, prior_size = _moments((prior > 0).flatten(1).to(phi.dtype), own)
        scale = ((prior_size / size) ** (1 / dims)).clamp(0.2, 5)
        best: tuple[Tensor, Tensor] | None = None
        for angle in _START_ANGLES if dims == 2 else (0.0,):
            rotation = phi.new_full((len(phi), 1 if dims == 2 else 3), angle)
            turned = Alignment(scale, rotation, torch.zeros_like(centre)).matrix() @ centre[..., None]
            alignment = Alignment(scale, rotation, prior_centre - turned[..., 0])
            residual = scale[:, None] * phi.detach().flatten(1) - _sample(field[:, :1], alignment, x, grid)[:, 0]
            energy = (weights.detach() * residual.square()).sum(1)
            if best is None:
                best = (energy, rotation)
            else:
                better = energy < best[0]
                best = (torch.where(better, energy, best[0]), torch.where(better[:, None], rotation, best[1]))
        assert best is not None
        turned = Alignment(scale, best[1], torch.zeros_like(centre)).matrix() @ centre[..., None]
        return Alignment(scale, best[1], prior_centre - turned[..., 0])

    def _improved(
        self, alignment: Alignment, phi: Tensor, field: Tensor, x: Tensor, weights: Tensor, grid: Grid
    ) -> Alignment:
        """One damped Gauss-Newton step in (log S, rotation, T)."""
        sampled = _sample(field, alignment, x, grid)  # [B, 1 + d, n]
        value, slope = sampled[:, 0], sampled[:, 1:]
        moved = alignment.matrix() @ x  # S R x, [B, d, n]
        scaled = alignment.scale[:, None] * phi
        # a part of the contour that lies far off the shape, such as an occlusion's, says little about where it is
        far = (scaled - value).detach() / (_TRUSTED_PX * min(grid.spacing) * alignment.scale[:, None])
        weights = weights / (1 + far.square())
        columns = [scaled - (slope * moved).sum(1)]
        columns += [-(slope * (generator.to(x) @ moved)).sum(1) for generator in _generators(len(x))]
        jacobian = torch.cat([torch.stack(columns, 1), -slope], 1)  # [B, P, n]
        weighted = jacobian * weights[:, None]
        normal = weighted @ jacobian.mT
        damped = normal + _DAMPING * torch.diag_embed(normal.diagonal(dim1=1, dim2=2)) + _tiny_diagonal(normal)
        change = -torch.linalg.solve(damped, (weighted * (scaled - value)[:, None]).sum(2))
        turns = alignment.rotation.shape[1]
        scale = (alignment.scale * change[:, 0].clamp(-0.2, 0.2).exp()).clamp(0.2, 5)
        rotation = alignment.rotation + change[:, 1 : 1 + turns].clamp(-0.2, 0.2)
        return Alignment(scale, rotation, alignment.shift + change[:, 1 + turns :])


def _generators(dims: int) -> Tensor:
    """Derivatives of a rotation at 0, [1, 2, 2] or [3, 3, 3]."""
    if dims == 2:
        return torch.tensor([[[0.0, -1.0], [1.0, 0.0]]])
    eye = torch.eye(3)
    return torch.stack([torch.linalg.cross(eye[k].expand(3, 3), eye, dim=1).T for k in range(3)])


def _skew(rotation: Tensor) -> Tensor:
    return torch.einsum("bk,kij->bij", rotation, _generators(2 if rotation.shape[1] == 1 else 3).to(rotation))


def _coordinates(phi: Tensor, grid: Grid) -> Tensor:
    """Points of phi from the centre of its grid, in the unit of the spacing, [d, n]."""
    axes = [
        (torch.arange(size, dtype=phi.dtype, device=phi.device) - (size - 1) / 2) * h
        for size, h in zip(phi.shape[2:], grid.spacing, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)


def _sample(field: Tensor, alignment: Alignment, x: Tensor, grid: Grid) -> Tensor:
    """field [B, C, \\*M] at A(x), linearly, [B, C, n]."""
    at = alignment.matrix() @ x + alignment.shift[..., None]  # [B, d, n]
    half = torch.tensor([max(size - 1, 1) / 2 * h for size, h in zip(field.shape[2:], grid.spacing, strict=True)])
    at = (at / half.to(at)[:, None]).flip(1).mT  # grid_sample takes the last axis first
    at = at.view(len(at), *[1] * (len(half) - 1), -1, len(half))
    return F.grid_sample(field, at, mode="bilinear", padding_mode="border", align_corners=True).flatten(2)


def _moments(mask: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Centroid [B, d] and number of points [B]; an empty mask is a point in the middle."""
    size = mask.sum(1)
    return (mask @ x.T) / size.clamp(min=1)[:, None], size.clamp(min=1)


def _tiny_diagonal(normal: Tensor) -> Tensor:
    return 1e-9 * torch.eye(normal.shape[-1], dtype=normal.dtype, device=normal.device)
