"""ConvLSTM over 64 slices of 256x256, hidden 1, 3x3, against a plain one that runs cell by cell under autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import peak_memory_mib, time_in_turn_ms
from monai_lsext.networks.layers.conv_lstm import ConvLSTM

SLICES, SIZE = 64, 256


def plain_conv_lstm(layer: torch.nn.Module, sequence: Tensor) -> Tensor:
    """H of every frame: one convolution of frame and state per cell, as ConvLSTMs are commonly written."""
    hidden = cell = torch.zeros_like(sequence[:, 0])
    weight = torch.cat([layer.input_conv.weight, layer.hidden_conv.weight], 1)
    peephole_i, peephole_f, peephole_o = layer.peephole.view(3, 1, 1, 1)
    outputs = []
    for frame in sequence.unbind(1):
        gates = torch.nn.functional.conv2d(torch.cat([frame, hidden], 1), weight, layer.input_conv.bias, padding=1)
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, 1)
        input_gate = torch.sigmoid(input_gate + peephole_i * cell)
        forget_gate = torch.sigmoid(forget_gate + peephole_f * cell)
        cell = forget_gate * cell + input_gate * torch.tanh(candidate)
        output_gate = torch.sigmoid(output_gate + peephole_o * cell)
        hidden = output_gate * torch.tanh(cell)
        outputs.append(hidden)
    return torch.stack(outputs, 1)


def forward(program: Callable[[Tensor], Tensor], sequence: Tensor) -> Callable[[], Any]:
    """The output alone."""
    return torch.no_grad()(lambda: program(sequence))


def forward_and_backward(program: Callable[[Tensor], Tensor], sequence: Tensor) -> Callable[[], Any]:
    """Gradients of the weights and, where asked for, of the frames."""
    return lambda: program(sequence).mean().backward()


def measured() -> dict[str, list[dict[str, Any]]]:
    """Time and memory of both programs on every device."""
    torch.manual_seed(0)
    lstm = ConvLSTM()
    torch.nn.init.normal_(lstm.layers[0].peephole, std=0.1)
    programs: dict[str, Callable[[Tensor], Tensor]] = {
        "plain": lambda x: plain_conv_lstm(lstm.layers[0], x),
        "ConvLSTM": lambda x: lstm(x)[0],
    }
    frames = torch.rand(1, SLICES, 1, SIZE, SIZE)
    rows: list[dict[str, Any]] = []
    for device in [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available():
        lstm.to(device)
        sequence = frames.to(device)
        with torch.no_grad():
            torch.testing.assert_close(*[program(sequence) for program in programs.values()])
        parts = {
            "forward": (forward, sequence),
            "both": (forward_and_backward, sequence),
            "both, frames too": (forward_and_backward, sequence.clone().requires_grad_()),
        }
        for part, (make, given) in parts.items():
            runs = [make(program, given) for program in programs.values()]
            for name, run, timed in zip(programs, runs, time_in_turn_ms(runs, 2, 10), strict=True):
                memory = {"peak MiB": peak_memory_mib(run)} if device.type == "cpu" else {}
                rows.append({"part": part, "program": name, "device": device.type, **timed, **memory})
    return {"conv_lstm": rows}
