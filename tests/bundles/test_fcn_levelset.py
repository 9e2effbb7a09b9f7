"""What is special to the FCN-levelset bundles: stages, images without labels, the level set switched off."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from cases import CASES, Case
from commands import bundle_run
from PIL import Image

from monai_lsext.apps.predict import predict
from monai_lsext.data.phantoms import write_liver_phantoms

LIVER = CASES["fcn_levelset_liver"]
SHORT: dict[str, object] = {"epochs": 1, "val_interval": 1}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_liver_phantoms(tmp_path_factory.mktemp("liver") / "data", LIVER.num)


def own_folder(phantoms: Path, folder: Path, labels: int) -> Path:
    """``images`` of all phantoms, ``labels`` of the first of them."""
    for kind, number in (("images", LIVER.num), ("labels", labels)):
        (folder / kind).mkdir(parents=True)
        for path in sorted((phantoms / kind).iterdir())[:number]:
            shutil.copy(path, folder / kind)
    return folder


def train(configs: tuple[str, ...], folder: Path, data: Path, **options: object) -> list[str]:
    tiny = {key: value for key, value in LIVER.tiny.items() if key not in ("labelled_share", "warm_up_epochs")}
    places = {"dataset_dir": data, "output_dir": folder / "output", "ckpt_dir": folder / "models"}
    return bundle_run(LIVER.folder, "train.yaml", *configs, **{**places, **tiny, **SHORT, **options})


@pytest.mark.slow
def test_own_images_without_labels_take_part(phantoms: Path, tmp_path: Path, run: Callable[..., object]) -> None:
    """Every image is learned from; a folder with one label alone has too few for the parts, and says so."""
    data = own_folder(phantoms, tmp_path / "data", labels=10)
    options = {"warm_up_epochs": 0, "train#trainer#epoch_length": 1, "batch_size": 64}
    done = run(train((), tmp_path, data, **options, **{"train#dataloader#shuffle": False}))
    assert done.returncode == 0
    assert (tmp_path / "models" / "model.pt").is_file()
    poor = own_folder(phantoms, tmp_path / "poor", labels=1)
    failed = run(train((), tmp_path / "second", poor, warm_up_epochs=0), check=False)
    assert failed.returncode != 0
    assert "too few images to hold back" in failed.stderr + failed.stdout


@pytest.mark.slow
def test_stages_follow_each_other(phantoms: Path, tmp_path: Path, run: Callable[..., object]) -> None:
    """Joint training starts from the pre-trained weights: with a learning rate of 0 it ends with them."""
    first = tmp_path / "first"
    run(train(("variants/i_pretrained.yaml",), first, phantoms, labelled_share=0.5))
    weights = first / "models" / "model.pt"
    still = {"labelled_share": 0.5, "stage_weights": weights, "learning_rate": 0.0}
    run(train(("variants/iii_joint.yaml",), tmp_path / "second", phantoms, **still))
    before, after = (torch.load(path, weights_only=True) for path in (weights, tmp_path / "second/models/model.pt"))
    assert all(torch.equal(before[key], after[key]) for key in before)

    still["stage_weights"] = tmp_path / "none.pt"
    failed = run(train(("variants/iii_joint.yaml",), tmp_path / "third", phantoms, **still), check=False)
    assert failed.returncode != 0
    assert "`stage_weights` must name the model.pt of the stage before" in failed.stderr + failed.stdout


@pytest.mark.slow
@pytest.mark.parametrize("case", [LIVER, CASES["fcn_levelset_left_ventricle"]], ids=lambda case: case.name)
def test_level_set_can_be_switched_off(
    case: Case, phantoms_of: Callable[[Case], Path], tmp_path: Path, run: Callable[..., object]
) -> None:
    """With it masks differ at their rims alone."""
    image = sorted(phantoms_of(case).glob(case.images))[0]
    masks = []
    for refine in (True, False):
        folder = tmp_path / str(refine)
        options = {"dataset_dir": image, "output_dir": folder, "refine": refine}
        run(bundle_run(case.folder, "inference.yaml", **options))
        masks.append(np.asarray(nib.nifti1.load(next(folder.glob("*_seg.nii.gz"))).dataobj))
    a, b = (mask > 0 for mask in masks)
    assert (a != b).any()
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.7


def test_the_liver_of_unseen_phantoms(phantoms: Path, tmp_path: Path) -> None:
    """The shipped weights know real slices alone; phantoms are not like them, but the liver is found."""
    predict(LIVER.name, str(phantoms / "images"), tmp_path)
    scores = []
    for path in sorted((phantoms / "labels").iterdir()):
        truth, mask = (np.asarray(Image.open(p)) > 0 for p in (path, tmp_path / f"{path.stem}_seg.png"))
        scores.append(2 * (truth & mask).sum() / (truth.sum() + mask.sum()))
    assert np.mean(scores) > 0.5
