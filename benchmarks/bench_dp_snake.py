"""The exact DP snake and the contour likelihood at N = 50, M = 65, max_jump = 2, against plainer programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import time_ms
from monai_lsext.networks.layers.contour_likelihood import (
    contour_log_partition,
    contour_marginals,
    contour_negative_log_likelihood,
)
from monai_lsext.networks.layers.dp_snake import (
    jump_allowed,
    minimal_closed_contour,
    minimal_closed_contour_reference,
)
from monai_lsext.networks.layers.star_pattern import StarPattern, smooth_contour

LINES, POINTS, MAX_JUMP = 50, 65, 2
BATCHES = (1, 10, 100)
LARGEST_BATCH = {"snake, loop": 1, "snake, Algorithm 1": 10, "the same by autograd": 10}  # they take seconds


def algorithm_1(cost: Tensor) -> Tensor:
    """The paper's recursion as a plain tensor program: all M x M pairs for each start; least totals [B]."""
    allowed = jump_allowed(POINTS, MAX_JUMP, cost.device)
    forbidden = torch.zeros(POINTS, POINTS, device=cost.device).masked_fill(~allowed, torch.inf)
    start = torch.zeros(POINTS, POINTS, device=cost.device).fill_diagonal_(1).bool()
    best = torch.where(start, cost[:, :1], torch.inf)  # [B, start, M]
    for line in cost.unbind(1)[1:]:
        best = (best[..., None] + forbidden).amin(2) + line[:, None]
    return (best + forbidden).amin((1, 2))


def log_partition_by_autograd(cost: Tensor) -> Tensor:
    """The likelihood's recursion left to autograd."""
    start = torch.eye(POINTS, dtype=torch.bool, device=cost.device)
    alpha = torch.where(start, -cost[:, :1], -1e30)
    for line in cost.unbind(1)[1:]:
        padded = torch.nn.functional.pad(alpha, (MAX_JUMP, MAX_JUMP), value=-1e30)
        shifted = [padded[..., k : k + POINTS] for k in range(2 * MAX_JUMP + 1)]
        alpha = torch.stack(shifted).logsumexp(0) - line[:, None]
    allowed = jump_allowed(POINTS, MAX_JUMP, cost.device)
    return alpha.where(allowed, -1e30).flatten(1).logsumexp(1)


def programs(cost: Tensor) -> dict[str, Callable[[], Any]]:
    """What is timed, by name, on one batch of costs."""
    learned = cost.clone().requires_grad_()
    index, total = minimal_closed_contour(cost, MAX_JUMP)
    torch.testing.assert_close(total[:1], algorithm_1(cost[:1]))
    torch.testing.assert_close(log_partition_by_autograd(cost), contour_log_partition(cost, MAX_JUMP))
    image = torch.randn(len(cost), 1, 256, 256, device=cost.device)
    centre = torch.full((len(cost), 2), 128.0, device=cost.device)
    pattern, ventricle = StarPattern(LINES, POINTS), smooth_contour(torch.randint_like(index, 20, 25))
    return {
        "snake": lambda: minimal_closed_contour(cost, MAX_JUMP),
        "snake, Algorithm 1": lambda: algorithm_1(cost),
        "snake, loop": lambda: minimal_closed_contour_reference(cost, MAX_JUMP),
        "likelihood": lambda: contour_negative_log_likelihood(cost, index, MAX_JUMP),
        "likelihood + gradient": lambda: contour_log_partition(learned, MAX_JUMP).sum().backward(),
        "the same by autograd": lambda: log_partition_by_autograd(learned).sum().backward(),
        "marginals": lambda: contour_marginals(cost, MAX_JUMP),
        "star pattern, 256x256": lambda: pattern.cost(image, centre),
        "drawing 25 px, 256x256": lambda: pattern.rasterise(ventricle, centre, (256, 256)),
    }


def measured() -> dict[str, list[dict[str, Any]]]:
    """Time every program at every batch size, the slow ones only where they end within seconds."""
    devices = [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available()
    rows: list[dict[str, Any]] = []
    for device in devices:
        for batch in BATCHES:
            cost = torch.randn(batch, LINES, POINTS, device=device)
            for name, run in programs(cost).items():
                if batch > LARGEST_BATCH.get(name, batch):
                    continue
                warm_up, repeats = (1, 2) if name in LARGEST_BATCH else (3, 10)
                row = {"program": name, "device": device.type, "batch": batch, **time_ms(run, warm_up, repeats)}
                rows.append(row)
    return {"dp_snake": rows}
