"""PNet-MSA: a small network of equal units with multi-scale aggregation, grown unit by unit."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_lsext.networks.layers.end_padding import cropped, padded

__all__ = ["PNetMSA"]

# sigmoid is flat beyond; in single precision 1 - p has no digits left there
_LOGIT_LIMIT = 16.0
_CONVOLUTIONS = 4


class PNetMSA(nn.Module):
    """Segmentation network of K units with deep supervision and multi-scale aggregation.

    With F_k the forward branch of unit k (four times 3x3 convolution, batch normalisation, ReLU; max pooling before
    all but the first), D_k a transposed convolution to full size (D_1 the identity) and [..] concatenation::

        U_k = fuse_k([D_1(F_1), .., D_k(F_k)]),   Y = sum_k softmax(w)_k sigmoid(U_k)

    The first ``active_units`` units take part; :meth:`unlock_next_unit` adds the next. Their number is in the state
    dict. In training mode ``forward`` returns the list [U_1, .., U_active, logit(Y)], in eval mode logit(Y) alone.

    Args:
        in_channels: channels of the image, >= 1, default 3: a slice between its two neighbours.
        out_channels: channels of the result, >= 1, default 1.
        channels: of every convolution, >= 1, default 64.
        num_units: K, >= 1, default 5.
        aggregate: concatenate all units up to the k-th (default), or take unit k alone, which is PNet-64.
        dropout: probability of dropping a channel of a forward branch's result, 0 <= p < 1, default 0.

    Shape:
        image [B, in_channels, H, W] -> logits [B, out_channels, H, W], any H and W: padded inside to a multiple of
        2**(K-1) by replication, cropped after. logit(Y) is clamped to +-16, the U_k are not.

    Raises:
        ValueError: for an argument out of range, or an image of another shape.

    Note:
        All K units are active at first; :class:`monai_lsext.handlers.StageGrowth` starts at one.
        The paper's figure with the kernels of the transposed convolutions is not legible. Kernel = stride = 2**(k-1)
        and one transposed convolution per unit, shared by all later units, keep the published size: 2,098,570
        parameters. There is no activation between it and the fusion, as in HNN. So their product is one small kernel,
        which is computed first: the same function, without the 64 channels at full size for each pair of units.
        The weights w of Eq. 3 are free in the paper; a softmax keeps Y a probability.

    Reference:
        Cai, Lu, Xing & Yang, "Pancreas segmentation in CT and MRI via task-specific network design and recurrent
        neural contextual learning", 2018, equations 1-4 and Fig. 3.
    """

    active_units: Tensor

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        channels: int = 64,
        num_units: int = 5,
        aggregate: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        sizes = {"in_channels": in_channels, "out_channels": out_channels, "channels": channels, "num_units": num_units}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"`{name}` must be >= 1, got {value}")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be >= 0 and < 1, got {dropout}")
        self.in_channels, self.channels, self.num_units = in_channels, channels, num_units
        self.aggregate = aggregate
        units = range(num_units)
        self.branches = nn.ModuleList(_branch(channels if k else in_channels, channels, dropout) for k in units)
        self.deconvolutions = nn.ModuleList(nn.ConvTranspose2d(channels, channels, 2**k, 2**k) for k in units[1:])
        self.fusions = nn.ModuleList(nn.Conv2d(channels * (k + 1 if aggregate else 1), out_channels, 1) for k in units)
        self.blend = nn.Parameter(torch.zeros(num_units))
        self.register_buffer("active_units", torch.tensor(num_units))
        self._active = num_units  # the same as a number: reading the tensor would halt a GPU and an export
        self.register_load_state_dict_post_hook(_read_active_units)
        self.apply(_initialise)
        # the same numbers in another order in memory: a third faster on a CPU with few channels
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def set_active_units(self, number: int) -> None:
        """Let the first ``number`` units take part, 1 to ``num_units``."""
        if not 1 <= number <= self.num_units:
            raise ValueError(f"`number` of active units must be 1 to {self.num_units}, got {number}")
        self.active_units.fill_(number)
        self._active = number

    def unlock_next_unit(self) -> bool:
        """Let one more unit take part; false where all do."""
        if self._active == self.num_units:
            return False
        self.set_active_units(self._active + 1)
        return True

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """logit(Y), or in training mode [U_1, .., U_active, logit(Y)]."""
        if image.ndim != 4 or image.shape[1] != self.in_channels:
            raise ValueError(f"`image` must have shape [B, {self.in_channels}, H, W], got {tuple(image.shape)}")
        units = [cropped(unit, image) for unit in self._units(padded(image, 2 ** (self.num_units - 1)))]
        result = self._blended(units)
        return [*units, result] if self.training else result

    def _units(self, x: Tensor) -> list[Tensor]:
        """U_1 .. U_active of a padded image."""
        active = self._active
        totals: list[Tensor | None] = [None] * active
        for j in range(active):
            x = self.branches[j](F.max_pool2d(x, 2) if j else x)
            readers = range(j, active) if self.aggregate else range(j, j + 1)  # the units that use this one
            kernel, bias = self._folded(j, readers)
            shares = F.conv_transpose2d(x, kernel, bias, stride=2**j).chunk(len(readers), 1)
            for k, share in zip(readers, shares, strict=True):
                before = totals[k]
                totals[k] = share if before is None else before + share
        units = [total for total in totals if total is not None]
        if self.training and torch.distributed.is_available() and torch.distributed.is_initialized():
            # DistributedDataParallel stops at parameters without a gradient; these get zeros
            waiting = [self.branches[active:], self.deconvolutions[max(active - 1, 0) :], self.fusions[active:]]
            units[-1] = units[-1] + 0 * sum(p.sum() for part in waiting for p in part.parameters())
        return units

    def _folded(self, j: int, readers: range) -> tuple[Tensor, Tensor]:
        """Kernel [channels, len(readers) * out_channels, s, s] and bias: D_j followed by its part of each fusion."""
        fusions = cast(list[nn.Conv2d], [self.fusions[k] for k in readers])
        part = slice(j * self.channels, (j + 1) * self.channels) if self.aggregate else slice(None)
        weight = torch.cat([fusion.weight[:, part, 0, 0] for fusion in fusions])
        # a fusion's bias is added once, with the share of its own unit, which comes first
        own, *others = (cast(Tensor, fusion.bias) for fusion in fusions)
        bias = torch.cat([own, *map(torch.zeros_like, others)])
        if j == 0:
            return weight.t()[:, :, None, None], bias
        deconvolution = cast(nn.ConvTranspose2d, self.deconvolutions[j - 1])
        kernel = torch.einsum("cdhw,kd->ckhw", deconvolution.weight, weight)
        return kernel, bias + weight @ cast(Tensor, deconvolution.bias)

    def _blended(self, units: list[Tensor]) -> Tensor:
        """logit(sum_k softmax(w)_k sigmoid(U_k)) from logarithms, exact where the sigmoid is 0 or 1 to all digits."""
        log_weights = self.blend[: len(units)].log_softmax(0)
        stacked = torch.stack(units).float() if units[0].dtype != torch.float64 else torch.stack(units)
        log_weights = log_weights.to(stacked.dtype).view(-1, 1, 1, 1, 1)
        inside = torch.logsumexp(log_weights + F.logsigmoid(stacked), 0)
        outside = torch.logsumexp(log_weights + F.logsigmoid(-stacked), 0)
        return (inside - outside).clamp(-_LOGIT_LIMIT, _LOGIT_LIMIT)


def _branch(in_channels: int, channels: int, dropout: float) -> nn.Sequential:
    """Forward branch of one unit."""
    layers: list[nn.Module] = []
    for index in range(_CONVOLUTIONS):
        # the normalisation that follows takes any bias away
        layers.append(nn.Conv2d(channels if index else in_channels, channels, 3, padding=1, bias=False))
        layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    if dropout:
        layers.append(nn.Dropout2d(dropout))
    return nn.Sequential(*layers)


def _initialise(module: nn.Module) -> None:
    """He et al.: standard deviation sqrt(2 / n), n the numbers that make up one output."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.ConvTranspose2d):  # kernel = stride: one point of the kernel reaches an output
        nn.init.normal_(module.weight, std=math.sqrt(2 / module.in_channels))
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module.bias is not None:
        nn.init.zeros_(module.bias)


def _read_active_units(module: nn.Module, _keys: Any) -> None:
    if isinstance(module, PNetMSA):
        module.set_active_units(int(module.active_units))
