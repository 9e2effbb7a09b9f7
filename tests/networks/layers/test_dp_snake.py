"""The DP snake against brute force, its slow loop and hand-worked cases."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from torch import Tensor

from monai_lsext.networks.layers.dp_snake import (
    legalise_contour,
    minimal_closed_contour,
    minimal_closed_contour_reference,
)


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)


def legal_contours(num_lines: int, num_points: int, max_jump: int) -> Tensor:
    """Every closed contour under the jump limit, [K, N], by enumeration."""
    every = torch.tensor(list(itertools.product(range(num_points), repeat=num_lines)))
    return every[((every - every.roll(1, 1)).abs() <= max_jump).all(1)]


def path_costs(cost: Tensor, contours: Tensor) -> Tensor:
    """Cost of each of K contours in each item: [B, K]."""
    return cost[:, torch.arange(cost.shape[1]), contours].sum(2)


def assert_legal(index: Tensor, max_jump: int, num_points: int) -> None:
    assert index.dtype == torch.int64
    assert int(index.min()) >= 0
    assert int(index.max()) < num_points
    assert int((index - index.roll(1, 1)).abs().max()) <= max_jump


def test_500_small_cases_equal_brute_force() -> None:
    draw = random.Random(0)
    for case in range(500):
        size = (2, draw.randint(3, 6), draw.randint(1, 6 if case % 10 == 0 else 4))
        max_jump = draw.randint(0, 3)
        generator = torch.Generator().manual_seed(case)
        # every other case has small whole numbers, hence many ties
        cost = torch.randint(-1, 2, size, generator=generator).float() if case % 2 else torch.randn(size)
        index, total = minimal_closed_contour(cost, max_jump)
        assert_legal(index, max_jump, size[2])
        expected = path_costs(cost, legal_contours(size[1], size[2], max_jump)).amin(1)
        torch.testing.assert_close(total, expected)
        torch.testing.assert_close(total, cost.gather(2, index[..., None]).sum((1, 2)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(("lines", "points", "max_jump"), [(3, 1, 0), (12, 9, 1), (20, 15, 2), (7, 5, 100)])
def test_equals_slow_loop(lines: int, points: int, max_jump: int, dtype: torch.dtype) -> None:
    cost = torch.randint(-8, 9, (3, lines, points)).to(dtype)  # sums are exact in every type
    index, total = minimal_closed_contour(cost, max_jump)
    slow_index, slow_total = minimal_closed_contour_reference(cost, max_jump)
    assert total.dtype == slow_total.dtype == dtype
    assert torch.equal(total, slow_total)
    for found in (index, slow_index):
        assert_legal(found, max_jump, points)
        assert torch.equal(cost.gather(2, found[..., None]).sum((1, 2)), total)


def test_seam_limits_the_contour() -> None:
    # cheapest open path: 0 1 2 3 (total -4); it cannot close, so the best closed one pays somewhere
    cost = torch.zeros(1, 4, 4)
    for line in range(4):
        cost[0, line, line] = -1.0
    index, total = minimal_closed_contour(cost, 1)
    assert_legal(index, 1, 4)
    assert total.item() == -3.0  # e.g. 0 1 2 1
    assert minimal_closed_contour(cost, 3)[1].item() == -4.0


def test_no_jump_gives_the_best_circle() -> None:
    cost = torch.randn(4, 9, 7)
    index, total = minimal_closed_contour(cost, 0)
    assert torch.equal(index, cost.sum(1).argmin(1)[:, None].expand(-1, 9))
    torch.testing.assert_close(total, cost.sum(1).amin(1))


def test_batch_equals_one_by_one_and_repeats() -> None:
    cost = torch.randint(-2, 3, (5, 10, 8)).float()
    index, total = minimal_closed_contour(cost, 2)
    single = [minimal_closed_contour(item[None], 2) for item in cost]
    assert torch.equal(index, torch.cat([i for i, _ in single]))
    assert torch.equal(total, torch.cat([t for _, t in single]))
    assert torch.equal(index, minimal_closed_contour(cost, 2)[0])


def test_infinite_cost_forbids() -> None:
    cost = torch.zeros(2, 5, 4)
    cost[0, 2, :3] = torch.inf  # line 2 leaves point 3 only
    cost[1] = torch.inf
    cost[:, :, 0] -= 1.0
    index, total = minimal_closed_contour(cost, 1)
    assert_legal(index, 1, 4)
    assert index[0, 2] == 3
    assert total.tolist() == [0.0, torch.inf]


def test_large_half_precision_costs_keep_the_exact_contour() -> None:
    cost = torch.full((1, 50, 5), 60000.0, dtype=torch.float16)
    cost[:, :, 3] = 59968.0  # one float16 step below; the sum leaves float16's range
    assert torch.equal(minimal_closed_contour(cost, 2)[0], torch.full((1, 50), 3))


def test_total_is_differentiable_at_the_contour() -> None:
    cost = torch.randn(2, 6, 5, requires_grad=True)
    index, total = minimal_closed_contour(cost, 1)
    total.sum().backward()
    assert torch.equal(cost.grad, torch.nn.functional.one_hot(index, 5).float())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_equals_cpu() -> None:
    cost = torch.randint(-2, 3, (10, 50, 65)).float()
    index, total = minimal_closed_contour(cost.cuda(), 2)
    assert torch.equal(total.cpu(), minimal_closed_contour(cost, 2)[1])
    assert_legal(index.cpu(), 2, 65)


@pytest.mark.parametrize(
    ("cost", "max_jump", "error", "text"),
    [
        (torch.zeros(1, 5, 4), -1, ValueError, "`max_jump` must be >= 0, got -1"),
        (torch.zeros(1, 5, 4), 1.0, TypeError, "`max_jump` must be an integer, got 1.0"),
        (torch.zeros(5, 4), 1, ValueError, r"`cost` must have shape \[B, N, M\], got \(5, 4\)"),
        (torch.zeros(1, 2, 4), 1, ValueError, "`cost` must have N >= 3 lines, got 2"),
        (torch.zeros(1, 5, 0), 1, ValueError, "`cost` must have M >= 1 points per line, got 0"),
        (torch.zeros(1, 5, 4, dtype=torch.int64), 1, TypeError, "`cost` must be floating-point, got torch.int64"),
        (torch.tensor([0.0, torch.nan]).view(2, 1, 1).repeat(1, 5, 4), 1, ValueError, "NaN or -inf, but item 1 does"),
        (torch.full((1, 5, 4), -torch.inf), 1, ValueError, "NaN or -inf, but item 0 does"),
    ],
)
def test_bad_input(cost: Tensor, max_jump: int, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        minimal_closed_contour(cost, max_jump)


@pytest.mark.parametrize("max_jump", [0, 1, 2])
def test_legalise_is_the_nearest_legal_contour(max_jump: int) -> None:
    index = torch.randint(0, 5, (6, 5))
    legal = legalise_contour(index, max_jump, 5)
    assert_legal(legal, max_jump, 5)
    every = legal_contours(5, 5, max_jump)
    nearest = (every[None] - index[:, None]).abs().sum(2).amin(1)
    assert torch.equal((legal - index).abs().sum(1), nearest)
    assert torch.equal(legalise_contour(legal, max_jump, 5), legal)


def test_legalise_rounds_a_fractional_contour() -> None:
    index = torch.tensor([[1.2, 1.4, 2.4, 1.7, -0.3]])
    assert legalise_contour(index, 2, 4).tolist() == [[1, 1, 2, 2, 0]]


@pytest.mark.parametrize(
    ("index", "num_points", "text"),
    [
        (torch.zeros(5), 4, r"`index` must have shape \[B, N\], got \(5,\)"),
        (torch.zeros(1, 5), 0, "`num_points` must be >= 1, got 0"),
        (torch.full((1, 5), torch.nan), 4, "NaN"),
    ],
)
def test_legalise_bad_input(index: Tensor, num_points: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        legalise_contour(index, 1, num_points)
