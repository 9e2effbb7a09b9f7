"""What is special to the bundle: volumes without a ventricle, clicks, the network F beside the weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from cases import CASES, Case

from monai_lsext.apps.predict import predict
from monai_lsext.data.phantoms import short_axis_phantom

NAME = "edpcnn_left_ventricle"


def write(path: Path, voxels: np.ndarray, affine: np.ndarray | None = None) -> Path:
    volume = nib.nifti1.Nifti1Image(voxels.astype(np.float32), np.diag([1.5, 1.5, 8, 1]) if affine is None else affine)
    volume.header.set_xyzt_units("mm")
    volume.to_filename(path)
    return path


def seg(folder: Path, case: str) -> np.ndarray:
    return np.asarray(nib.nifti1.load(folder / f"{case}_seg.nii.gz").dataobj)


def test_a_volume_without_a_ventricle_comes_out_empty_and_says_so(tmp_path: Path) -> None:
    image = write(tmp_path / "nothing.nii.gz", np.full((200, 200, 3), 7.0))
    assert predict(NAME, str(image), str(tmp_path / "out")) == 0
    assert not seg(tmp_path / "out", "nothing").any()
    report = json.loads((tmp_path / "out" / "nothing_report.json").read_text())
    assert "no left ventricle was found" in report["warnings"]


def test_a_click_gives_every_slice_a_contour_around_it(tmp_path: Path) -> None:
    frame = short_axis_phantom(3)
    image = write(tmp_path / "heart.nii.gz", frame.ed.image, frame.affine)
    x, y = (round(value) for value in np.argwhere(frame.ed.label == 3).mean(0)[:2])
    assert predict(NAME, str(image), str(tmp_path / "out"), centre=(x, y)) == 0
    mask = seg(tmp_path / "out", "heart")
    assert mask.shape == frame.ed.image.shape
    assert mask.any(axis=(0, 1)).all()
    assert mask[x, y].all()


def test_a_click_beside_the_image_skips_the_case_with_a_sentence(tmp_path: Path) -> None:
    image = write(tmp_path / "heart.nii.gz", np.random.default_rng(0).normal(size=(40, 40, 2)))
    assert predict(NAME, str(image), str(tmp_path / "out"), centre=(39, 50)) == 3
    skipped = json.loads((tmp_path / "out" / "run_report.json").read_text())["skipped"]
    assert "must lie in the image" in skipped[0]["reason"]


@pytest.fixture
def case() -> Case:
    return CASES[NAME]


def test_synthetic_gradients_leave_f_beside_the_weights(
    phantoms: Path, tmp_path: Path, bundle_command: Callable[..., list[str]], run: Callable
) -> None:
    short = {"train#trainer#max_epochs": 1, "val_interval": 1}
    run(bundle_command("train.yaml", "variants/synthetic.yaml", dataset_dir=phantoms, **short))
    weights = torch.load(tmp_path / "models" / "synthetic_network.pt", weights_only=True)
    counted = {name: tensor for name, tensor in weights.items() if "running" not in name and "num_b" not in name}
    assert sum(tensor.numel() for tensor in counted.values()) == 153_753
