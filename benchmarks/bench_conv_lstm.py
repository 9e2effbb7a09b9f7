"""ConvLSTM over 64 slices of 256x256, hidden 1, 3x3, against a plain one that runs cell by cell under autograd."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import peak_memory_mib, write_result
from monai_lsext.networks.layers.conv_lstm import ConvLSTM

SLICES, SIZE = 64, 256
REPEATS = 7


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


def cpu_ms(run: Callable[[], Any]) -> float:
    """Least processor time of several runs: unlike the clock, it does not count what else the machine does."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        times.append(1e3 * (time.process_time() - start))
    return round(min(times), 1)


def main() -> None:
    """Time and memory of both, on one thread so that processor time is elapsed time."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    lstm = ConvLSTM()
    torch.nn.init.normal_(lstm.layers[0].peephole, std=0.1)
    sequence = torch.rand(1, SLICES, 1, SIZE, SIZE)
    learned = sequence.clone().requires_grad_()
    programs: dict[str, Callable[[Tensor], Tensor]] = {
        "plain": lambda x: plain_conv_lstm(lstm.layers[0], x),
        "ConvLSTM": lambda x: lstm(x)[0],
    }
    rows: list[dict[str, Any]] = []
    for name, program in programs.items():

        def forward(program: Callable[[Tensor], Tensor] = program) -> None:
            with torch.no_grad():
                program(sequence)

        def both(x: Tensor, program: Callable[[Tensor], Tensor] = program) -> None:
            program(x).mean().backward()

        rows.append(
            {
                "program": name,
                "forward_cpu_ms": cpu_ms(forward),
                "both_cpu_ms": cpu_ms(lambda both=both: both(sequence)),
                "both_with_frames_cpu_ms": cpu_ms(lambda both=both: both(learned)),
                "forward_mib": peak_memory_mib(forward),
                "both_mib": peak_memory_mib(lambda both=both: both(sequence)),
            }
        )
        print(rows[-1])
    with torch.no_grad():
        torch.testing.assert_close(*[program(sequence) for program in programs.values()])
    write_result("conv_lstm", rows)


if __name__ == "__main__":
    main()
