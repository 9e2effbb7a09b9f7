"""The last of a network's steps, as after decollation in training and in evaluation."""

from __future__ import annotations

import pytest
import torch
from monai.data import decollate_batch

from monai_lsext.transforms import LastStep, LastStepd

STEPS = [torch.full((2, 3, 3), float(t)) for t in range(4)]


@pytest.mark.parametrize("steps", [STEPS, tuple(STEPS), STEPS[-1]])
def test_last_step(steps: object) -> None:
    assert LastStep()(steps) is STEPS[-1]  # type: ignore[arg-type]


def test_after_decollation() -> None:
    batch = {"pred": [torch.stack([step, -step]) for step in STEPS], "label": torch.zeros(2, 1)}
    items = [LastStepd("pred")(item) for item in decollate_batch(batch)]
    assert [item["pred"].unique().tolist() for item in items] == [[3.0], [-3.0]]


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="expected at least 1 step, got an empty list"):
        LastStep()([])
    with pytest.raises(TypeError, match="expected a tensor or a list of tensors, got str"):
        LastStepd("pred")({"pred": "x"})
