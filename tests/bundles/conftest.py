"""Every bundle of ``cases.py`` with a few phantoms, and a way to run its commands as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cases import CASES, Case
from commands import bundle_run

from monai_lsext.data.phantoms import PHANTOM_TASKS


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Case:
    """Each bundle in turn."""
    return request.param


@pytest.fixture(scope="session")
def phantoms_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    """Folder of a bundle's phantoms, drawn once."""
    folders: dict[str, Path] = {}

    def draw(case: Case) -> Path:
        if case.name not in folders:
            folders[case.name] = tmp_path_factory.mktemp("data") / "phantoms"
            PHANTOM_TASKS[case.task](folders[case.name], case.num, 0)
        return folders[case.name]

    return draw


@pytest.fixture
def phantoms(case: Case, phantoms_of: Callable[[Case], Path]) -> Path:
    return phantoms_of(case)


@pytest.fixture
def bundle_command(case: Case, tmp_path: Path) -> Callable[..., list[str]]:
    """Command line of `monai.bundle run` on the shipped bundle: outputs in tmp_path, tiny unless told otherwise."""

    def command(
        *configs: str, launcher: tuple[str, ...] = (sys.executable,), tiny: bool = True, **overrides: object
    ) -> list[str]:
        sizes = case.tiny_inference if configs == ("inference.yaml",) else case.tiny
        options: dict[str, object] = {"output_dir": tmp_path / "output"}
        if configs != ("inference.yaml",):
            options["ckpt_dir"] = tmp_path / "models"
        options |= {**(sizes if tiny else {}), **overrides}
        return bundle_run(case.folder, *configs, launcher=launcher, **options)

    return command


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command from a foreign working directory, one thread."""

    def start(command: list[str], check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        foreign = tmp_path / "foreign"
        foreign.mkdir(exist_ok=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=foreign, env=environment, capture_output=True, text=True, timeout=timeout)
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
        return done

    return start
