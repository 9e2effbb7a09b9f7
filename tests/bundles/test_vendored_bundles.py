"""A vendored bundle does without monai_lsext what the bundle does with it: every command, on phantoms."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import CASES, Case
from monai.transforms import LoadImage

from monai_lsext.bundle.checks.metadata import SCHEMA_FILE
from monai_lsext.bundle.vendor import vendor

Run = Callable[..., subprocess.CompletedProcess[str]]
Command = Callable[..., list[str]]

pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")
TRAINED = [case for case in CASES.values() if (case.folder / "models" / "model.pt").is_file()]
QUICK, *OTHERS = [pytest.param(case, id=case.name) for case in TRAINED]
QUICK_FIRST = [QUICK, *(pytest.param(*other.values, id=other.id, marks=pytest.mark.slow) for other in OTHERS)]
# Run by Python at its start: the package is neither found where it is installed nor imported by any other way.
BLOCKER = """
import sys
from pathlib import Path

class NoPackage:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "monai_lsext":
            raise ImportError("monai_lsext is not installed here")

sys.path[:] = [folder for folder in sys.path if not (Path(folder) / "monai_lsext/__init__.py").is_file()]
sys.meta_path.insert(0, NoPackage())
"""


@pytest.fixture
def run_without_package(tmp_path: Path) -> Run:
    """Run a command from a folder, in an environment that has MONAI but not this package."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BLOCKER)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path / "site")}

    def start(folder: Path, *command: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, *map(str, command)]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
        return done

    return start


def few_images(case: Case, phantoms: Path, folder: Path) -> Path:
    folder.mkdir()
    for image in sorted(phantoms.glob(case.images))[:3]:
        shutil.copy(image, folder)
    return folder


def masks(case: Case, folder: Path) -> dict[str, np.ndarray]:
    load = LoadImage(reader=["NibabelReader", "PILReader"], image_only=True)
    return {path.name: np.asarray(load(path)) for path in sorted(folder.rglob(f"*_seg{case.suffix}"))}


def flags(options: dict[str, object]) -> list[str]:
    return [word for key, value in options.items() for word in (f"--{key}", str(value))]


def check_package_is_missing(root: Path, run_without_package: Run) -> None:
    done = run_without_package(root, "-c", "import monai_lsext", check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("ImportError: monai_lsext is not installed here")


@pytest.mark.parametrize("case", QUICK_FIRST)
def test_masks_are_the_same_without_the_package(
    case: Case, phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run, run_without_package: Run
) -> None:
    root = Path(shutil.copytree(case.folder, tmp_path / "bundle", ignore=shutil.ignore_patterns("output")))
    vendored = vendor(root)
    assert vendored.modules < 70
    assert not (root / "scripts" / "apps").exists()
    assert not (root / "scripts" / "bundle").exists()
    assert "monai-lsext" not in json.loads((root / "configs/metadata.json").read_text())["required_packages_version"]

    check_package_is_missing(root, run_without_package)
    images = few_images(case, phantoms, tmp_path / "images")
    options = {**case.tiny_inference, "dataset_dir": images, "output_dir": tmp_path / "without"}
    command = ("-m", "monai.bundle", "run", "--config_file", "configs/inference.yaml")
    run_without_package(root, *command, *flags(options))
    run(bundle_command("inference.yaml", dataset_dir=images, output_dir=tmp_path / "with"))

    found, expected = masks(case, tmp_path / "without"), masks(case, tmp_path / "with")
    assert found.keys() == expected.keys()
    assert len(found) == 3
    assert all(np.array_equal(found[name], expected[name]) for name in found)
    assert any(mask.any() for mask in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("case", [QUICK, *OTHERS])
def test_packed_and_vendored_bundle_does_it_all(
    case: Case, phantoms: Path, tmp_path: Path, run: Run, run_without_package: Run
) -> None:
    pack = [sys.executable, "-m", "monai_lsext", "pack", str(case.folder), "--output", str(tmp_path), "--vendor"]
    assert "vendored: " in run(pack).stdout
    with zipfile.ZipFile(next(tmp_path.glob("*.zip"))) as archive:
        archive.extractall(tmp_path)
    root = tmp_path / case.name
    assert "FAIL" not in run([sys.executable, "-m", "monai_lsext", "verify", str(root)]).stdout
    assert not list(root.rglob("__pycache__"))

    check_package_is_missing(root, run_without_package)
    monai = ("-m", "monai.bundle")
    files = {"config_file": "configs/inference.yaml", "meta_file": "configs/metadata.json"}
    metadata = {"meta_file": files["meta_file"], "filepath": SCHEMA_FILE}  # MONAI downloads a schema that is not there
    run_without_package(root, *monai, "verify_metadata", *flags(metadata))
    done = run_without_package(root, *monai, "verify_net_in_out", "network_def", *flags({**files, "device": "cpu"}))
    assert "data shape of network is verified" in done.stdout + done.stderr

    output = {**case.tiny, "dataset_dir": phantoms, "output_dir": tmp_path / "run", "ckpt_dir": tmp_path / "weights"}
    short = {"train#trainer#max_epochs": 1, "val_interval": 1}
    run_without_package(root, *monai, "run", *flags({"config_file": "configs/train.yaml", **output, **short}))
    assert torch.load(tmp_path / "weights" / "model.pt", weights_only=True)
    both = "['configs/train.yaml','configs/evaluate.yaml']"
    run_without_package(root, *monai, "run", *flags({"config_file": both, **output}))
    measured = {path.stem for path in (tmp_path / "run" / "evaluation").glob("*_raw.csv")}
    assert measured >= {f"{metric}_raw" for metric in case.evaluated}
