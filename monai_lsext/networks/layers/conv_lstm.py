"""ConvLSTM with peepholes over a sequence of 2D or 3D frames, one-directional and bi-directional."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.layers.factories import Conv
from monai.utils import ensure_tuple_rep
from torch import Tensor, nn

from monai_lsext.networks.layers.conv_lstm_sweep import ConvLSTMWeights, conv_lstm_sweep

__all__ = ["BidirectionalConvLSTM", "ConvLSTM"]


class ConvLSTM(nn.Module):
    """Convolutional long short-term memory over a sequence of frames.

    With ``*`` the convolution and ``.`` the product per channel, for each frame X_t::

        I_t = sigmoid(W_xi * X_t + W_hi * H_{t-1} + w_ci . C_{t-1} + b_i)
        F_t = sigmoid(W_xf * X_t + W_hf * H_{t-1} + w_cf . C_{t-1} + b_f)
        C_t = F_t . C_{t-1} + I_t . tanh(W_xc * X_t + W_hc * H_{t-1} + b_c)
        O_t = sigmoid(W_xo * X_t + W_ho * H_{t-1} + w_co . C_t + b_o)
        H_t = O_t . tanh(C_t)

    By default 72 convolution weights, 4 biases and 3 peepholes. Called as ``torch.nn.LSTM`` is, batch first.

    Args:
        in_channels: channels of a frame, >= 1, default 1.
        hidden_channels: channels of H and C, >= 1, default 1.
        kernel_size: of all convolutions, odd, one number or one per axis, default 3.
        spatial_dims: axes of a frame, 2 (default) or 3.
        peephole: let the gates see the cell, by one weight per gate and channel, default True.
        num_layers: layers, each fed with H of the one below, >= 1, default 1.
        output: what comes out of the last layer: "hidden" (H, default) or "gate" (O, a probability).

    Shape:
        ``sequence`` [B, T, in_channels, \\*S], any T >= 1 and any S; ``state`` is (H, C) before the first frame,
        each [num_layers, B, hidden_channels, \\*S], zero by default; ``mask`` [B, T] bool, false for a frame to be
        skipped. A batch of several lengths: ``mask = torch.arange(T) < lengths[:, None]``.

    Returns:
        ``(output, state)``: [B, T, hidden_channels, \\*S], 0 in skipped frames, and (H, C) after the last frame,
        with which the next piece of a long sequence continues.

    Raises:
        ValueError: for an argument out of range, or a sequence, state or mask of another shape.
        TypeError: for a mask that is not bool.

    Note:
        The paper's peepholes have the size of the image; here one weight per channel serves any size. It is
        silent about the start: convolutions as in torch, peepholes 0, forget bias 1, the other biases 0.
        A skipped frame leaves H and C as they were, wherever it stands, so that padding at the end reaches
        neither the final state nor the backward direction.
        Gradients come from a backward pass of its own: it keeps H and C alone and computes the gates again. It is
        first order; under autocast the recurrence runs in the weights' type. While tracing, scripting, exporting
        or compiling, the same formulas run as plain operations; in a trace and in an export T is fixed.

    Reference:
        Cai, Lu, Xing & Yang, "Pancreas segmentation in CT and MRI via task-specific network design and recurrent
        neural contextual learning", 2018, equations 5-9; Shi et al., "Convolutional LSTM network", 2015.
    """

    def __init__(
        self,
        in_channels: int = 1,
        hidden_channels: int = 1,
        kernel_size: int | Sequence[int] = 3,
        spatial_dims: int = 2,
        peephole: bool = True,
        num_layers: int = 1,
        output: str = "hidden",
    ) -> None:
        super().__init__()
        for name, value in (
            ("in_channels", in_channels),
            ("hidden_channels", hidden_channels),
            ("num_layers", num_layers),
        ):
            if value < 1:
                raise ValueError(f"`{name}` must be >= 1, got {value}")
        if spatial_dims not in (2, 3):
            raise ValueError(f"`spatial_dims` must be 2 or 3, got {spatial_dims}")
        if output not in ("hidden", "gate"):
            raise ValueError(f"`output` must be 'hidden' or 'gate', got {output!r}")
        self.in_channels, self.hidden_channels, self.spatial_dims = in_channels, hidden_channels, spatial_dims
        self.layers = nn.ModuleList(
            _Layer(
                hidden_channels if index else in_channels,
                hidden_channels,
                kernel_size,
                spatial_dims,
                peephole,
                output == "gate" and index == num_layers - 1,
            )
            for index in range(num_layers)
        )

    def forward(
        self, sequence: Tensor, state: tuple[Tensor, Tensor] | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Output of every frame and the final state, see the class."""
        if not torch.jit.is_scripting():
            self._check(sequence, state, mask)
        if state is None:
            size = sequence.shape[3:]
            counts = [len(self.layers), sequence.shape[0], self.hidden_channels]
            zero = sequence.new_zeros(counts + list(size))
            state = (zero, zero)
        hidden: list[Tensor] = []
        cell: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            sequence, last_hidden, last_cell = layer(sequence, state[0][index], state[1][index], mask)
            hidden.append(last_hidden)
            cell.append(last_cell)
        if mask is not None:
            sequence = sequence.masked_fill(~mask.view(list(mask.shape) + [1] * (sequence.dim() - 2)), 0.0)
        return sequence, (torch.stack(hidden), torch.stack(cell))

    def _check(self, sequence: Tensor, state: tuple[Tensor, Tensor] | None, mask: Tensor | None) -> None:
        if sequence.ndim != 3 + self.spatial_dims or sequence.shape[2] != self.in_channels:
            axes = "H, W" if self.spatial_dims == 2 else "H, W, D"
            raise ValueError(
                f"`sequence` must have shape [B, T, {self.in_channels}, {axes}], got {tuple(sequence.shape)}"
            )
        if sequence.shape[1] < 1:
            raise ValueError(f"`sequence` must have at least one frame, got {tuple(sequence.shape)}")
        expected = (len(self.layers), sequence.shape[0], self.hidden_channels, *sequence.shape[3:])
        for name, tensor in zip("HC", state or (), strict=False):
            if tuple(tensor.shape) != expected:
                raise ValueError(f"`state` must hold {name} of shape {expected}, got {tuple(tensor.shape)}")
        if mask is not None and mask.dtype != torch.bool:
            raise TypeError(f"`mask` must be bool, got {mask.dtype}")
        if mask is not None and mask.shape != sequence.shape[:2]:
            raise ValueError(f"`mask` must have shape {tuple(sequence.shape[:2])}, got {tuple(mask.shape)}")


class BidirectionalConvLSTM(nn.Module):
    """Two :class:`ConvLSTM` that read the sequence from either end.

    ``merge="concat"`` puts both outputs side by side, ``[Y+_t, Y-_t]``; ``merge="convex"`` blends them by two learned
    weights, which with ``output="gate"`` is the paper's equation 10 and a probability again::

        Y_t = lambda+ Y+_t + lambda- Y-_t,   (lambda+, lambda-) = softmax(blend)

    Args:
        in_channels: channels of a frame, >= 1, default 1.
        hidden_channels: channels of H and C in each direction, >= 1, default 1.
        kernel_size: of all convolutions, odd, one number or one per axis, default 3.
        spatial_dims: axes of a frame, 2 (default) or 3.
        peephole: let the gates see the cell, default True.
        num_layers: layers of each direction, >= 1, default 1.
        output: "hidden" (default) or "gate", see :class:`ConvLSTM`.
        merge: "concat" (default) or "convex".

    Shape:
        ``sequence`` and ``mask`` as for :class:`ConvLSTM`; ``state`` is the pair of both directions' states.

    Returns:
        ``(output, (state_forward, state_backward))``: output [B, T, K, \\*S] with K = 2 hidden_channels, forward
        direction first (concat), or hidden_channels (convex). The backward state is that after the first frame.

    Raises:
        ValueError: for another ``merge``, and as :class:`ConvLSTM`.

    Note:
        The directions meet at the end only, not between layers as in ``torch.nn.LSTM``: so one forward and one
        backward run over the pieces of a long sequence, by ``forward_lstm`` and ``backward_lstm`` with their states,
        give the whole sequence's result. Equation 10 leaves lambda free; a convex pair keeps a probability in [0, 1].

    Reference:
        Cai, Lu, Xing & Yang, 2018, equation 10.
    """

    def __init__(
        self,
        in_channels: int = 1,
        hidden_channels: int = 1,
        kernel_size: int | Sequence[int] = 3,
        spatial_dims: int = 2,
        peephole: bool = True,
        num_layers: int = 1,
        output: str = "hidden",
        merge: str = "concat",
    ) -> None:
        super().__init__()
        if merge not in ("concat", "convex"):
            raise ValueError(f"`merge` must be 'concat' or 'convex', got {merge!r}")
        arguments = (in_channels, hidden_channels, kernel_size, spatial_dims, peephole, num_layers, output)
        self.forward_lstm, self.backward_lstm = ConvLSTM(*arguments), ConvLSTM(*arguments)
        self.blend = nn.Parameter(torch.zeros(2)) if merge == "convex" else None

    def forward(
        self,
        sequence: Tensor,
        state: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
        """Output of every frame and both final states, see the class."""
        ahead, ahead_state = self.forward_lstm(sequence, None if state is None else state[0], mask)
        back, back_state = self.backward_lstm(
            sequence.flip(1), None if state is None else state[1], None if mask is None else mask.flip(1)
        )
        back = back.flip(1)
        blend = self.blend
        if blend is None:
            return torch.cat([ahead, back], 2), (ahead_state, back_state)
        weight = blend.softmax(0)
        return weight[0] * ahead + weight[1] * back, (ahead_state, back_state)


class _Layer(nn.Module):
    """One layer: its weights, and its run over the sequence."""

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        kernel_size: int | Sequence[int],
        spatial_dims: int,
        peephole: bool,
        gate: bool,
    ) -> None:
        super().__init__()
        kernel = ensure_tuple_rep(kernel_size, spatial_dims)
        if any(size < 1 or size % 2 == 0 for size in kernel):
            raise ValueError(f"`kernel_size` must be odd and >= 1, got {kernel_size}")
        padding = tuple(size // 2 for size in kernel)
        convolution = Conv[Conv.CONV, spatial_dims]
        self.input_conv = convolution(in_channels, 4 * hidden, kernel, padding=padding)
        self.hidden_conv = convolution(hidden, 4 * hidden, kernel, padding=padding, bias=False)
        self.peephole = nn.Parameter(torch.zeros(3, hidden)) if peephole else None
        self.gate = gate
        with torch.no_grad():
            self.input_conv.bias.zero_()[hidden : 2 * hidden] = 1.0

    def forward(
        self, sequence: Tensor, hidden: Tensor, cell: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if torch.jit.is_scripting():
            return self._plain(sequence, hidden, cell, mask)
        if torch.jit.is_tracing() or torch.compiler.is_compiling():
            return self._plain(sequence, hidden, cell, mask)
        dtype = self.input_conv.weight.dtype
        weights = ConvLSTMWeights(self.input_conv.weight, self.input_conv.bias, self.hidden_conv.weight, self.peephole)
        with torch.autocast(sequence.device.type, enabled=False):
            return conv_lstm_sweep(sequence.to(dtype), hidden.to(dtype), cell.to(dtype), weights, mask, self.gate)

    def _plain(
        self, sequence: Tensor, hidden: Tensor, cell: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The formulas as they stand, for the programs that read operations instead of running them."""
        shares = self.input_conv(sequence.flatten(0, 1)).unflatten(0, sequence.shape[:2])
        ones = [1] * (sequence.dim() - 3)  # lists are added below: TorchScript knows no unpacking
        outputs: list[Tensor] = []
        peephole = self.peephole
        for time in range(sequence.shape[1]):
            i, f, g, o = (shares[:, time] + self.hidden_conv(hidden)).chunk(4, 1)
            if peephole is not None:
                w = peephole.view([3, -1] + ones)  # noqa: RUF005
                i, f = i + w[0] * cell, f + w[1] * cell
            new_cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            if peephole is not None:
                o = o + peephole.view([3, -1] + ones)[2] * new_cell  # noqa: RUF005
            o = o.sigmoid()
            new_hidden = o * new_cell.tanh()
            if mask is not None:
                seen = mask[:, time].view([-1, 1] + ones)  # noqa: RUF005
                new_hidden, new_cell = torch.where(seen, new_hidden, hidden), torch.where(seen, new_cell, cell)
            hidden, cell = new_hidden, new_cell
            outputs.append(o if self.gate else hidden)
        return torch.stack(outputs, 1), hidden, cell
