"""Objects of a label map, by hand and against scipy; bad maps, each its sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import find_objects
from torch import Tensor

from monai_lsext.networks.layers.instance_targets import instance_targets


def label_map() -> Tensor:
    label = torch.zeros(2, 6, 8)
    label[:, 1:3, 2:5] = torch.tensor([4.0, 2.0])[:, None, None]
    label[:, 5, 7] = torch.tensor([9.0, 1.0])
    return label


def test_boxes_classes_and_ids() -> None:
    found = instance_targets(label_map(), 2)
    assert found.boxes.tolist() == [[1.0, 2.0, 3.0, 5.0], [5.0, 7.0, 6.0, 8.0]]
    assert found.classes.tolist() == [2, 1]
    assert found.ids.tolist() == [4, 9]


def test_boxes_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 7, (12, 13))
    found = instance_targets(torch.from_numpy(np.stack([ids, (ids > 0).astype(int)])), 1)
    boxes = [[r.start, c.start, r.stop, c.stop] for r, c in find_objects(ids)]
    assert found.boxes.tolist() == boxes


def test_no_objects() -> None:
    found = instance_targets(torch.zeros(2, 4, 5), 1)
    assert (found.boxes.shape, found.classes.shape, found.ids.shape) == ((0, 4), (0,), (0,))


def changed(place: tuple[int, int, int], value: float) -> Tensor:
    label = label_map()
    label[place] = value
    return label


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (label_map()[:1], r"`label` must have shape \[2, H, W\], instance ids and class ids, got \(1, 6, 8\)"),
        (changed((0, 0, 0), -1), "instance ids must be >= 0, got -1"),
        (changed((1, 0, 0), 2), "class 2 is given where there is no instance"),
        (changed((1, 5, 7), 3), "class ids must be 1 to 2, got 3 for instance 9"),
        (changed((1, 5, 7), 0), "class ids must be 1 to 2, got 0 for instance 9"),
        (changed((1, 1, 2), 1), "instance 4 must have one class, got 1 and 2"),
    ],
)
def test_bad_maps(label: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        instance_targets(label, 2)
