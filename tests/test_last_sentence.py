"""What a failed `monai.bundle run` ends with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monai_lsext.data.checked_dataset import root_cause

BUNDLE = Path(__file__).resolve().parents[1] / "bundles" / "edpcnn_left_ventricle"


def wrapped(*texts: str) -> BaseException:
    """Exceptions of which each was raised from the next."""
    error: BaseException | None = None
    for text in reversed(texts):
        outer = RuntimeError(text)
        outer.__cause__ = error
        error = outer
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("Failed to evaluate x", "Failed to instantiate y", "applying transform z", "too small"), "too small"),
        (("too small", "beneath"), "too small"),
        (("Failed to evaluate x",), "Failed to evaluate x"),
    ],
)
def test_monais_wrappers_are_taken_off(texts: tuple[str, ...], expected: str) -> None:
    assert str(root_cause(wrapped(*texts))) == expected


def test_a_failed_bundle_run_ends_with_what_went_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(BUNDLE / "configs" / "train.yaml")]
    command += ["--bundle_root", str(BUNDLE), "--output_dir", str(tmp_path), "--ckpt_dir", str(tmp_path)]
    done = subprocess.run([*command, "--dataset_dir", str(tmp_path / "none")], capture_output=True, text=True)
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert "Traceback (most recent call last):" in lines
    assert lines[-1] == f"FileNotFoundError: `dataset_dir` must be an existing folder, got {tmp_path / 'none'}"


def test_other_programs_keep_their_own_hook() -> None:
    code = "import sys; import monai_lsext; print(sys.excepthook is sys.__excepthook__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
