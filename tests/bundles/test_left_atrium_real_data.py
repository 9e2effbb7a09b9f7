"""The shipped weights on the 2018 atrial challenge (folder named by LSEXT_DATA): the docs' figures do not decay."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cases import CASES

DATA = Path(os.environ.get("LSEXT_DATA", "/nowhere")).absolute() / "left_atrium_2018"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="LSEXT_DATA does not name a folder with left_atrium_2018"),
]
BUNDLE = CASES["racenet_left_atrium"].folder
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_dice_and_surface_distance_on_the_test_volumes(tmp_path: Path, run: Run) -> None:
    files = f"['{BUNDLE}/configs/train.yaml','{BUNDLE}/configs/evaluate.yaml']"
    options = {"config_file": files, "bundle_root": BUNDLE, "dataset_dir": DATA, "output_dir": tmp_path}
    flags = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    run([sys.executable, "-m", "monai.bundle", "run", *flags])
    assert mean_of(tmp_path / "evaluation" / "dice_raw.csv") >= 0.81
    assert mean_of(tmp_path / "evaluation" / "s2s_mm_raw.csv") <= 2.1


def mean_of(path: Path) -> float:
    with open(path, newline="") as stream:
        values = [float(row["class0"]) for row in csv.DictReader(stream)]
    assert len(values) == 2
    return float(np.mean(values))
