"""Vertical cup-to-disc ratio of boxes whose extents are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from monai_lsext.metrics import CupToDiscRatioError, vertical_cup_to_disc_ratio


def label_map(disc_rows: int, cup_rows: int) -> torch.Tensor:
    labels = torch.zeros(30, 24, dtype=torch.uint8)
    labels[2:28, 2 : 2 + disc_rows] = 1
    labels[10:14, 4 : 4 + cup_rows] = 2
    return labels


def channels(*label_maps: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.stack([labels >= 1, labels == 2]) for labels in label_maps]).float()


@pytest.mark.parametrize(("disc_rows", "cup_rows", "expected"), [(20, 10, 0.5), (16, 0, 0.0), (10, 7, 0.7)])
def test_ratio(disc_rows: int, cup_rows: int, expected: float) -> None:
    labels = label_map(disc_rows, cup_rows)
    assert vertical_cup_to_disc_ratio(labels) == pytest.approx(expected)
    assert vertical_cup_to_disc_ratio(labels.numpy()) == pytest.approx(expected)


def test_a_cup_beyond_the_rim_belongs_to_the_disc() -> None:
    labels = np.zeros((9, 20))
    labels[4, 3:13] = 1
    labels[4, 8:18] = 2
    assert vertical_cup_to_disc_ratio(labels) == pytest.approx(10 / 15)


def test_no_disc_is_nan() -> None:
    assert math.isnan(vertical_cup_to_disc_ratio(torch.zeros(5, 5)))


def test_error() -> None:
    metric = CupToDiscRatioError()
    none = torch.zeros(30, 24)
    truth = channels(label_map(20, 10), label_map(20, 10), none)
    values = metric(channels(label_map(20, 14), none, label_map(20, 3)), truth)
    assert values.shape == (3, 1)
    assert values[:2, 0].tolist() == pytest.approx([0.2, 0.5])
    assert torch.isnan(values[2, 0])
    assert metric.aggregate().item() == pytest.approx(0.35)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: vertical_cup_to_disc_ratio(torch.zeros(1, 4, 4)), r"must have shape \[W, H\], got \(1, 4, 4\)"),
        (
            lambda: CupToDiscRatioError()(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)),
            "`y` must have 2 channels, disc and cup, got 3",
        ),
        (lambda: CupToDiscRatioError()(torch.zeros(1, 2, 4, 4), torch.zeros(2, 2, 4, 4)), "must both have shape"),
    ],
)
def test_errors(call, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()
