"""A label comes to the grid of its image: by its header where that is right, voxel by voxel where it is not."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, Orientationd

from monai_lsext.transforms import LabelOnGridd

sys.path.append(str(Path(__file__).parents[1] / "data"))
from pancreas_ct import nih_affine, true_affine, volume, write_label, write_series

pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")
# first instance lowest, or highest: a series may run either way
STEPS = [2.0, -2.0]


def loaded(folder: Path) -> dict:
    chain = [
        LoadImaged(["image", "label"], reader=["PydicomReader", "NibabelReader"]),
        EnsureChannelFirstd(["image", "label"]),
        LabelOnGridd("label"),
    ]
    return Compose(chain)({"image": str(folder / "series"), "label": str(folder / "label.nii.gz")})


@pytest.mark.parametrize("step_mm", STEPS)
def test_nih_label_belongs_to_column_row_and_instance_whatever_its_header_says(step_mm: float, tmp_path: Path) -> None:
    hounsfield = volume()
    write_series(tmp_path / "series", hounsfield, step_mm)
    write_label(tmp_path / "label.nii.gz", hounsfield > 50, nih_affine())
    found = loaded(tmp_path)
    assert np.array_equal(found["image"][0], hounsfield)
    assert np.array_equal(found["label"][0] > 0, hounsfield > 50)
    assert torch.allclose(found["label"].affine, torch.as_tensor(true_affine(step_mm)), atol=1e-5)
    turned = Orientationd(["image", "label"], axcodes="LAS", labels=None)(found)
    assert np.array_equal(turned["label"] > 0, turned["image"] > 50)


def test_brought_to_one_world_by_its_header_that_label_would_be_upside_down(tmp_path: Path) -> None:
    hounsfield = volume()
    write_series(tmp_path / "series", hounsfield)
    write_label(tmp_path / "label.nii.gz", hounsfield > 50, nih_affine())
    load = Compose(
        [
            LoadImaged(["image", "label"], reader=["PydicomReader", "NibabelReader"]),
            EnsureChannelFirstd(["image", "label"]),
            Orientationd(["image", "label"], axcodes="LAS", labels=None),
        ]
    )
    found = load({"image": str(tmp_path / "series"), "label": str(tmp_path / "label.nii.gz")})
    assert not np.array_equal(found["label"] > 0, found["image"] > 50)
    assert np.array_equal(found["label"].flip(2) > 0, found["image"] > 50)


@pytest.mark.parametrize("step_mm", STEPS)
def test_a_right_header_is_believed(step_mm: float, tmp_path: Path) -> None:
    """The same label with its rows and slices stored the other way and two axes swapped, and a header that says so."""
    hounsfield = volume()
    write_series(tmp_path / "series", hounsfield, step_mm)
    affine = true_affine(step_mm)
    flip = np.diag([1.0, -1, -1, 1])
    flip[:3, 3] = 0, hounsfield.shape[1] - 1, hounsfield.shape[2] - 1
    swap = np.eye(4)[[1, 0, 2, 3]]
    stored = (hounsfield > 50)[:, ::-1, ::-1].transpose(1, 0, 2)
    write_label(tmp_path / "label.nii.gz", stored, affine @ flip @ swap)
    found = loaded(tmp_path)
    assert np.array_equal(found["label"][0] > 0, hounsfield > 50)


def test_equal_grids_stay_as_they_are_and_other_sizes_are_refused() -> None:
    image, label = MetaTensor(torch.zeros(1, 2, 3, 4)), MetaTensor(torch.ones(1, 2, 3, 4))
    assert LabelOnGridd("label")({"image": image, "label": label})["label"] is label
    with pytest.raises(ValueError, match=r"`label` must have the size of its image, \(2, 3, 4\), got \(2, 3, 5\)"):
        LabelOnGridd("label")({"image": image, "label": MetaTensor(torch.ones(1, 2, 3, 5))})
