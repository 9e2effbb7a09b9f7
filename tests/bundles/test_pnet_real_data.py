"""Real CT through the pancreas bundle (folder named by LSEXT_DATA): volumes and single slices, as plumbing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cases import CASES
from commands import bundle_run, measured

from monai_lsext.data.datalists import pancreas_datalist

DATA = Path(os.environ.get("LSEXT_DATA", "/nowhere")).absolute()
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="LSEXT_DATA does not name a folder"),
]
BUNDLE = CASES["pnet_birnn_pancreas"].folder
TINY = {
    "image_size": 64,
    "network_def#pnet#channels": 4,
    "train#trainer#epoch_length": 2,
    "train#trainer#max_epochs": 1,
    "val_interval": 1,
}
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_masks_of_real_volumes_lie_on_their_grid(tmp_path: Path, run: Run) -> None:
    for name in ("example_ct_sm", "example_mr_sm"):
        path = DATA / "totalseg_example" / f"{name}.nii.gz"
        run(bundle_run(BUNDLE, "inference.yaml", dataset_dir=path, output_dir=tmp_path, image_size=64))
        mask, image = (nib.nifti1.load(p) for p in (tmp_path / f"{name}_seg.nii.gz", path))
        assert mask.shape == image.shape
        assert np.allclose(mask.affine, image.affine, atol=1e-4)


def test_slices_of_46_patients_are_cut_into_four_folds(tmp_path: Path, run: Run) -> None:
    data = DATA / "nih_pancreas_2d"
    tested = [pancreas_datalist(data, "test", test_fold=fold) for fold in range(4)]
    assert sum(len(part) for part in tested) == 186
    assert sum(len({item["patient"] for item in part}) for part in tested) == 46
    options = {**TINY, "dataset_dir": data, "output_dir": tmp_path, "ckpt_dir": tmp_path, "test_fold": 2}
    run(bundle_run(BUNDLE, "train.yaml", **options, windows_per_volume=1, batch_size=8))
    run(bundle_run(BUNDLE, "train.yaml", "evaluate.yaml", **options))
    assert len(measured(tmp_path, "val_mean_dice")) == len(tested[2])


def test_hippocampus_is_any_organ(tmp_path: Path, run: Run) -> None:
    configs = ("train.yaml", "variants/any_organ.yaml")
    folders = {"dataset_dir": DATA / "msd_hippocampus", "output_dir": tmp_path, "ckpt_dir": tmp_path}
    options = {**TINY, **folders, "label_values": "[1,2]"}
    run(bundle_run(BUNDLE, *configs, **options))
    run(bundle_run(BUNDLE, *configs, "evaluate.yaml", **options))
    assert len(measured(tmp_path, "avd_mm")) == 20
