"""The multi-step loss against Eq. 6 worked by hand, its weights, its errors and a fit of phi alone."""

from __future__ import annotations

import pytest
import torch
from monai.losses import DiceLoss
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from monai_lsext.losses import EikonalLoss, MultiStepLoss, race_step_weights


@pytest.mark.parametrize(
    ("num_steps", "expected"),
    [
        (1, [1.0]),
        (2, [1.0, 10.0]),
        (5, [0.01, 0.1, 1.0, 10.0, 100.0]),
        (6, [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]),
    ],
)
def test_race_step_weights(num_steps: int, expected: list[float]) -> None:
    assert race_step_weights(num_steps) == pytest.approx(expected)


def test_equation_6_by_hand() -> None:
    # T = 2: lambda = 1, 10 and beta = lambda_1 = 1. Soft Dice = 2 sum(RY) / (sum R + sum Y), Y = [[1, 1], [0, 0]].
    # phi_1 = 0 everywhere: R = 1/2, Dice = 2 * 1 / (2 + 2) = 1/2; |grad phi_1| = 0, so the regulariser is 1.
    # phi_2 = ln 3 above, -ln 3 below: R = 3/4 and 1/4, Dice = 2 * 1.5 / (2 + 2) = 3/4;
    #   |grad phi_2| = 2 ln 3 = 2.1972245773 everywhere (one difference along the first axis), regulariser
    #   1.1972245773**2 = 1.4333466885.
    # L = 1 * 1/2 + 1 * 1  +  10 * 1/4 + 1 * 1.4333466885 = 5.4333466885.
    ln3 = torch.log(torch.tensor(3.0, dtype=torch.float64))
    phi_1 = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    phi_2 = torch.stack([ln3, ln3, -ln3, -ln3]).reshape(1, 1, 2, 2)
    target = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]], dtype=torch.float64)
    dice = DiceLoss(sigmoid=True, smooth_nr=0.0, smooth_dr=0.0)
    loss = MultiStepLoss(dice, "race", regulariser=EikonalLoss())
    assert loss([phi_1, phi_2], target).item() == pytest.approx(5.4333466885, abs=1e-6)
    assert loss([phi_1.float(), phi_2.float()], target.float()).item() == pytest.approx(5.4333466885, abs=1e-6)
    without = MultiStepLoss(dice, "race")
    assert without([phi_1, phi_2], target).item() == pytest.approx(3.0, abs=1e-9)
    with_beta = MultiStepLoss(dice, "race", EikonalLoss(), regulariser_weight=0.5)
    assert with_beta([phi_1, phi_2], target).item() == pytest.approx(3.0 + 0.5 * 2.4333466885, abs=1e-6)


@pytest.mark.parametrize(
    ("step_weights", "expected"),
    [
        ("last", 9.0),
        ("uniform", (1.0 + 4.0 + 9.0) / 3),
        ("race", 0.1 * 1.0 + 1.0 * 4.0 + 10.0 * 9.0),
        ([0.0, 2.0, 0.5], 8.0 + 4.5),
        (lambda num_steps: range(1, num_steps + 1), 1.0 + 8.0 + 27.0),
    ],
)
def test_step_weights(step_weights, expected: float) -> None:
    steps = [torch.full((1, 1, 2, 2), float(t)) for t in (1, 2, 3)]
    loss = MultiStepLoss(mse_loss, step_weights)
    assert loss(steps, torch.zeros(1, 1, 2, 2)).item() == pytest.approx(expected)


@pytest.mark.parametrize("step_weights", ["race", "uniform", "last", [0.1, 7.0], race_step_weights])
def test_one_tensor_is_the_plain_loss(step_weights) -> None:
    phi, target = torch.randn(2, 2, 4, 4), torch.rand(2, 2, 4, 4)
    loss = MultiStepLoss(binary_cross_entropy_with_logits, step_weights)
    assert loss(phi, target).item() == pytest.approx(binary_cross_entropy_with_logits(phi, target).item())


def test_weights_can_be_replaced_and_a_step_of_weight_0_is_skipped() -> None:
    def refuse_negative(phi: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        assert phi.min() >= 0
        return phi.mean()

    loss = MultiStepLoss(refuse_negative, "last")
    steps = [torch.full((1, 1, 2, 2), -1.0), torch.full((1, 1, 2, 2), 3.0)]
    assert loss(steps, steps[0]).item() == 3.0
    loss.set_step_weights([0.0, 2.0])
    assert loss(steps, steps[0]).item() == 6.0


def test_half_precision_does_not_overflow() -> None:
    steps = [torch.full((1, 1, 2, 2), 20.0, dtype=torch.float16)] * 6
    value = MultiStepLoss(mse_loss, "race")(steps, torch.zeros(1, 1, 2, 2))
    assert value.item() == pytest.approx(400 * 1111.11, rel=1e-4)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: race_step_weights(0), "`num_steps` must be >= 1, got 0"),
        (
            lambda: MultiStepLoss(mse_loss, "first"),
            r"`step_weights` must be one of \['last', 'race', 'uniform'\], got 'first'",
        ),
        (lambda: MultiStepLoss(mse_loss, [1, -1]), r"numbers >= 0, not all 0, got \[1.0, -1.0\]"),
        (lambda: MultiStepLoss(mse_loss, [0, 0]), "not all 0"),
        (
            lambda: MultiStepLoss(mse_loss, "race", regulariser_weight=1.0),
            "`regulariser_weight` needs a `regulariser`, got none",
        ),
        (
            lambda: MultiStepLoss(mse_loss, [1, 2])([torch.zeros(1)] * 3, torch.zeros(1)),
            "`step_weights` must have one weight per step, got 2 for 3",
        ),
        (lambda: MultiStepLoss(mse_loss)([], torch.zeros(1)), "`input` must hold at least one step"),
    ],
)
def test_errors(make, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_loss_falls_and_dice_rises_when_phi_alone_is_optimised() -> None:
    x = torch.arange(24.0) - 11.5
    target = ((x[:, None] ** 2 + x**2).sqrt() < 7).float()[None, None]
    phi = [(3.0 - (x[:, None] ** 2 + x**2).sqrt())[None, None].clone().requires_grad_() for _ in range(3)]
    loss = MultiStepLoss(DiceLoss(sigmoid=True), "race", EikonalLoss())
    optimizer = torch.optim.Adam(phi, lr=0.2)

    def dice() -> float:
        mask = (phi[-1] > 0).float()
        return float(2 * (mask * target).sum() / (mask.sum() + target.sum()))

    before, dice_before = loss(phi, target).item(), dice()
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(phi, target)
        value.backward()
        optimizer.step()
    assert dice_before < 0.5
    assert dice() > 0.95
    assert value.item() < 0.2 * before
