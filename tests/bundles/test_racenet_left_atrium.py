"""What is special to the left atrium: the mask returns to the grid of the file, however that is stored; phantoms."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from cases import CASES
from commands import bundle_run, measured
from monai.bundle import ConfigParser
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from monai_lsext.data.phantoms import atrium_phantom, write_atrium_phantoms
from monai_lsext.networks.nets import RACENet

ATRIUM = CASES["racenet_left_atrium"]
Run = Callable[..., subprocess.CompletedProcess[str]]


def anisotropic_volume(affine: np.ndarray) -> nib.nifti1.Nifti1Image:
    """A phantom of 1.25 x 1.25 x 2.5 mm, placed by a rotation and a shift."""
    image = atrium_phantom(7).image[:, :-3, ::2]
    volume = nib.nifti1.Nifti1Image(image, affine @ np.diag([1.25, 1.25, 2.5, 1]))
    volume.header.set_xyzt_units("mm")
    return volume


def stored(volume: nib.nifti1.Nifti1Image, codes: str) -> nib.nifti1.Nifti1Image:
    """The same volume in another order and direction of axes; the affine says so."""
    return volume.as_reoriented(ornt_transform(io_orientation(volume.affine), axcodes2ornt(tuple(codes))))


def oblique(degrees: float = 25.0) -> np.ndarray:
    """A rotation about two axes, and a shift."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    about_z = np.array([[c, -s, 0, 11], [s, c, 0, -7], [0, 0, 1, 3], [0, 0, 0, 1]])
    about_x = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])
    return about_z @ about_x


def segment(folder: Path, output: Path, **options: object) -> None:
    """Run inference.yaml in this process."""
    parser = ConfigParser()
    parser.read_config(ATRIUM.folder / "configs" / "inference.yaml")
    paths = {"bundle_root": str(ATRIUM.folder), "dataset_dir": str(folder), "output_dir": str(output)}
    for name, value in {**paths, **options}.items():
        parser[name] = value
    torch.manual_seed(0)
    network = parser.get_parsed_content("network_def")
    if isinstance(network, RACENet) and not options.get("handlers", True):
        with torch.no_grad():  # random velocities that count, and a shrinking surface: it depends on every voxel
            network.update.weight[0, 1] = 1.0
            network.update.bias.fill_(-0.05)
    parser.get_parsed_content("evaluator").run()


# the image itself for a level set: whatever the weights are, a mask that fills much of the region
BRIGHT = {"network_def": {"_target_": "torch.nn.Identity"}, "handlers": []}
RANDOM: dict[str, object] = {"handlers": []}  # weights that were not trained


@pytest.mark.parametrize("place", [np.eye(4), oblique()], ids=["straight", "oblique"])
@pytest.mark.parametrize("options", [BRIGHT, RANDOM], ids=["bright", "racenet"])
def test_mask_does_not_depend_on_how_the_volume_is_stored(place: np.ndarray, options: dict, tmp_path: Path) -> None:
    volume = anisotropic_volume(place)
    (tmp_path / "images").mkdir()
    all_codes = ("RAS", "LPS", "SRA", "PIL")
    for codes in all_codes:
        nib.nifti1.save(stored(volume, codes), tmp_path / "images" / f"{codes}.nii.gz")
    segment(tmp_path / "images", tmp_path / "output", **options)
    masks = {}
    for codes in all_codes:
        mask = nib.nifti1.load(tmp_path / "output" / f"{codes}_seg.nii.gz")
        file = nib.nifti1.load(tmp_path / "images" / f"{codes}.nii.gz")
        assert mask.shape == file.shape
        assert np.allclose(mask.affine, file.affine, atol=1e-4)
        back = stored(mask, "RAS")
        assert np.allclose(back.affine, volume.affine, atol=1e-4)  # the same places in the world
        masks[codes] = np.asarray(back.dataobj) > 0
    assert 1000 < masks["RAS"].sum() < 0.95 * masks["RAS"].size
    for codes, mask in masks.items():
        # resampling rounds differently from the other end of an axis
        assert (mask != masks["RAS"]).sum() <= 1e-3 * masks["RAS"].sum(), codes


def test_bright_mask_is_where_the_volume_is_bright(tmp_path: Path) -> None:
    """Without the network the result is the volume above its mean in the region, in its own place."""
    volume = anisotropic_volume(oblique())
    nib.nifti1.save(stored(volume, "LPS"), tmp_path / "volume.nii.gz")
    segment(tmp_path / "volume.nii.gz", tmp_path / "output", **BRIGHT)
    mask = stored(nib.nifti1.load(tmp_path / "output" / "volume_seg.nii.gz"), "RAS")
    image = np.asarray(volume.dataobj)
    inside = np.asarray(mask.dataobj) > 0
    assert image[inside].mean() > image[~inside].mean() + 25
    assert inside.sum() > 0.1 * inside.size


def test_identical_shifts_give_the_mask_of_the_volume_alone(tmp_path: Path) -> None:
    nib.nifti1.save(anisotropic_volume(np.eye(4)), tmp_path / "volume.nii.gz")
    masks = []
    for copies in (1, 4):
        output = tmp_path / str(copies)
        segment(tmp_path / "volume.nii.gz", output, shifts_px=[[0, 0, 0]] * copies, **BRIGHT)
        masks.append(np.asarray(nib.nifti1.load(output / "volume_seg.nii.gz").dataobj))
    assert masks[0].any()
    assert np.array_equal(*masks)


@pytest.mark.slow
def test_ten_unseen_phantoms(tmp_path: Path) -> None:
    """Trained on 16 phantoms (2.5 mm, about five minutes of one core), the mean Dice of 10 others is at least 0.90."""
    data = write_atrium_phantoms(tmp_path / "data", 30, seed=11)
    options = {
        "dataset_dir": data,
        "output_dir": tmp_path / "output",
        "ckpt_dir": tmp_path / "models",
        "spacing_mm": "[2.5,2.5,2.5]",
        "roi_size": "[44,36,24]",
        "train#trainer#max_epochs": 20,
        "val_interval": 5,
    }
    for configs in (("train.yaml",), ("train.yaml", "evaluate.yaml")):
        subprocess.run(bundle_run(ATRIUM.folder, *configs, **options), cwd=tmp_path, check=True)
    dice = measured(tmp_path / "output", "dice")
    assert len(dice) == 10
    assert sum(dice) / len(dice) >= 0.90


def test_predict_reports_the_volume_of_its_mask(tmp_path: Path, run: Run) -> None:
    nib.nifti1.save(anisotropic_volume(np.eye(4)), tmp_path / "volume.nii.gz")
    arguments = ["--bundle", ATRIUM.name, "--input", str(tmp_path / "volume.nii.gz"), "--output", str(tmp_path / "out")]
    run([sys.executable, "-m", "monai_lsext", "predict", *arguments])
    report = json.loads((tmp_path / "out" / "volume_report.json").read_text())
    mask = np.asarray(nib.nifti1.load(tmp_path / "out" / "volume_seg.nii.gz").dataobj)
    assert report["measurements"]["left_atrium_volume_ml"] == pytest.approx(
        mask.sum() * 1.25 * 1.25 * 2.5 / 1000, abs=1e-3
    )
