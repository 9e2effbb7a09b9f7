"""One sweep of a peephole ConvLSTM over a sequence, with a backward pass that needs little memory and time."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_weight, conv3d_weight

__all__ = ["ConvLSTMWeights", "conv_lstm_sweep"]

FRAMES_AT_ONCE = 16  # convolved together; more would cost memory and save nothing
MAX_TAPS = 32  # channels x kernel points up to which a CPU is faster with shifted copies than with a convolution

_SIGMOID_BACKWARD, _TANH_BACKWARD = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward  # of (grad, value)


class ConvLSTMWeights(NamedTuple):
    """Weights of one layer, gates in the order I, F, G (candidate), O along the first axis."""

    input: Tensor  # [4h, C, *K]
    bias: Tensor  # [4h]
    hidden: Tensor  # [4h, h, *K]
    peephole: Tensor | None  # [3, h], of I, F and O


def conv_lstm_sweep(
    sequence: Tensor, hidden: Tensor, cell: Tensor, weights: ConvLSTMWeights, mask: Tensor | None, gate: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Run one ConvLSTM layer over all frames.

    Between the forward and the backward pass only H and C are kept; the gates are computed again, for many frames
    at once, since H is then known. The weight gradient is taken outside the recursion too.

    Args:
        sequence: frames [B, T, C, *S].
        hidden: H before the first frame [B, h, *S].
        cell: C before the first frame [B, h, *S].
        weights: the layer's weights.
        mask: [B, T] bool, false where a frame is to be skipped: H and C stay as they were.
        gate: return the output gates O instead of H.

    Returns:
        ``(output, hidden, cell)``: H (or O) of every frame [B, T, h, *S], and H and C after the last one. In a
        skipped frame the output means nothing: the caller blanks it.
    """
    tensors = (sequence, hidden, cell, *weights)
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors):
        result: tuple[Tensor, Tensor, Tensor] = _Sweep.apply(*tensors, mask, gate)
        return result
    with torch.no_grad():
        return _forward(sequence, hidden, cell, weights, mask, gate, keep=False)[:3]


class _Convolution:
    """A convolution that keeps the size, its transpose and its weight gradient, by torch's own programs."""

    frames_at_once = FRAMES_AT_ONCE

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight
        self.padding = tuple(size // 2 for size in weight.shape[2:])

    def __call__(self, frames: Tensor, base: Tensor) -> Tensor:
        """The convolution of frames [N, C, *S] plus ``base`` [N, K, *S], which may be overwritten."""
        convolve = F.conv2d if self.weight.ndim == 4 else F.conv3d
        return convolve(frames, self.weight, padding=self.padding).add_(base)

    def transposed(self, grad: Tensor) -> Tensor:
        """Gradient [N, C, *S] of the frames from that of the result [N, K, *S]."""
        transpose = F.conv_transpose2d if self.weight.ndim == 4 else F.conv_transpose3d
        return transpose(grad, self.weight, padding=self.padding)

    def weight_gradient(self, frames: Tensor, grad: Tensor) -> Tensor:
        """Gradient of the weight, summed over all frames."""
        gradient = conv2d_weight if self.weight.ndim == 4 else conv3d_weight
        return gradient(frames, self.weight.shape, grad, padding=self.padding)


class _Stencil(_Convolution):
    """The same for few channels: one shifted copy per kernel point, then a matrix product."""

    frames_at_once = 1  # the copies of one frame fit into the processor's cache

    def __init__(self, weight: Tensor) -> None:
        super().__init__(weight)
        self.matrix = weight.flatten(1)  # [K, C * kernel points]

    def __call__(self, frames: Tensor, base: Tensor) -> Tensor:
        copies = self._shifted_copies(frames)
        result = torch.baddbmm(base.flatten(2), self.matrix.expand(len(frames), -1, -1), copies)
        return result.unflatten(2, frames.shape[2:])

    def transposed(self, grad: Tensor) -> Tensor:
        size = grad.shape[2:]
        copies = torch.bmm(self.matrix.t().expand(len(grad), -1, -1), grad.flatten(2))
        copies = copies.view(len(grad), *self.weight.shape[1:], *size)
        padded_size = [length + 2 * margin for length, margin in zip(size, self.padding, strict=True)]
        padded = grad.new_zeros(len(grad), self.weight.shape[1], *padded_size)
        windows = _windows(padded, size)
        for shift in itertools.product(*map(range, self.weight.shape[2:])):
            at: tuple[Any, ...] = (..., *shift, *[slice(None)] * len(size))
            windows[at].add_(copies[at])
        inner: list[Any] = [slice(margin, margin + length) for length, margin in zip(size, self.padding, strict=True)]
        return padded[(..., *inner)]

    def weight_gradient(self, frames: Tensor, grad: Tensor) -> Tensor:
        per_frame = torch.bmm(grad.flatten(2), self._shifted_copies(frames).transpose(1, 2))
        return per_frame.sum(0).view_as(self.weight)

    def _shifted_copies(self, frames: Tensor) -> Tensor:
        """[N, C * kernel points, pixels]."""
        margins = [margin for margin in reversed(self.padding) for _ in range(2)]
        windows = _windows(F.pad(frames, margins), frames.shape[2:])
        return windows.reshape(len(frames), self.matrix.shape[1], -1)


def _windows(padded: Tensor, size: torch.Size) -> Tensor:
    """View [N, C, *K, *S] of every window of the given size in [N, C, *(S + K - 1)]."""
    for axis, length in enumerate(size):
        padded = padded.unfold(2 + axis, length, 1)
    return padded


def _convolution(weight: Tensor) -> _Convolution:
    few = weight.device.type == "cpu" and math.prod(weight.shape[1:]) <= MAX_TAPS
    return _Stencil(weight) if few else _Convolution(weight)


def _tanh_(x: Tensor) -> Tensor:
    """tanh in place; on a CPU by the sigmoid, which torch computes three times as fast (absolute error 1e-7)."""
    return x.tanh_() if x.device.type != "cpu" else x.mul_(2).sigmoid_().mul_(2).sub_(1)


def _forward(
    sequence: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weights: ConvLSTMWeights,
    mask: Tensor | None,
    gate: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
    """Output, H and C after the last frame, and with ``keep`` H and C after every frame."""
    convolve_input, convolve_hidden = _convolution(weights.input), _convolution(weights.hidden)
    at_once = min(convolve_input.frames_at_once, convolve_hidden.frames_at_once)
    every = (sequence.shape[0], sequence.shape[1], *hidden.shape[1:])
    output = hidden.new_empty(every)
    hiddens = (hidden.new_empty(every) if gate else output) if keep else None
    cells = hidden.new_empty(every) if keep else None
    for start in range(0, sequence.shape[1], at_once):
        frames = sequence[:, start : start + at_once]
        shares = convolve_input(frames.flatten(0, 1), _bias(weights, frames)).unflatten(0, frames.shape[:2])
        for time, share in enumerate(shares.unbind(1), start):
            gates = convolve_hidden(hidden, share)
            input_gate, forget_gate, candidate, output_gate = gates.chunk(4, 1)
            _open_(gates, cell, weights.peephole)
            new_cell = (forget_gate * cell).addcmul_(input_gate, candidate)
            _open_output_(output_gate, new_cell, weights.peephole)
            new_hidden = _tanh_(new_cell.clone()).mul_(output_gate)
            if mask is None:
                hidden, cell = new_hidden, new_cell
            else:
                seen = _seen(mask, time, cell)
                hidden, cell = new_hidden.where(seen, hidden), new_cell.where(seen, cell)
            output[:, time] = output_gate if gate else hidden
            if hiddens is not None and cells is not None:
                hiddens[:, time], cells[:, time] = hidden, cell
    return output, hidden, cell, hiddens, cells


class _Sweep(torch.autograd.Function):
    """:func:`conv_lstm_sweep` with its own backward pass, through time."""

    @staticmethod
    def forward(ctx: Any, sequence: Tensor, hidden: Tensor, cell: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
        *weights, mask, gate = rest
        named = ConvLSTMWeights(*weights)
        output, last_hidden, last_cell, hiddens, cells = _forward(sequence, hidden, cell, named, mask, gate, keep=True)
        ctx.save_for_backward(sequence, hidden, cell, *weights, mask, hiddens, cells)
        ctx.gate = gate
        return output, last_hidden, last_cell

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor, grad_hidden: Tensor, grad_cell: Tensor) -> tuple[Tensor | None, ...]:
        sequence, hidden, cell, *weights, mask, hiddens, cells = ctx.saved_tensors
        sweep = _BackwardSweep(ConvLSTMWeights(*weights), sequence if ctx.needs_input_grad[0] else None)
        for start in reversed(range(0, sequence.shape[1], sweep.at_once)):
            frames = slice(start, start + sweep.at_once)
            befores = _before(hidden, hiddens, frames), _before(cell, cells, frames)
            gates = sweep.gates_again(sequence[:, frames], *befores, cells[:, frames])
            for index in reversed(range(gates.shape[1])):
                time = start + index
                grad_gates, grad_hidden, grad_cell = sweep.step(
                    gates[:, index],
                    (befores[1][:, index], cells[:, time]),
                    (grad_output[:, time], grad_hidden, grad_cell),
                    None if mask is None else _seen(mask, time, cell),
                    ctx.gate,
                )
                gates[:, index] = grad_gates
            sweep.add(gates, frames, sequence[:, frames], *befores, cells[:, frames])
        return sweep.grad_sequence, grad_hidden, grad_cell, *sweep.grads, None, None


class _BackwardSweep:
    """The gradients of a sweep, gathered block of frames by block of frames, the last one first."""

    def __init__(self, weights: ConvLSTMWeights, sequence: Tensor | None) -> None:
        self.weights = weights
        self.convolve_input, self.convolve_hidden = _convolution(weights.input), _convolution(weights.hidden)
        self.at_once = min(self.convolve_input.frames_at_once, self.convolve_hidden.frames_at_once)
        zeros: list[Any] = [None if weight is None else torch.zeros_like(weight) for weight in weights]
        self.grads = ConvLSTMWeights(*zeros)
        self.grad_sequence = None if sequence is None else torch.empty_like(sequence)

    def gates_again(self, frames: Tensor, hidden_before: Tensor, cell_before: Tensor, cell: Tensor) -> Tensor:
        """The gates [B, K, 4h, *S] of K frames whose H and C are known."""
        shares = self.convolve_input(frames.flatten(0, 1), _bias(self.weights, frames))
        gates = self.convolve_hidden(hidden_before.flatten(0, 1), shares)
        _open_(gates, cell_before.flatten(0, 1), self.weights.peephole)
        _open_output_(gates.chunk(4, 1)[3], cell.flatten(0, 1), self.weights.peephole)
        return gates.unflatten(0, frames.shape[:2])

    def step(
        self,
        gates: Tensor,
        cells: tuple[Tensor, Tensor],
        grads: tuple[Tensor, Tensor, Tensor],
        seen: Tensor | None,
        gate: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of a frame's gates before their activation, of H and of C before the frame."""
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, 1)
        cell_before, cell = cells
        grad_output, grad_hidden, grad_cell = grads
        if not gate:
            grad_hidden = grad_hidden + grad_output
        past_hidden, past_cell = grad_hidden, grad_cell  # what reaches the frame before when this one is skipped
        if seen is not None:
            grad_hidden, grad_cell = grad_hidden.where(seen, 0.0), grad_cell.where(seen, 0.0)

        squashed = _tanh_(cell.clone())
        grad_o = grad_hidden * squashed
        if gate:
            grad_o += grad_output
        grad_o = _SIGMOID_BACKWARD(grad_o, output_gate)
        grad_cell = grad_cell + _TANH_BACKWARD(grad_hidden * output_gate, squashed)
        peepholes = _spread_peepholes(self.weights.peephole, cell)
        if peepholes is not None:
            grad_cell.addcmul_(peepholes[2], grad_o)
        grad_i = _SIGMOID_BACKWARD(grad_cell * candidate, input_gate)
        grad_f = _SIGMOID_BACKWARD(grad_cell * cell_before, forget_gate)
        grad_g = _TANH_BACKWARD(grad_cell * input_gate, candidate)
        grad_cell = grad_cell.mul_(forget_gate)
        if peepholes is not None:
            grad_cell.addcmul_(peepholes[0], grad_i).addcmul_(peepholes[1], grad_f)

        grad_gates = torch.cat([grad_i, grad_f, grad_g, grad_o], 1)
        grad_hidden = self.convolve_hidden.transposed(grad_gates)
        if seen is not None:
            grad_hidden, grad_cell = grad_hidden.where(seen, past_hidden), grad_cell.where(seen, past_cell)
        return grad_gates, grad_hidden, grad_cell

    def add(
        self, grad_gates: Tensor, at: slice, frames: Tensor, hidden_before: Tensor, cell_before: Tensor, cell: Tensor
    ) -> None:
        """Add what K frames give to the gradients of the weights, and set those of the frames."""
        grad = grad_gates.flatten(0, 1)
        self.grads.input.add_(self.convolve_input.weight_gradient(frames.flatten(0, 1), grad))
        self.grads.hidden.add_(self.convolve_hidden.weight_gradient(hidden_before.flatten(0, 1), grad))
        self.grads.bias.add_(grad.transpose(0, 1).flatten(1).sum(1))
        if self.grads.peephole is not None:
            grad_i, grad_f, _, grad_o = grad_gates.chunk(4, 2)
            for row, (gate, state) in enumerate([(grad_i, cell_before), (grad_f, cell_before), (grad_o, cell)]):
                self.grads.peephole[row].add_((gate * state).transpose(0, 2).flatten(1).sum(1))
        if self.grad_sequence is not None:
            self.grad_sequence[:, at] = self.convolve_input.transposed(grad).unflatten(0, frames.shape[:2])


def _bias(weights: ConvLSTMWeights, frames: Tensor) -> Tensor:
    """The bias as what the gates of [B, K, C, *S] frames start from: [B * K, 4h, *S], without copying."""
    size = frames.shape[3:]
    return weights.bias.view(1, -1, *[1] * len(size)).expand(frames.shape[0] * frames.shape[1], -1, *size)


def _before(first: Tensor, after: Tensor, frames: slice) -> Tensor:
    """State before each frame of the block, from that before the first and those after each frame."""
    if frames.start:
        stop = min(frames.stop, after.shape[1])
        return after[:, frames.start - 1 : stop - 1]
    return torch.cat([first.unsqueeze(1), after[:, : frames.stop - 1]], 1)[:, : after.shape[1]]


def _seen(mask: Tensor, time: int, cell: Tensor) -> Tensor:
    return mask[:, time].view(-1, *[1] * (cell.ndim - 1))


def _spread_peepholes(peephole: Tensor | None, cell: Tensor) -> Tensor | None:
    """[3, h, 1, ..] to multiply cells [B, h, *S] with."""
    return None if peephole is None else peephole.view(*peephole.shape, *[1] * (cell.ndim - 2))


def _open_(gates: Tensor, cell: Tensor, peephole: Tensor | None) -> None:
    """Activate I, F and the candidate in gates [N, 4h, *S], in place."""
    both = gates[:, : 2 * cell.shape[1]]
    peepholes = _spread_peepholes(peephole, cell)
    if peepholes is not None:
        both.unflatten(1, (2, -1)).addcmul_(peepholes[:2], cell.unsqueeze(1))
    both.sigmoid_()
    _tanh_(gates.chunk(4, 1)[2])


def _open_output_(gate: Tensor, cell: Tensor, peephole: Tensor | None) -> None:
    """Activate O in place; it sees the new cell."""
    peepholes = _spread_peepholes(peephole, cell)
    if peepholes is not None:
        gate.addcmul_(peepholes[2], cell)
    gate.sigmoid_()
