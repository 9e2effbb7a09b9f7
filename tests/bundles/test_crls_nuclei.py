"""What is special to the nuclei one by one: boxes, scores and outlines out; classes; PASCAL VOC, COCO, real nuclei."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import CASES
from commands import bundle_run, measured
from monai.bundle import ConfigParser
from PIL import Image

from monai_lsext.apps.predict import predict
from monai_lsext.data.phantoms import nuclei_phantom, write_shapes_phantoms
from monai_lsext.inferers import InstanceInferer
from monai_lsext.metrics import InstanceAveragePrecision

NUCLEI = CASES["crls_nuclei"]
DATA = Path(os.environ.get("LSEXT_DATA", "/nowhere")).absolute()
Run = Callable[..., subprocess.CompletedProcess[str]]


def pooled(output: Path) -> dict[str, float]:
    """The figures of a whole evaluation, by their names."""
    with open(output / "evaluation" / "metrics.csv", newline="") as stream:
        return {name: float(value) for name, value in csv.reader(stream) if "mAP@" in name}


def test_both_commands_write_the_same_objects(tmp_path: Path, run: Run) -> None:
    Image.fromarray(nuclei_phantom(0, (96, 160)).image).save(tmp_path / "tissue.png")
    options = {"dataset_dir": tmp_path / "tissue.png", "output_dir": tmp_path / "inference"}
    run(bundle_run(NUCLEI.folder, "inference.yaml", **options))
    assert predict(str(NUCLEI.folder), str(tmp_path / "tissue.png"), str(tmp_path / "predict")) == 0
    for name in ("tissue_instances.png", "tissue_seg.png"):
        maps = [np.asarray(Image.open(tmp_path / folder / name)).astype(int) for folder in ("inference", "predict")]
        np.testing.assert_array_equal(*maps)
    files = [(tmp_path / folder / "tissue_contours.geojson").read_text() for folder in ("inference", "predict")]
    assert files[0] == files[1]
    instances = np.asarray(Image.open(tmp_path / "predict" / "tissue_instances.png")).astype(int)
    features = json.loads(files[0])["features"]
    assert [feature["id"] for feature in features] == list(range(1, instances.max() + 1))
    scores = [feature["properties"]["score"] for feature in features]
    assert scores == sorted(scores, reverse=True)
    assert 0.5 <= min(scores) <= max(scores) <= 1
    for feature in features:
        rows, columns = np.nonzero(instances == feature["id"])
        box = [columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5]
        assert feature["bbox"] == box
        assert feature["properties"]["area_px"] == len(rows)


def test_a_grey_picture_is_one_of_three_equal_channels(tmp_path: Path) -> None:
    grey = Image.fromarray(nuclei_phantom(1, (64, 96)).image).convert("L")
    grey.save(tmp_path / "grey.png")
    grey.convert("RGB").save(tmp_path / "colour.png")
    assert predict(str(NUCLEI.folder), str(tmp_path), str(tmp_path / "out")) == 0
    maps = [np.asarray(Image.open(tmp_path / "out" / f"{name}_instances.png")) for name in ("grey", "colour")]
    np.testing.assert_array_equal(*maps)


def test_shipped_weights_find_the_nuclei_of_phantoms() -> None:
    """They were trained on real pictures alone, so that few are found whole; untrained weights find none."""
    parser = ConfigParser()
    parser.read_config(str(NUCLEI.folder / "configs" / "inference.yaml"))
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(NUCLEI.folder / "models" / "model.pt", weights_only=True))
    scale = parser.get_parsed_content("preprocessing").transforms[-1]
    metric = InstanceAveragePrecision(1)
    for seed in range(900, 906):
        phantom = nuclei_phantom(seed)
        image = scale({"image": torch.from_numpy(phantom.image).permute(2, 0, 1).float()})["image"]
        ids = torch.from_numpy(phantom.instances.astype("float32"))
        metric(InstanceInferer()(image[None], network.eval()), torch.stack([ids, (ids > 0).float()])[None])
    assert metric.aggregate()["mAP@0.5"] >= 0.3


@pytest.mark.slow
def test_touching_objects_of_two_classes(tmp_path: Path, run: Run) -> None:
    """PASCAL VOC's layout, end to end: 60 phantoms learned, 40 others found."""
    data = write_shapes_phantoms(tmp_path / "data", num=100, num_test=40)
    options = {
        "dataset_dir": data,
        "output_dir": tmp_path,
        "ckpt_dir": tmp_path,
        "num_classes": 2,
        "window": "[96,96]",
        "crops": 1,
        "batch_size": 4,
        "network_def#anchor_sizes": "[12,20,32]",
        "network_def#num_proposals": 100,
    }
    training = {"train#trainer#max_epochs": 60, "val_interval": 10}
    run(bundle_run(NUCLEI.folder, "train.yaml", "variants/voc.yaml", **options, **training), timeout=3000)
    run(bundle_run(NUCLEI.folder, "train.yaml", "variants/voc.yaml", "evaluate.yaml", **options))
    assert len(measured(tmp_path, "val_map")) == 40
    assert pooled(tmp_path)["mAP@0.5"] >= 0.70


@pytest.mark.real_data
@pytest.mark.skipif(not (DATA / "coco_subset").is_dir(), reason="LSEXT_DATA does not name a folder with coco_subset")
def test_coco_trains_and_is_measured(tmp_path: Path, run: Run) -> None:
    """Uncompressed runs; two of the pictures' classes suffice for the layout."""
    options = {
        "dataset_dir": DATA / "coco_subset",
        "output_dir": tmp_path,
        "ckpt_dir": tmp_path,
        "window": "[128,128]",
        "network_def#num_proposals": 50,
    }
    training = {"train#trainer#max_epochs": 1, "val_interval": 1}
    run(bundle_run(NUCLEI.folder, "train.yaml", "variants/coco.yaml", **options, **training))
    run(bundle_run(NUCLEI.folder, "train.yaml", "variants/coco.yaml", "evaluate.yaml", **options))
    assert len(measured(tmp_path, "val_map")) == 8


@pytest.mark.real_data
@pytest.mark.skipif(not (DATA / "dsb2018").is_dir(), reason="LSEXT_DATA does not name a folder with dsb2018")
def test_shipped_weights_on_real_fluorescence(tmp_path: Path, run: Run) -> None:
    options = {"dataset_dir": DATA / "dsb2018", "output_dir": tmp_path}
    command = bundle_run(NUCLEI.folder, "train.yaml", "evaluate.yaml", **options, kinds="['fluorescence']")
    run(command, timeout=900)
    assert pooled(tmp_path)["mAP@0.5"] >= 0.60
