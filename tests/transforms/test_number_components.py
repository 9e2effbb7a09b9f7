"""Connected parts of a mask get numbers; a corner does not connect."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_lsext.transforms import NumberComponentsd

MASK = torch.tensor([[1, 1, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 1, 0, 1], [1, 0, 1, 0, 0.0]])[None]
NUMBERS = [[1, 1, 0, 0, 2], [0, 1, 0, 0, 2], [0, 0, 3, 0, 2], [4, 0, 3, 0, 0]]


def test_parts_that_meet_at_a_corner_are_two() -> None:
    mask = MetaTensor(MASK, affine=torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0])))
    result = NumberComponentsd("pred")({"pred": mask})
    np.testing.assert_array_equal(result["instances"][0], NUMBERS)
    assert torch.equal(result["pred"], mask)
    assert torch.equal(result["instances"].affine, mask.affine)


def test_volume_and_empty_mask() -> None:
    volume = torch.stack([MASK, torch.zeros_like(MASK), MASK], dim=-1)
    assert NumberComponentsd("pred", "objects")({"pred": volume})["objects"].max() == 8
    assert not NumberComponentsd("pred")({"pred": torch.zeros(1, 4, 4)})["instances"].any()


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"`keys` must be one item, got \('a', 'b'\)"):
        NumberComponentsd(["a", "b"])
    with pytest.raises(ValueError, match="a mask must have 1 channel, got 2"):
        NumberComponentsd("pred")({"pred": torch.zeros(2, 4, 4)})
