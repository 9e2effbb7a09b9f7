"""What is special to RLS: an object of any polarity, windows of the paper's size, its loss, slices and colours."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from cases import CASES
from commands import bundle_run, measured
from monai.bundle import ConfigParser
from PIL import Image
from torch import Tensor

from monai_lsext.apps.predict import predict
from monai_lsext.data.datalists import single_object_datalist
from monai_lsext.data.phantoms import PHANTOM_TASKS, object_phantom, write_object_phantoms
from monai_lsext.networks.nets import RLS

BUNDLE = CASES["rls_object"].folder
DATA = Path(os.environ.get("LSEXT_DATA", "/nowhere")).absolute()
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def parser() -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(BUNDLE / "configs" / "train.yaml")
    parser["bundle_root"] = str(BUNDLE)
    return parser


@pytest.fixture(scope="module")
def network(parser: ConfigParser) -> RLS:
    """With the shipped weights, each of which has its place."""
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(BUNDLE / "models" / "model.pt", weights_only=True))
    return network.eval()


@pytest.fixture(scope="module")
def phantoms(parser: ConfigParser, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tensor, Tensor]:
    """Images and masks [24, 1, 64, 64] as validation prepares them."""
    folder = write_object_phantoms(tmp_path_factory.mktemp("objects") / "set", num=25, seed=7, num_test=24)
    prepare = parser.get_parsed_content("validate#preprocessing")
    items = [prepare(item) for item in single_object_datalist(folder, "test")]
    image, label = (torch.stack([item[key].as_tensor() for item in items]) for key in ("image", "label"))
    return image, label


@torch.no_grad()
def f_measure(network: RLS, image: Tensor, label: Tensor) -> Tensor:
    mask = network(image).argmax(1, keepdim=True)
    return 2 * (mask * label).sum((1, 2, 3)) / (mask.sum((1, 2, 3)) + label.sum((1, 2, 3)))


def test_f_measure_on_phantoms_of_the_shipped_weights(network: RLS, phantoms: tuple[Tensor, Tensor]) -> None:
    """They were trained on nuclei alone."""
    scores = f_measure(network, *phantoms)
    assert len(scores) == 24
    assert scores.mean() >= 0.90
    untrained = f_measure(RLS(form="conv").eval(), *phantoms)
    assert scores.mean() > untrained.mean() + 0.02


def test_bright_and_dark_objects_are_one(network: RLS, phantoms: tuple[Tensor, Tensor]) -> None:
    """The forces are squares of I - c1 and I - c2: the negative of a picture has the same logits."""
    image = phantoms[0][:4].double()
    exact = copy.deepcopy(network).double()
    with torch.no_grad():
        torch.testing.assert_close(exact(3 - image), exact(image), rtol=0, atol=1e-6)


def test_the_loss_is_the_cross_entropy_of_the_last_step(parser: ConfigParser) -> None:
    generator = torch.Generator().manual_seed(0)
    steps = [torch.randn(2, 2, 3, 4, generator=generator) for _ in range(3)]
    label = (torch.rand(2, 1, 3, 4, generator=generator) > 0.5).float()
    total = 0.0
    for item, row, column in np.ndindex(2, 3, 4):
        ground, object_ = steps[-1][item, :, row, column].exp().tolist()
        total -= np.log((object_ if label[item, 0, row, column] else ground) / (ground + object_))
    assert float(parser.get_parsed_content("loss")(steps, label)) == pytest.approx(total / 24, abs=1e-6)


def test_window_of_a_disc(parser: ConfigParser, tmp_path: Path) -> None:
    """A disc of radius 16 px becomes one of radius 16 * 64 / 66 in the middle of the window, to half a pixel."""
    rows, columns = np.ogrid[:120, :160]
    disc = np.hypot(rows - 50, columns - 90) <= 16
    for kind, pixels in (("images", disc * np.uint8(200)), ("labels", disc * np.uint16(300))):
        (tmp_path / kind).mkdir()
        Image.fromarray(pixels).save(tmp_path / kind / "a.png")
    item = {key: str(tmp_path / f"{key}s" / "a.png") for key in ("image", "label")}
    found = parser.get_parsed_content("validate#preprocessing")({**item, "object": 300})
    assert found["image"].shape == found["label"].shape == (1, 64, 64)
    points = found["label"].as_tensor()[0].nonzero().float()
    assert points.mean(0).tolist() == pytest.approx([31.5, 31.5], abs=0.5)
    assert (len(points) / np.pi) ** 0.5 == pytest.approx(16 * 64 / 66, abs=0.3)
    assert float(found["image"].mean()) == pytest.approx(0, abs=1e-4)
    assert float(found["image"].std()) == pytest.approx(1, abs=1e-2)


def test_slices_of_the_left_ventricle(parser: ConfigParser, network: RLS, tmp_path: Path) -> None:
    """Windows around the cavity, from volumes in ACDC's layout."""
    folder = PHANTOM_TASKS["left_ventricle"](tmp_path / "acdc", 6, 0)
    items = single_object_datalist(folder, "test")[:6]
    prepare = parser.get_parsed_content("validate#preprocessing")
    for item in items:
        found = prepare(dict(item))
        truth = np.asarray(nib.nifti1.load(item["label"]).dataobj)[..., item["slice"]] == 3
        sides = np.ptp(np.argwhere(truth), axis=0) + 1
        expected = truth.sum() * (64 / (2 * sides.max())) ** 2
        assert found["image"].shape == (1, 64, 64)
        assert float(found["label"].sum()) == pytest.approx(expected, rel=0.12)
        assert float(f_measure(network, found["image"][None], found["label"][None])) > 0.5


def test_predict_colour_and_refuse_a_volume(tmp_path: Path) -> None:
    phantom = object_phantom(2, (96, 128))
    colours = (phantom.image[..., None] * np.array([0.6, 0.9, 0.8])).astype(np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(colours).save(tmp_path / "in" / "cell.png")
    volume = np.random.default_rng(0).normal(size=(20, 24, 6)).astype(np.float32)
    nib.nifti1.Nifti1Image(volume, np.eye(4)).to_filename(tmp_path / "in" / "heart.nii.gz")
    nib.nifti1.Nifti1Image(phantom.image.T[..., None], np.eye(4)).to_filename(tmp_path / "in" / "slice.nii.gz")
    assert predict(str(BUNDLE), str(tmp_path / "in"), str(tmp_path / "out")) == 3
    mask = np.asarray(Image.open(tmp_path / "out" / "cell_seg.png"))
    assert mask.shape == (96, 128)
    assert 2 * (mask * phantom.mask).sum() / (mask.sum() + phantom.mask.sum()) >= 0.93
    volume_mask = np.asarray(nib.nifti1.load(tmp_path / "out" / "slice_seg.nii.gz").dataobj)
    assert volume_mask.shape == (128, 96, 1)
    assert (mask == volume_mask[..., 0].T).mean() > 0.99
    report = json.loads((tmp_path / "out" / "cell_report.json").read_text())
    assert report["notes"] == ["colour picture read as its luminance"]
    assert (tmp_path / "out" / "cell_overlay.png").is_file()
    skipped = json.loads((tmp_path / "out" / "run_report.json").read_text())["skipped"]
    assert [case["case"] for case in skipped] == ["heart"]
    assert "image must have 2 spatial axes and channels first" in skipped[0]["reason"]


@pytest.mark.slow
def test_trained_on_phantoms_it_finds_the_objects_of_others(tmp_path: Path, run: Run) -> None:
    data = write_object_phantoms(tmp_path / "data", num=100, seed=1, num_test=40)
    folders: dict[str, Any] = {"dataset_dir": data, "output_dir": tmp_path, "ckpt_dir": tmp_path / "models"}
    run(bundle_run(BUNDLE, "train.yaml", **folders, **{"train#trainer#max_epochs": 60}), timeout=1800)
    run(bundle_run(BUNDLE, "train.yaml", "evaluate.yaml", **folders))
    scores = measured(tmp_path, "f_measure")
    assert len(scores) == 40
    assert np.mean(scores) >= 0.93


@pytest.mark.real_data
@pytest.mark.skipif(not (DATA / "dsb2018").is_dir(), reason="LSEXT_DATA does not name a folder with dsb2018")
def test_f_measure_on_real_nuclei(tmp_path: Path, run: Run) -> None:
    options = {"dataset_dir": DATA / "dsb2018", "output_dir": tmp_path}
    run(bundle_run(BUNDLE, "train.yaml", "evaluate.yaml", **options))
    scores = measured(tmp_path, "f_measure")
    assert len(scores) == 72
    assert np.mean(scores) >= 0.91
