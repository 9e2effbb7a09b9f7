"""The shipped weights on DRISHTI-GS1 (folder named by LSEXT_DATA): the figures of the bundle's docs do not decay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cases import CASES
from commands import bundle_run, measured
from PIL import Image

DATA = Path(os.environ.get("LSEXT_DATA", "/nowhere")).absolute() / "drishti_gs1"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="LSEXT_DATA does not name a folder with drishti_gs1"),
]
BUNDLE = CASES["racenet_optic_disc_cup"].folder
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_dice_on_the_test_images(tmp_path: Path, run: Run) -> None:
    run(bundle_run(BUNDLE, "train.yaml", "evaluate.yaml", dataset_dir=DATA, output_dir=tmp_path))
    disc, cup = measured(tmp_path, "dice", "class0"), measured(tmp_path, "dice", "class1")
    assert len(disc) == len(cup) == 25
    assert np.mean(disc) >= 0.96
    assert np.mean(cup) >= 0.84


@pytest.mark.parametrize(
    ("part", "case", "mode"), [("full", "drishtiGS_035", "found"), ("roi", "drishtiGS_035", "whole")]
)
def test_photograph_and_crop_of_one_eye(part: str, case: str, mode: str, tmp_path: Path, run: Run) -> None:
    """035 is a Training image, the only one with its whole photograph."""
    image = DATA / part / "images" / f"{case}.png"
    run(
        [
            sys.executable,
            "-m",
            "monai_lsext",
            "predict",
            "--bundle",
            BUNDLE.name,
            "--input",
            image,
            "--output",
            tmp_path,
        ]
    )
    report = json.loads((tmp_path / f"{case}_report.json").read_text())
    assert report["roi"]["mode"] == mode
    mask = np.asarray(Image.open(tmp_path / f"{case}_seg.png")) > 0
    truth = np.asarray(Image.open(DATA / part / "labels" / f"{case}.png")) > 0
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.93
