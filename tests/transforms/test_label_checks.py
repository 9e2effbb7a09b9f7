"""Labels that cannot be learned from are refused by name."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from monai_lsext.transforms import CheckLabeld


def label(*values: float) -> MetaTensor:
    return MetaTensor(torch.tensor([[list(values)]]), meta={"filename_or_obj": "/some/where/case7.png"})


def test_a_complete_label_passes_unchanged() -> None:
    data = {"label": label(0, 1, 2), "image": "untouched"}
    assert CheckLabeld("label", [1, 2])(data) == data


@pytest.mark.parametrize(
    ("values", "found"),
    [((0, 0, 0), "0"), ((0, 1, 1), "0, 1"), ((0, 1, 2, 255), "0, 1, 2, 255"), ((0, 1.5, 2), "0, 1.5, 2")],
)
def test_empty_incomplete_and_foreign_labels_are_named(values: tuple[float, ...], found: str) -> None:
    advice = "leave out a case without the object" if found == "0" else "change them in the file, or name your own by"
    with pytest.raises(ValueError, match=f"label case7.png must hold 0, 1 and 2, got the values {found}: {advice}"):
        CheckLabeld("label", [1, 2])({"label": label(*values)})


def test_one_class() -> None:
    with pytest.raises(ValueError, match=r"label case7\.png must hold 0 and 1, got the values 0, 255: change them"):
        CheckLabeld("label", [1])({"label": label(0, 255)})


def test_no_class() -> None:
    with pytest.raises(ValueError, match="`classes` must name at least one value, got none"):
        CheckLabeld("label", [])
