"""The shipped weights on the 2018 atrial challenge (folder named by LSEXT_DATA): the docs' figures do not decay."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cases import CASES
from commands import bundle_run, measured

DATA = Path(os.environ.get("LSEXT_DATA", "/nowhere")).absolute() / "left_atrium_2018"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="LSEXT_DATA does not name a folder with left_atrium_2018"),
]
BUNDLE = CASES["racenet_left_atrium"].folder
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_dice_and_surface_distance_on_the_test_volumes(tmp_path: Path, run: Run) -> None:
    run(bundle_run(BUNDLE, "train.yaml", "evaluate.yaml", dataset_dir=DATA, output_dir=tmp_path))
    dice, s2s_mm = measured(tmp_path, "dice"), measured(tmp_path, "s2s_mm")
    assert len(dice) == len(s2s_mm) == 2
    assert np.mean(dice) >= 0.81
    assert np.mean(s2s_mm) <= 2.1
