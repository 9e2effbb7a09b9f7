"""PNet with a recurrence across slices: volume in, volume out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from monai.data import MetaTensor
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from monai_lsext.networks.layers.averaged_hausdorff import averaged_hausdorff_distance
from monai_lsext.networks.layers.conv_lstm import BidirectionalConvLSTM, ConvLSTM

__all__ = ["PNetBiRNN"]

State = tuple[Tensor, Tensor]

_LOGIT_LIMIT = 16.0
# of the output gate's own pixel at the start; 8 is nearer to a copy but often never learns to restore a lost slice
_START_GAIN = 4.0


class PNetBiRNN(nn.Module):
    """A 2D network on every slice with its neighbours, and a ConvLSTM across the slices' probability maps.

    With Y_t = sigmoid(pnet([x_{t-1}, x_t, x_{t+1}])) of slice t, and O-_t, O+_t the output gates of two ConvLSTMs that
    read Y from either end::

        Z_t = lambda- O-_t + lambda+ O+_t,   (lambda-, lambda+) = softmax(blend)

    In eval mode ``forward`` returns logit(Z), in training mode the list [logit(Y), logit(Z)].

    Args:
        pnet: 2D network from 3 channels to 1 logit; where it returns a list, its last tensor counts.
        bidirectional: two ConvLSTMs (default), or one that reads from the first slice on: Z_t = O+_t.
        slices_at_once: how many slices go through ``pnet`` together, >= 1, default 8; bounds the memory.
        change_mm: in eval mode, replace Y by Z only in slices whose mask differs from that of a neighbour by more than
            this averaged Hausdorff distance in mm, > 0 (the paper: 0.5); None (default): everywhere.

    Shape:
        volume [B, 1, H, W, D], slices along the last axis, any D >= 1 -> logits [B, 1, H, W, D], clamped to +-16.
        At the ends the neighbour that is missing is the slice itself.

    Raises:
        ValueError: for an argument out of range, a volume of another shape, or an unknown spacing where ``change_mm``
            needs one.

    Note:
        The batch normalisation of ``pnet`` keeps its statistics, also in training mode: the network is fine-tuned from
        a converged ``pnet``, and neighbouring slices are a poor sample. So the result does not depend on
        ``slices_at_once``. In training, ``pnet`` is computed again for the gradient of all but a single piece.
        The paper is silent about the start: here each output gate starts as sigmoid(4 Y - 2), whose mask is that of Y,
        without the hidden state; the other weights start as in torch. It is silent, too, about which slice of an
        abnormal pair is refined: both are. The recurrence reads all slices in any case. A trace and an export fix the
        number of slices, and with ``change_mm`` also which of them are refined: export without it.

    Reference:
        Cai, Lu, Xing & Yang, "Pancreas segmentation in CT and MRI via task-specific network design and recurrent
        neural contextual learning", 2018, equations 5-10 and section IV-D.
    """

    def __init__(
        self, pnet: nn.Module, bidirectional: bool = True, slices_at_once: int = 8, change_mm: float | None = None
    ) -> None:
        super().__init__()
        if slices_at_once < 1:
            raise ValueError(f"`slices_at_once` must be >= 1, got {slices_at_once}")
        if change_mm is not None and not change_mm > 0:
            raise ValueError(f"`change_mm` must be > 0, got {change_mm}")
        self.pnet = pnet
        self.slices_at_once = slices_at_once
        self.change_mm = change_mm
        self.recurrence: BidirectionalConvLSTM | ConvLSTM = (
            BidirectionalConvLSTM(output="gate", merge="convex") if bidirectional else ConvLSTM(output="gate")
        )
        for module in self.recurrence.modules():
            if isinstance(module, ConvLSTM):
                _start_as_copy(module)

    def train(self, mode: bool = True) -> PNetBiRNN:
        """Set the mode; the statistics of ``pnet``'s batch normalisation stay as they are."""
        super().train(mode)
        for module in self.pnet.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    @property
    def bidirectional(self) -> bool:
        """Whether there is a sweep from the last slice to the first."""
        return isinstance(self.recurrence, BidirectionalConvLSTM)

    def forward(self, volume: Tensor, spacing_mm: Sequence[float] | None = None) -> Tensor | list[Tensor]:
        """logit(Z), or in training mode [logit(Y), logit(Z)].

        Args:
            volume: see the class.
            spacing_mm: side of a pixel along H and W in mm, used with ``change_mm`` alone; default that of a
                MetaTensor.
        """
        own = self.slice_logits(volume)
        gates = [self.sweep(own)[0]]
        if self.bidirectional:
            gates.append(self.sweep(own, backward=True)[0])
        refined = self.merge(gates)
        if self.training:
            return [own, refined]
        if self.change_mm is not None:
            refined = self.where_changed(own, refined, self.spacings_mm(volume, spacing_mm))
        return convert_to_dst_type(refined, volume, dtype=refined.dtype)[0]

    def slice_logits(self, volume: Tensor, first: int = 0, last: int | None = None) -> Tensor:
        """logit(Y) [B, 1, H, W, last - first] of some slices of a volume, which may lie on another device."""
        if volume.ndim != 5 or volume.shape[1] != 1:
            raise ValueError(f"`volume` must have shape [B, 1, H, W, D], got {tuple(volume.shape)}")
        depth = volume.shape[4]
        last = depth if last is None else last
        if not 0 <= first < last <= depth:
            raise ValueError(f"`volume` of {depth} slices must have the slices {first} to {last - 1}")
        index = torch.arange(first - 1, last + 1, device=volume.device).clamp(0, depth - 1)
        plain = convert_to_tensor(volume, track_meta=False)
        slices = plain[:, 0].index_select(3, index).movedim(3, 1)  # [B, n + 2, H, W]
        triples = slices.to(next(self.parameters()).device).unfold(1, 3, 1).movedim(-1, 2)  # [B, n, 3, H, W]
        step = max(self.slices_at_once // volume.shape[0], 1)
        parts = []
        for start in range(0, last - first, step):
            images = triples[:, start : start + step]
            if self.training and step < last - first:
                logits = cast(Tensor, checkpoint(self._final_logits, images.flatten(0, 1), use_reentrant=False))
            else:
                logits = self._final_logits(images.flatten(0, 1))
            parts.append(logits.unflatten(0, (volume.shape[0], -1)))
        return torch.cat(parts, 1).movedim(1, 4)

    def sweep(self, logits: Tensor, state: State | None = None, backward: bool = False) -> tuple[Tensor, State]:
        """Output gates of one direction.

        Args:
            logits: logit(Y) [B, 1, H, W, n] of neighbouring slices.
            state: H and C that the sweep over the slices before (backward: after) these left; default none.
            backward: read from the last slice to the first.

        Returns:
            the gates [B, 1, H, W, n] and the state with which the sweep continues.
        """
        lstm = self.recurrence
        if isinstance(lstm, BidirectionalConvLSTM):
            lstm = lstm.backward_lstm if backward else lstm.forward_lstm
        elif backward:
            raise ValueError("`backward` needs a bidirectional network, this one reads from the first slice on")
        sequence = logits.sigmoid().movedim(4, 1)
        gate, state = lstm(sequence.flip(1) if backward else sequence, state)
        return (gate.flip(1) if backward else gate).movedim(1, 4), state

    def merge(self, gates: Sequence[Tensor]) -> Tensor:
        """logit(Z) from the gates of the one direction, or of both, forward first."""
        if len(gates) == 1:
            return _logit(gates[0])
        weights = cast(Tensor, self.recurrence.blend).softmax(0)
        return _logit(weights[0] * gates[0] + weights[1] * gates[1])

    def where_changed(self, own: Tensor, refined: Tensor, spacings_mm: Sequence[Sequence[float]]) -> Tensor:
        """``refined`` in the slices beside an abnormal change of the masks of ``own``, ``own`` in the others.

        Args:
            own: logit(Y) [B, 1, H, W, D].
            refined: logit(Z) of that shape.
            spacings_mm: sides of a pixel along H and W of each item.
        """
        limit = math.inf if self.change_mm is None else self.change_mm
        changed = torch.zeros(len(own), own.shape[4], dtype=torch.bool)
        for item, (logits, spacing) in enumerate(zip(own[:, 0].cpu(), spacings_mm, strict=True)):
            masks = (logits > 0).unbind(-1)
            for t, (mask, following) in enumerate(itertools.pairwise(masks)):
                if averaged_hausdorff_distance(mask, following, spacing) > limit:
                    changed[item, t : t + 2] = True
        return torch.where(changed[:, None, None, None].to(own.device), refined, own)

    def spacings_mm(self, volume: Tensor, spacing_mm: Sequence[float] | None = None) -> list[list[float]]:
        """Sides of a pixel along H and W of each item: the given ones, else those of a MetaTensor."""
        if spacing_mm is not None:
            return [[float(side) for side in spacing_mm[:2]]] * len(volume)
        if not isinstance(volume, MetaTensor):
            raise ValueError("`change_mm` needs the spacing: give `spacing_mm`, or a MetaTensor as `volume`")
        affines = torch.as_tensor(volume.affine).reshape(-1, 4, 4).expand(len(volume), 4, 4)
        return cast(list[list[float]], affines[:, :3, :2].norm(dim=1).tolist())

    def _final_logits(self, images: Tensor) -> Tensor:
        """The last of the network's results, within the limits of a logit."""
        result = self.pnet(images)
        final = cast(Tensor, result[-1] if isinstance(result, (list, tuple)) else result)
        if final.shape[1] != 1:
            raise ValueError(f"`pnet` must return one channel, got {final.shape[1]}")
        return (final if final.dtype == torch.float64 else final.float()).clamp(-_LOGIT_LIMIT, _LOGIT_LIMIT)


def _start_as_copy(lstm: ConvLSTM) -> None:
    """O = sigmoid(gain (Y - 1/2)) at the start, whose mask is that of Y."""
    layer = cast(Any, lstm.layers[-1])
    with torch.no_grad():
        for convolution in (layer.input_conv, layer.hidden_conv):
            convolution.weight[-1] = 0.0
        layer.input_conv.weight[-1, 0, 1, 1] = _START_GAIN
        layer.input_conv.bias[-1] = -_START_GAIN / 2


def _logit(probability: Tensor) -> Tensor:
    """Clamped to +-16 and with a finite gradient at 0 and 1."""
    return torch.logit(probability, eps=1 / (1 + math.exp(_LOGIT_LIMIT))).clamp(-_LOGIT_LIMIT, _LOGIT_LIMIT)
