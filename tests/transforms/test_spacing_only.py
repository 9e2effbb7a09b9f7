"""Resampling beside entries that are no meta data."""

from __future__ import annotations

import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, Spacingd

from monai_lsext.transforms import SpacingOnlyd


def item() -> dict[str, object]:
    values = torch.arange(4 * 6 * 5.0).reshape(1, 4, 6, 5)
    affine = torch.diag(torch.tensor([2.0, 1.0, 3.0, 1.0]))
    return {"image": MetaTensor(values, affine=affine, meta={"filename_or_obj": "heart.nii.gz"})}


def test_it_resamples_as_monai_does() -> None:
    expected = Spacingd("image", (1.0, 1.0, 1.0))(item())["image"]
    found = SpacingOnlyd("image", (1.0, 1.0, 1.0))(item())["image"]
    torch.testing.assert_close(found.as_tensor(), expected.as_tensor())
    torch.testing.assert_close(found.affine, expected.affine)


def test_other_entries_stay_as_they_are() -> None:
    entries = {"image_path": "heart.nii.gz", "image_id": 3, "model": "a"}
    result = SpacingOnlyd(["image", "label"], (1.0, 1.0, 1.0), allow_missing_keys=True)({**item(), **entries})
    assert {name: result[name] for name in entries} == entries
    assert result.keys() == {"image", *entries}


def test_it_is_inverted() -> None:
    transform = Compose([SpacingOnlyd("image", (1.0, 1.0, 1.0))])
    result = transform({**item(), "image_path": "heart.nii.gz"})
    result["pred"] = result["image"].clone()
    back = Invertd("pred", transform, orig_keys="image", nearest_interp=False)(result)["pred"]
    torch.testing.assert_close(back.as_tensor(), item()["image"].as_tensor(), atol=1e-3, rtol=0)
