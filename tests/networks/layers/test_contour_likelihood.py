"""The closed-chain likelihood against enumeration of all contours."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from monai_lsext.networks.layers.contour_likelihood import (
    contour_log_partition,
    contour_marginals,
    contour_negative_log_likelihood,
)
from monai_lsext.networks.layers.dp_snake import legalise_contour, minimal_closed_contour

SIZES = [(3, 1, 0), (3, 4, 0), (4, 5, 1), (5, 4, 2), (6, 4, 3), (5, 3, 9)]


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)


def energies(cost: Tensor, max_jump: int) -> tuple[Tensor, Tensor]:
    """Every legal closed contour [K, N] and its cost in each item [B, K]."""
    every = torch.tensor(list(itertools.product(range(cost.shape[2]), repeat=cost.shape[1])))
    every = every[((every - every.roll(1, 1)).abs() <= max_jump).all(1)]
    return every, cost[:, torch.arange(cost.shape[1]), every].sum(2)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
@pytest.mark.parametrize(("lines", "points", "max_jump"), SIZES)
def test_equals_enumeration(lines: int, points: int, max_jump: int, temperature: float) -> None:
    cost = torch.randn(3, lines, points, dtype=torch.float64, requires_grad=True)
    contours, energy = energies(cost, max_jump)
    log_z = contour_log_partition(cost, max_jump, temperature)
    torch.testing.assert_close(log_z, (-energy / temperature).logsumexp(1))

    passes = torch.nn.functional.one_hot(contours, points).double()  # [K, N, M]
    expected = torch.einsum("bk,knm->bnm", (-energy / temperature).softmax(1), passes)
    marginals = contour_marginals(cost, max_jump, temperature)
    torch.testing.assert_close(marginals, expected)
    (gradient,) = torch.autograd.grad(log_z.sum(), cost)
    torch.testing.assert_close(gradient, -marginals / temperature)

    truth = contours[torch.tensor([0, len(contours) // 2, -1])]
    nll = contour_negative_log_likelihood(cost, truth, max_jump, temperature)
    chosen = torch.tensor([0, len(contours) // 2, len(contours) - 1])
    torch.testing.assert_close(nll, -(-energy / temperature).log_softmax(1).gather(1, chosen[:, None])[:, 0])


@pytest.mark.parametrize(("lines", "points", "max_jump"), SIZES)
def test_gradcheck(lines: int, points: int, max_jump: int) -> None:
    cost = torch.randn(2, lines, points, dtype=torch.float64, requires_grad=True)
    index = legalise_contour(torch.randint(0, points, (2, lines)), max_jump, points)
    assert torch.autograd.gradcheck(lambda c: contour_log_partition(c, max_jump, 0.7), cost)
    assert torch.autograd.gradcheck(lambda c: contour_negative_log_likelihood(c, index, max_jump, 0.7), cost)


def test_flat_cost_counts_the_contours() -> None:
    # transfer matrix of 3 points with a jump of 1 has the eigenvalues 1, 1 + sqrt 2, 1 - sqrt 2
    expected = 1 + (1 + 2**0.5) ** 10 + (1 - 2**0.5) ** 10
    log_z = contour_log_partition(torch.full((1, 10, 3), 5.0), 1)
    torch.testing.assert_close(log_z.exp().item() * 2.718281828459045**50, expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e8, 1e30])
def test_large_costs_are_safe(scale: float) -> None:
    cost = (torch.randn(3, 12, 9) * scale).requires_grad_()
    index, total = minimal_closed_contour(cost, 1)
    nll = contour_negative_log_likelihood(cost, index, 1)
    (gradient,) = torch.autograd.grad(nll.sum(), cost)
    assert gradient.isfinite().all()
    marginals = contour_marginals(cost, 1)
    torch.testing.assert_close(marginals.sum(2), torch.ones(3, 12))
    # the best contour has nearly all the probability
    torch.testing.assert_close(-contour_log_partition(cost, 1), total, rtol=1e-2, atol=1.0)
    if scale >= 1e4:
        assert (nll < 1e-3).all()
        assert torch.equal(marginals.argmax(2), index)


def test_improbable_far_contour_keeps_its_gradient() -> None:
    cost = torch.zeros(1, 20, 30)
    cost[:, :, :5] = -1000.0
    far = torch.full((1, 20), 29)
    nll = contour_negative_log_likelihood(cost.requires_grad_(), far, 2)
    assert 20_000 < nll.item() < 20_100
    (gradient,) = torch.autograd.grad(nll.sum(), cost)
    torch.testing.assert_close(gradient[0, :, 29], torch.ones(20))
    torch.testing.assert_close(gradient[0, :, :5].sum(1), -torch.ones(20))


def test_low_temperature_becomes_the_minimum() -> None:
    cost = torch.randn(4, 10, 8)
    _, total = minimal_closed_contour(cost, 2)
    torch.testing.assert_close(-1e-4 * contour_log_partition(cost, 2, 1e-4), total, rtol=1e-3, atol=1e-3)


def test_half_precision_is_computed_in_float32() -> None:
    cost = torch.randn(2, 8, 6).half()
    log_z = contour_log_partition(cost, 1)
    assert log_z.dtype == torch.float32
    assert torch.equal(log_z, contour_log_partition(cost.float(), 1))


def test_gradient_descent_finds_the_truth() -> None:
    truth = torch.tensor([[1, 2, 3, 3, 2, 1], [4, 4, 4, 3, 4, 4]])
    cost = torch.zeros(2, 6, 5, requires_grad=True)
    for _ in range(30):
        (gradient,) = torch.autograd.grad(contour_negative_log_likelihood(cost, truth, 1).sum(), cost)
        cost = (cost - gradient).detach().requires_grad_()
    assert torch.equal(minimal_closed_contour(cost, 1)[0], truth)


COST = torch.zeros(2, 4, 5)
LEGAL = torch.zeros(2, 4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("cost", "index", "max_jump", "temperature", "error", "text"),
    [
        (COST, LEGAL, -1, 1.0, ValueError, "`max_jump` must be >= 0, got -1"),
        (COST, LEGAL, 1, 0.0, ValueError, "`temperature` must be > 0, got 0.0"),
        (COST[:, :2], LEGAL[:, :2], 1, 1.0, ValueError, "`cost` must have N >= 3 lines, got 2"),
        (COST + torch.nan, LEGAL, 1, 1.0, ValueError, "`cost` must not contain NaN or -inf, but item 0 does"),
        (COST, LEGAL.float(), 1, 1.0, TypeError, "`index` must be int64, got torch.float32"),
        (COST, LEGAL[:1], 1, 1.0, ValueError, r"`index` must have shape \(2, 4\), got \(1, 4\)"),
        (COST, LEGAL + 5, 1, 1.0, ValueError, "`index` must lie in 0 .. 4, but item 0 does not"),
        (
            COST,
            torch.tensor([[0, 0, 0, 0], [0, 1, 2, 3]]),
            1,
            1.0,
            ValueError,
            "`index` must jump by <= 1, but item 1 jumps by 3",
        ),
    ],
)
def test_bad_input(
    cost: Tensor, index: Tensor, max_jump: int, temperature: float, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        contour_negative_log_likelihood(cost, index, max_jump, temperature)


def test_infinite_cost_is_refused() -> None:
    cost = COST.clone()
    cost[1, 2, 3] = torch.inf
    with pytest.raises(ValueError, match="`cost` must be finite, but item 1 is not"):
        contour_log_partition(cost, 1)
