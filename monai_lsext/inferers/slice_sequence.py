"""Long volumes in windows of slices, with the recurrence's state carried from window to window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from monai.inferers import Inferer, SlidingWindowInferer
from monai.utils import convert_to_dst_type
from torch import Tensor

from monai_lsext.networks.nets.pnet_birnn import PNetBiRNN
from monai_lsext.networks.unwrap import unwrapped

__all__ = ["SliceSequenceInferer"]

MODES = ("carry", "blend", "slices")


class SliceSequenceInferer(Inferer):
    """Runs a network on windows of slices along the last axis, as whole in plane as they are.

    ``carry``, for :class:`PNetBiRNN`: one sweep over the windows from the first to the last, one back, each window
    starting with the state that the one before has left, and each slice seen with its true neighbours. The result is
    that of the whole volume; only one window at a time is on the network's device, the rest where the image is.

    ``slices``, for :class:`PNetBiRNN`: the same windows without the recurrence, each slice with its true neighbours.

    ``blend``, for any network from volume to volume: windows overlap and are averaged with weights that fall towards
    their ends (MONAI's ``SlidingWindowInferer``); what lies beyond a window is not seen.

    Args:
        window: slices of a window, >= 1, default 32; a shorter volume is one window.
        mode: ``carry`` (default), ``slices`` or ``blend``.
        overlap: of neighbouring windows in ``blend``, as a share of a window, 0 <= overlap < 1, default 0.5.

    Shape:
        image [B, C, H, W, D] -> the network's [B, K, H, W, D].

    Raises:
        ValueError: for an argument out of range, or an image with other axes.
        TypeError: in ``carry`` and ``slices``, for a network that is no PNetBiRNN.

    Note:
        ``carry`` and ``slices`` are for evaluation: they run without gradient and leave the network's mode as it is.

    Reference:
        Cai, Lu, Xing & Yang, 2018, equations 5-10; the paper does not say how long its sequences were.
    """

    def __init__(self, window: int = 32, mode: str = "carry", overlap: float = 0.5) -> None:
        super().__init__()
        if window < 1:
            raise ValueError(f"`window` must be >= 1, got {window}")
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {list(MODES)}, got {mode!r}")
        if not 0 <= overlap < 1:
            raise ValueError(f"`overlap` must be >= 0 and < 1, got {overlap}")
        self.window = window
        self.mode = mode
        self.overlap = overlap

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Infer; in ``carry`` the one further argument is ``spacing_mm`` of :meth:`PNetBiRNN.forward`."""
        if inputs.ndim != 5:
            raise ValueError(f"`inputs` must have shape [B, C, H, W, D], got {tuple(inputs.shape)}")
        if self.mode == "blend":
            size = (*inputs.shape[2:4], min(self.window, inputs.shape[4]))
            windows = SlidingWindowInferer(size, overlap=(0.0, 0.0, self.overlap), mode="gaussian")
            return cast(Tensor, windows(inputs, network, *args, **kwargs))
        plain = unwrapped(network)
        if not isinstance(plain, PNetBiRNN):
            raise TypeError(f"`mode` {self.mode!r} needs a PNetBiRNN, got {type(plain).__name__}; use 'blend' instead")
        return self._carry(inputs, plain, *args, **kwargs)

    @torch.no_grad()
    def _carry(self, inputs: Tensor, network: PNetBiRNN, spacing_mm: Any = None) -> Tensor:
        depth, device = inputs.shape[4], next(network.parameters()).device
        starts = range(0, depth, self.window)
        own = [network.slice_logits(inputs, s, min(s + self.window, depth)).to(inputs.device) for s in starts]
        if self.mode == "slices":
            return convert_to_dst_type(torch.cat(own, 4), inputs, dtype=own[0].dtype)[0]
        gates = []
        for backward in (False, True) if network.bidirectional else (False,):
            state, parts = None, []
            for part in reversed(own) if backward else own:
                gate, state = network.sweep(part.to(device), state, backward)
                parts.append(gate.to(inputs.device))
            gates.append(parts[::-1] if backward else parts)
        merged = [network.merge([g.to(device) for g in parts]).to(inputs.device) for parts in zip(*gates, strict=True)]
        result = torch.cat(merged, 4)
        if network.change_mm is not None:
            result = network.where_changed(torch.cat(own, 4), result, network.spacings_mm(inputs, spacing_mm))
        return convert_to_dst_type(result, inputs, dtype=result.dtype)[0]
