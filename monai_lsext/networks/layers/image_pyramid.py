"""The image-pyramid CNN that RACE-net uses for both of its velocities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from monai.networks.layers.factories import Conv, Dropout
from torch import Tensor, nn

from .upsampled_conv import (
    PHASES,
    convolve3d,
    folding_tensor,
    interleave_phases,
    phase_kernels,
    phase_window,
    to_phases,
)

__all__ = ["ImagePyramidCNN"]

_CONVOLVE: dict[int, Callable[..., Tensor]] = {2: F.conv2d, 3: convolve3d}
_AVERAGE = {2: F.avg_pool2d, 3: F.avg_pool3d}


class ImagePyramidCNN(nn.Module):
    """Coarse-to-fine CNN over an average-pool pyramid, one output channel.

    With I_0 the input, I_{l+1} its 2x average-pool and u_L empty, for l = L-1 .. 0::

        a_l = relu(W_l * [I_l, phi_l, up(u_{l+1})])      2N filters of size S_l
        u_l = relu(V_l a_l)                              N filters, 1x1;  u_0: one filter, linear

    The image does not change while phi evolves, so its share of every W_l is computed once by
    :meth:`project`; :meth:`forward` adds the share of phi. This is exact: a convolution is linear in its input.
    In 3D the finest level, where nearly all the time goes, is computed in eight phases (:func:`phase_kernels`):
    the same numbers at less than half the cost, and activations an eighth as large.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image, >= 1.
        num_filters: N, >= 1.
        kernel_sizes: S_{L-1} .. S_0, coarse to fine, odd.
        with_phi: whether a level set is a further input channel.
        dropout: probability of dropping an activation after the 2N filters, 0 .. 1, default 0.

    Shape:
        image [B, in_channels, \\*S] and phi [B, 1, \\*S] -> [B, 1, \\*S]; S divisible by 2**(L-1).

    Raises:
        ValueError: for a size out of range.

    Note:
        The paper does not name the upsampling: nearest neighbour here, the cheapest; the next convolution
        smooths it. Borders are zero-padded.

    Reference:
        Chakravarty & Sivaswamy, "RACE-net", 2018, section III-B.1.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        num_filters: int,
        kernel_sizes: Sequence[int],
        with_phi: bool,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"`spatial_dims` must be 2 or 3, got {spatial_dims}")
        for name, value in (("in_channels", in_channels), ("num_filters", num_filters)):
            if value < 1:
                raise ValueError(f"`{name}` must be >= 1, got {value}")
        if not kernel_sizes or any(size < 1 or size % 2 == 0 for size in kernel_sizes):
            raise ValueError(f"`kernel_sizes` must be odd numbers >= 1, got {tuple(kernel_sizes)}")
        self.spatial_dims = spatial_dims
        self.in_channels = in_channels
        conv = Conv[Conv.CONV, spatial_dims]
        self.filters, self.mixers = nn.ModuleList(), nn.ModuleList()
        for index, size in enumerate(kernel_sizes):
            inputs = in_channels + int(with_phi) + (num_filters if index else 0)
            outputs = num_filters if index < len(kernel_sizes) - 1 else 1
            self.filters.append(conv(inputs, 2 * num_filters, size, padding=size // 2))
            self.mixers.append(conv(2 * num_filters, outputs, 1))
        self.dropout = Dropout[Dropout.DROPOUT, spatial_dims](dropout)
        self.in_phases = spatial_dims == 3 and len(kernel_sizes) > 1
        if self.in_phases:
            self.register_buffer("folding", folding_tensor(kernel_sizes[-1]), persistent=False)

    def draw_he_weights(self) -> None:
        """Draw all weights anew, such that activations keep their size from level to level; biases become zero.

        Reference:
            He et al., Delving deep into rectifiers, ICCV 2015, Eq. 10.
        """
        for conv in [*self.filters, *self.mixers]:
            weight, bias = _parameters(conv)
            nn.init.kaiming_normal_(weight, nonlinearity="linear" if conv is self.mixers[-1] else "relu")
            nn.init.zeros_(bias)

    @property
    def divisor(self) -> int:
        """What each spatial size must be divisible by."""
        return 2 ** (len(self.filters) - 1)

    def project(self, image: Tensor) -> list[Tensor]:
        """The image's share of each level's filters, bias included, coarse to fine.

        Shape:
            [B, 2N, \\*S_l] each; in 3D the finest [8, B, 2N, \\*S_1], by phases.
        """
        levels = self._pyramid(image)
        projected = [
            self._filter(conv, level, 0, with_bias=True)
            for conv, level in zip(self.filters, levels[: len(self.filters) - self.in_phases], strict=False)
        ]
        if self.in_phases:
            weight, bias = _parameters(self.filters[-1])
            shares = self._by_phases(to_phases(levels[-1]), weight[:, : self.in_channels], weight[:, :0], bias)
            projected.append(torch.stack(list(shares)))
        return projected

    def forward(self, projected: list[Tensor], phi: Tensor | None = None) -> Tensor:
        """The velocity, from what :meth:`project` gave and the current level set."""
        levels = [] if phi is None else self._pyramid(phi)
        features: Tensor | None = None
        for index, (conv, mixer) in enumerate(zip(self.filters, self.mixers, strict=True)):
            moving = levels[index : index + 1]
            if self.in_phases and features is not None and index == len(self.filters) - 1:
                return self._finest(projected[index], torch.relu(features), moving)
            if features is not None:
                moving.append(F.interpolate(torch.relu(features), scale_factor=2.0, mode="nearest"))
            activation = projected[index]
            if moving:
                moved = self._filter(conv, torch.cat(moving, dim=1), self.in_channels, with_bias=False)
                activation = moved.add_(activation)  # in place: a fresh large tensor costs more than the sum
            features = self._mix(mixer, torch.relu(activation))
        return cast(Tensor, features)

    def _finest(self, projected: Tensor, features: Tensor, moving: list[Tensor]) -> Tensor:
        """The finest level in 3D, phase by phase; ``features`` are those of the level below, not yet upsampled."""
        weight, _ = _parameters(self.filters[-1])
        first = self.in_channels + len(moving)
        coarse = torch.cat([*map(to_phases, moving), features], dim=1)
        activations = self._by_phases(coarse, weight[:, self.in_channels : first], weight[:, first:])
        return interleave_phases(
            [
                self._mix(self.mixers[-1], activation.add_(share).relu_())
                for activation, share in zip(activations, projected.unbind(), strict=True)
            ]
        )

    def _by_phases(
        self, coarse: Tensor, fine_weight: Tensor, upsampled_weight: Tensor, bias: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Each phase of the finest filters."""
        size = fine_weight.shape[-1]
        padded = F.pad(coarse, [-(-(size // 2) // 2)] * 6)
        kernels = phase_kernels(fine_weight, upsampled_weight, cast(Tensor, self.folding))
        for phase, kernel in zip(PHASES, kernels.unbind(), strict=True):
            yield convolve3d(phase_window(padded, phase, size), kernel, bias)

    def _mix(self, mixer: nn.Module, activation: Tensor) -> Tensor:
        weight, bias = _parameters(mixer)
        return _CONVOLVE[self.spatial_dims](self.dropout(activation), weight, bias)

    def _pyramid(self, x: Tensor) -> list[Tensor]:
        """Average-pool pyramid, coarse to fine."""
        levels = [x]
        for _ in range(len(self.filters) - 1):
            levels.append(_AVERAGE[self.spatial_dims](levels[-1], 2))
        return levels[::-1]

    def _filter(self, conv: nn.Module, x: Tensor, first_channel: int, with_bias: bool) -> Tensor:
        """Apply the part of ``conv`` that reads the input channels of ``x``, which start at ``first_channel``."""
        weight, bias = _parameters(conv)
        part = weight[:, first_channel : first_channel + x.shape[1]]
        return _CONVOLVE[self.spatial_dims](x, part, bias if with_bias else None, padding=weight.shape[-1] // 2)


def _parameters(conv: nn.Module) -> tuple[Tensor, Tensor]:
    return cast(Tensor, conv.weight), cast(Tensor, conv.bias)
