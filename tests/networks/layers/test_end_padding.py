"""Padding at the far ends: against torch's own on sizes that are known, and back."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from monai_lsext.networks.layers.end_padding import cropped, padded


@pytest.mark.parametrize(
    ("size", "divisor", "least", "expected"),
    [
        ((5, 8), 4, 0, (8, 8)),
        ((5, 8), 4, 12, (12, 12)),
        ((8, 16), 8, 0, (8, 16)),
        ((3, 4, 7), 2, 0, (4, 4, 8)),
        ((1, 1), 1, 0, (1, 1)),
    ],
)
def test_continued_by_the_last_values_and_cut_back(
    size: tuple[int, ...], divisor: int, least: int, expected: tuple[int, ...]
) -> None:
    x = torch.randn(2, 3, *size)
    large = padded(x, divisor, least)
    assert large.shape[2:] == expected
    ends = [end for have, want in zip(reversed(size), reversed(expected), strict=True) for end in (0, want - have)]
    assert torch.equal(large, F.pad(x, ends, mode="replicate"))
    assert torch.equal(cropped(large, x), x)


def test_what_fits_is_not_copied() -> None:
    x = torch.zeros(1, 1, 8, 8)
    assert padded(x, 4) is x
