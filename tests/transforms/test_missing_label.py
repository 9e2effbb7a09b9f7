"""FillMissingLabeld: labelled and unlabelled items of one batch."""

from __future__ import annotations

import pytest
import torch
from monai.data import DataLoader, Dataset

from monai_lsext.transforms import FillMissingLabeld


def test_a_label_stays_and_a_missing_one_becomes_empty() -> None:
    image, label = torch.rand(3, 4, 5), torch.ones(1, 4, 5)
    kept = FillMissingLabeld()({"image": image, "label": label})
    assert kept["label"] is label
    assert kept["labelled"] is True
    for item in ({"image": image}, {"image": image, "label": None}):
        filled = FillMissingLabeld()(item)
        assert torch.equal(filled["label"], torch.zeros(1, 4, 5))
        assert filled["labelled"] is False
        assert item.get("label") is None


def test_a_mixed_batch_is_collated() -> None:
    image = torch.rand(1, 4, 4)
    data = [{"image": image, "label": image > 0.5}, {"image": image}]
    (batch,) = DataLoader(Dataset(data, FillMissingLabeld()), batch_size=2)
    assert batch["labelled"].tolist() == [True, False]
    assert batch["label"].shape == (2, 1, 4, 4)


def test_an_item_without_an_image() -> None:
    with pytest.raises(KeyError, match="image"):
        FillMissingLabeld()({})
