"""One step of a level set as a gated recurrent unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from monai.networks.layers.factories import Conv
from monai.utils import ensure_tuple_rep
from torch import Tensor, nn

from .level_set import gradient_magnitude_and_curvature, heaviside

__all__ = ["RLS_FORMS", "PlaneMap", "RLSCell"]

RLS_FORMS = ("dense", "conv")
# |grad phi|**2 of an edge from -1 to 1 over twenty points; where phi is flatter, the curvature's own derivative would
# grow so large that T steps amplify rounding errors
_GRADIENT_EPS = 1e-2
# with it the force of a square of one standard deviation overcomes the curvature, from any start that was tried
_FORCE_GAIN = 4.0


class PlaneMap(nn.Module):
    """Linear map of a one-channel plane to K planes: a full matrix each, or a convolution each.

    Args:
        form: ``dense``: K matrices of n x n for planes of n points; ``conv``: K kernels, for planes of any size.
        spatial_dims: number of spatial axes.
        image_size: size of the planes; asked for by ``dense`` alone.
        kernel_size: side of the kernels, odd; asked for by ``conv`` alone.
        num_planes: K, >= 1.
        bias: add b, one number a point (``dense``) or a plane (``conv``), default True.

    Shape:
        [B, 1, \\*S] -> [B, K, \\*S].
    """

    def __init__(
        self,
        form: str,
        spatial_dims: int,
        image_size: Sequence[int],
        kernel_size: int,
        num_planes: int,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_planes = num_planes
        self.linear: nn.Module
        if form == "dense":
            points = math.prod(image_size)
            self.linear = nn.Linear(points, num_planes * points, bias=bias)
        else:
            self.linear = Conv[Conv.CONV, spatial_dims](1, num_planes, kernel_size, padding=kernel_size // 2, bias=bias)

    def forward(self, plane: Tensor) -> Tensor:
        if isinstance(self.linear, nn.Linear):
            planes: Tensor = self.linear(plane.flatten(1))
            return planes.view(plane.shape[0], self.num_planes, *plane.shape[2:])
        return cast(Tensor, self.linear(plane))

    @torch.no_grad()
    def set_identity(self, scales: Sequence[float]) -> None:
        """Make map k ``scales[k]`` times the identity, without b."""
        weight = cast(Tensor, self.linear.weight)
        weight.zero_()
        if self.linear.bias is not None:
            cast(Tensor, self.linear.bias).zero_()
        if isinstance(self.linear, nn.Linear):
            points = self.linear.in_features
            for matrix, scale in zip(weight.view(self.num_planes, points, points), scales, strict=True):
                matrix.diagonal().fill_(scale)
        else:
            kernels = weight.flatten(2)  # a view: the middle of an odd kernel is the middle of its numbers
            kernels[:, 0, kernels.shape[2] // 2] = torch.tensor(scales).to(weight)


class RLSCell(nn.Module):
    """One step of a level set under a learned Chan-Vese force, gated as in a GRU.

    ::

        x_t = kappa(phi) - U_g (I - c1)**2 + W_g (I - c2)**2        c1, c2: means of I inside and outside of phi
        z_t = sigma(U_z x_t + W_z phi + b_z)
        r_t = sigma(U_r x_t + W_r phi + b_r)
        h_t = tanh(U_h x_t + W_h (phi * r_t) + b_h)
        phi_t = z_t * phi + (1 - z_t) * h_t                         phi stands for phi_{t-1}

    c1 and c2 are weighted by ``H(phi)`` and ``1 - H(phi)``, :func:`heaviside` with eps = 1.

    Args:
        spatial_dims: 2 or 3.
        form: ``dense``, as published: U and W are matrices on the flattened image; ``conv``: they are convolutions, for
            images of any size.
        image_size: side or sides in pixels; ``dense`` takes images of this size alone, ``conv`` does not use it.
        kernel_size: side of the convolutions, odd, default 5; ``dense`` does not use it.
        dropout: probability of dropping a value of x_t, default 0.

    Shape:
        image [B, C, \\*S], phi [B, 1, \\*S] -> phi [B, 1, \\*S].

    Raises:
        ValueError: for an argument out of range, at construction.

    Note:
        The paper leaves open whether U_g and W_g are learned (its algorithm does not list them): here they are. Of an
        image with several channels the squared differences are averaged (Chan, Sandberg & Vese, 2000). U_h and W_h
        start as the identity, U_g and W_g as four times the identity, all else as zero: an untrained cell moves as
        Chan and Vese's contour, ``phi_t = (phi + tanh(x_t + phi / 2)) / 2``; random matrices would start from noise.

    Reference:
        Le et al., "Recurrent level set networks for instance segmentation", 2019, Eq. 18-22.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        form: str = "dense",
        image_size: int | Sequence[int] = 64,
        kernel_size: int = 5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"`spatial_dims` must be 2 or 3, got {spatial_dims}")
        if form not in RLS_FORMS:
            raise ValueError(f"`form` must be one of {list(RLS_FORMS)}, got {form!r}")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"`kernel_size` must be odd and >= 1, got {kernel_size}")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be >= 0 and < 1, got {dropout}")
        self.form = form
        self.image_size = ensure_tuple_rep(image_size, spatial_dims)
        if min(self.image_size) < 2:
            raise ValueError(f"`image_size` must be >= 2 on each axis, got {image_size}")
        options = (form, spatial_dims, self.image_size, kernel_size)
        self.force_inside = PlaneMap(*options, num_planes=1, bias=False)  # U_g
        self.force_outside = PlaneMap(*options, num_planes=1, bias=False)  # W_g
        self.input_map = PlaneMap(*options, num_planes=3)  # U_z, U_r, U_h with b_z, b_r, b_h
        self.state_map = PlaneMap(*options, num_planes=2, bias=False)  # W_z, W_r
        self.candidate_map = PlaneMap(*options, num_planes=1, bias=False)  # W_h
        self.dropout = nn.Dropout(dropout)
        self.force_inside.set_identity([_FORCE_GAIN])
        self.force_outside.set_identity([_FORCE_GAIN])
        self.candidate_map.set_identity([1.0])
        self.input_map.set_identity([0.0, 0.0, 1.0])
        self.state_map.set_identity([0.0, 0.0])

    def forward(self, image: Tensor, phi: Tensor) -> Tensor:
        """The next level set."""
        z, r, candidate = self.input_map(self.dropout(self.step_input(image, phi))).chunk(3, dim=1)
        state_z, state_r = self.state_map(phi).chunk(2, dim=1)
        z, r = torch.sigmoid(z + state_z), torch.sigmoid(r + state_r)
        candidate = torch.tanh(candidate + self.candidate_map(phi * r))
        return z * phi + (1 - z) * candidate

    def step_input(self, image: Tensor, phi: Tensor) -> Tensor:
        """x_t of Eq. 18."""
        axes = tuple(range(2, phi.ndim))
        curvature = gradient_magnitude_and_curvature(phi, eps=_GRADIENT_EPS)[1]
        # H(phi) and 1 - H(phi) lie above 0: no region has a mean of nothing
        inside = heaviside(phi)
        fits = []
        for region in (inside, 1 - inside):
            mean = (image * region).sum(axes, keepdim=True) / region.sum(axes, keepdim=True)
            fits.append((image - mean).square().mean(1, keepdim=True))
        force: Tensor = self.force_outside(fits[1]) - self.force_inside(fits[0])
        return curvature + force
