"""Nuclei from training to figures: on phantoms (slow), and the shipped weights on real sections (LSEXT_DATA)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cases import CASES
from commands import bundle_run, measured

from monai_lsext.data.phantoms import write_nuclei_phantoms

BUNDLE = CASES["racenet_nuclei"].folder
DATA = Path(os.environ.get("LSEXT_DATA", "/nowhere")).absolute()
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.slow
def test_trained_on_phantoms_it_finds_the_nuclei_of_others(tmp_path: Path, run: Run) -> None:
    data = write_nuclei_phantoms(tmp_path / "data", num=60, seed=1, num_test=40)
    folders = {"dataset_dir": data, "output_dir": tmp_path, "ckpt_dir": tmp_path / "models"}
    run(bundle_run(BUNDLE, "train.yaml", **folders, **{"train#trainer#max_epochs": 40}), timeout=1800)
    run(bundle_run(BUNDLE, "train.yaml", "evaluate.yaml", **folders))
    f1 = measured(tmp_path, "f1")
    assert len(f1) == 40
    assert np.mean(f1) >= 0.90


@pytest.mark.real_data
@pytest.mark.skipif(not (DATA / "dsb2018").is_dir(), reason="LSEXT_DATA does not name a folder with dsb2018")
@pytest.mark.parametrize(
    ("name", "part", "number", "least"), [("dsb2018", "test", 8, 0.86), ("cpm15", "every", 6, 0.62)]
)
def test_f1_on_real_sections(name: str, part: str, number: int, least: float, tmp_path: Path, run: Run) -> None:
    run(bundle_run(BUNDLE, "train.yaml", "evaluate.yaml", dataset_dir=DATA / name, part=part, output_dir=tmp_path))
    f1 = measured(tmp_path, "f1")
    assert len(f1) == number
    assert np.mean(f1) >= least
