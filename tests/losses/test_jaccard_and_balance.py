"""MONAI's Jaccard loss is equation 14 for binary truths; class-balanced cross-entropy from its formula."""

from __future__ import annotations

import math

import pytest
import torch
from monai.losses import DiceLoss
from torch import Tensor

from monai_lsext.losses import ClassBalancedCrossEntropyLoss


def jaccard_loop(probability: Tensor, truth: Tensor) -> float:
    """Equation 14 pixel by pixel."""
    inside, union = 0.0, 0.0
    for p, y in zip(probability.flatten().tolist(), truth.flatten().tolist(), strict=True):
        inside += p if y else 0.0
        union += 1.0 if y else p
    return 1 - inside / union


def sample(share: float = 0.3, shape: tuple[int, ...] = (1, 1, 5, 4, 3)) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    truth = (torch.rand(shape, generator=generator) < share).double()
    return torch.randn(shape, generator=generator, dtype=torch.float64), truth


def test_monai_jaccard_is_equation_14_for_binary_truths() -> None:
    logits, truth = sample()
    loss = DiceLoss(sigmoid=True, jaccard=True, smooth_nr=0, smooth_dr=0)
    assert loss(logits, truth).item() == pytest.approx(jaccard_loop(logits.sigmoid(), truth), abs=1e-12)
    default = DiceLoss(sigmoid=True, jaccard=True)  # its smoothing is far below what matters
    assert default(logits, truth).item() == pytest.approx(jaccard_loop(logits.sigmoid(), truth), abs=1e-5)


def test_monai_jaccard_has_the_gradient_of_equation_15() -> None:
    logits, truth = sample()
    probability = logits.sigmoid().requires_grad_()
    DiceLoss(jaccard=True, smooth_nr=0, smooth_dr=0)(probability, truth).backward()
    union = truth.sum() + (probability * (1 - truth)).sum()
    inside = (probability * truth).sum()
    expected = torch.where(truth > 0, -1 / union, inside / union**2)
    assert torch.allclose(probability.grad, expected, atol=1e-12)


def test_they_differ_for_soft_truths() -> None:
    logits, truth = sample()
    soft = 0.25 + 0.5 * truth
    union = torch.where(soft > 0.5, torch.ones_like(soft), logits.sigmoid()).sum()
    relaxed = 1 - (logits.sigmoid() * soft).sum() / union
    assert abs(DiceLoss(sigmoid=True, jaccard=True)(logits, soft).item() - relaxed.item()) > 0.02


def balanced_loop(logits: Tensor, truth: Tensor) -> float:
    """The formula pixel by pixel for one item and channel."""
    values, labels = logits.flatten().tolist(), truth.flatten().tolist()
    beta = labels.count(0.0) / len(labels)
    total = 0.0
    for x, y in zip(values, labels, strict=True):
        p = 1 / (1 + math.exp(-x))
        total -= beta * math.log(p) if y else (1 - beta) * math.log(1 - p)
    return total / len(labels)


def test_balanced_cross_entropy_item_by_item() -> None:
    logits, truth = sample(0.2, (3, 2, 4, 5))
    expected = [balanced_loop(logits[b, k], truth[b, k]) for b in range(3) for k in range(2)]
    assert ClassBalancedCrossEntropyLoss()(logits, truth).item() == pytest.approx(sum(expected) / 6, abs=1e-12)


def test_balanced_cross_entropy_over_the_batch() -> None:
    logits, truth = sample(0.2, (3, 2, 4, 5))
    expected = [balanced_loop(logits[:, k], truth[:, k]) for k in range(2)]
    loss = ClassBalancedCrossEntropyLoss(batch=True)
    assert loss(logits, truth).item() == pytest.approx(sum(expected) / 2, abs=1e-12)


def test_both_classes_weigh_the_same() -> None:
    """At p = 1/2 the pixels inside pull with the same total force as those outside, whatever their number."""
    truth = torch.zeros(1, 1, 10, 10)
    truth[..., 0, :3] = 1
    logits = torch.zeros_like(truth, requires_grad=True)
    ClassBalancedCrossEntropyLoss()(logits, truth).backward()
    assert logits.grad[truth > 0].sum().item() == pytest.approx(-logits.grad[truth == 0].sum().item(), abs=1e-6)


def test_an_item_without_the_object_counts_in_the_batch_only() -> None:
    logits, truth = torch.full((2, 1, 4, 4), 3.0), torch.zeros(2, 1, 4, 4)
    truth[0, 0, 0] = 1
    grads = []
    for batch in (False, True):
        x = logits.clone().requires_grad_()
        ClassBalancedCrossEntropyLoss(batch)(x, truth).backward()
        grads.append(x.grad[1].abs().sum().item())
    assert grads[0] == 0
    assert grads[1] > 0.01


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`input` and `target` must have one shape, got \(1, 1, 4\) and \(1, 1, 5\)"):
        ClassBalancedCrossEntropyLoss()(torch.zeros(1, 1, 4), torch.zeros(1, 1, 5))
