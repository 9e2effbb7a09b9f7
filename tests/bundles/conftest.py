"""A few phantoms in the data set's layout, and a way to run a bundle's commands as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_lsext.data.phantoms import PHANTOM_TASKS

BUNDLE = Path(__file__).parents[2] / "bundles" / "racenet_optic_disc_cup"


@pytest.fixture(scope="session")
def bundle() -> Path:
    return BUNDLE


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    PHANTOM_TASKS["optic_disc_cup"](folder, 12, 0)
    return folder


@pytest.fixture
def bundle_command(tmp_path: Path) -> Callable[..., list[str]]:
    """Command line of `monai.bundle run` on the shipped bundle: tiny images, few epochs, outputs in tmp_path."""

    def command(*configs: str, launcher: tuple[str, ...] = (sys.executable,), **overrides: object) -> list[str]:
        files = "[" + ",".join(f"'{BUNDLE / 'configs' / name}'" for name in configs) + "]"
        options = {
            "bundle_root": BUNDLE,
            "output_dir": tmp_path / "output",
            "ckpt_dir": tmp_path / "models",
            "image_size": "[32,32]",
            **overrides,
        }
        flags = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        return [*launcher, "-m", "monai.bundle", "run", "--config_file", files, *flags]

    return command


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command from a foreign working directory, one thread."""

    def start(command: list[str], check: bool = True) -> subprocess.CompletedProcess[str]:
        foreign = tmp_path / "foreign"
        foreign.mkdir(exist_ok=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=foreign, env=environment, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
        return done

    return start
