"""Scores of single masks against counts made by hand."""

from __future__ import annotations

import pytest
import torch

from monai_lsext.metrics import PixelScore

# 2 true positives, 1 false positive, 3 false negatives, 4 true negatives
PRED = torch.tensor([1, 1, 1, 0, 0, 0, 0, 0, 0, 0.0]).view(1, 1, 2, 5)
TRUTH = torch.tensor([1, 1, 0, 1, 1, 1, 0, 0, 0, 0.0]).view(1, 1, 2, 5)
EXPECTED = {"precision": 2 / 3, "recall": 2 / 5, "accuracy": 6 / 10, "f1 score": 4 / 8}


@pytest.mark.parametrize("name", list(EXPECTED))
def test_by_hand(name: str) -> None:
    assert PixelScore(name)(PRED, TRUTH).item() == pytest.approx(EXPECTED[name])


def test_items_stand_by_themselves_and_their_mean_is_given() -> None:
    metric = PixelScore("precision")
    metric([PRED[0], TRUTH[0]], [TRUTH[0], TRUTH[0]])
    metric(torch.zeros_like(PRED), TRUTH)
    values = metric.get_buffer()
    assert values.shape == (3, 1)
    assert values[:2, 0].tolist() == pytest.approx([2 / 3, 1.0])
    assert torch.isnan(values[2, 0])
    assert metric.aggregate().item() == pytest.approx(5 / 6)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`y_pred` and `y` must both have shape \[B, C, \*S\], got"):
        PixelScore("recall")(PRED, TRUTH[..., :4])
