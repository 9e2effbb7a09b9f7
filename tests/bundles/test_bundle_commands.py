"""Every bundle as its users run it: each command from a foreign working directory, on phantoms."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from cases import CASES, Case
from PIL import Image

from monai_lsext.apps.predict import predict
from monai_lsext.bundle.verify import verify_bundle
from monai_lsext.data.image_file import case_name

Run = Callable[..., subprocess.CompletedProcess[str]]
Command = Callable[..., list[str]]

SHORT = {"train#trainer#max_epochs": 2, "val_interval": 1}
FIRST = next(iter(CASES.values()))
# what takes half a minute for each bundle: the first one's stand for all, but where slow tests run too
FIRST_THEN_SLOW = [
    pytest.param(case, id=case.name, marks=[] if case is FIRST else pytest.mark.slow) for case in CASES.values()
]
VARIANTS = [
    pytest.param(case, name, id=f"{case.name}-{name}", marks=[] if case is FIRST else pytest.mark.slow)
    for case in CASES.values()
    for name in case.variants
]


def parameters(path: Path) -> int:
    """Learned numbers of a file of weights; the running statistics of batch normalisation are not learned."""
    weights = torch.load(path, weights_only=True)
    return sum(tensor.numel() for name, tensor in weights.items() if "running" not in name and "num_b" not in name)


def mask_of(path: Path) -> np.ndarray:
    if path.name.endswith(".nii.gz"):
        return np.asarray(nib.nifti1.load(path).dataobj)
    return np.asarray(Image.open(path)).T


def size_of(path: Path) -> tuple[int, ...]:
    """Columns, rows and, of a volume, slices of an image file."""
    return nib.nifti1.load(path).shape if path.name.endswith(".nii.gz") else Image.open(path).size


def test_train_then_evaluate(case: Case, phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run) -> None:
    run(bundle_command("train.yaml", dataset_dir=phantoms, **SHORT))
    assert parameters(tmp_path / "models" / "model.pt") == case.parameters
    assert list((tmp_path / "output" / "tensorboard").iterdir())

    run(bundle_command("train.yaml", "evaluate.yaml", dataset_dir=phantoms))
    for metric, columns in case.evaluated.items():
        with open(tmp_path / "output" / "evaluation" / f"{metric}_raw.csv", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert len({row["filename"] for row in rows}) == len(rows) == case.test_items
        assert len([name for name in rows[0] if name.startswith("class")]) == columns


@pytest.mark.parametrize(("case", "variant"), VARIANTS)
def test_variant_trains(
    case: Case,
    variant: str,
    phantoms_of: Callable[[Case], Path],
    tmp_path: Path,
    bundle_command: Command,
    run: Run,
) -> None:
    options = {**SHORT, "train#trainer#max_epochs": 1}
    run(bundle_command("train.yaml", f"variants/{variant}.yaml", dataset_dir=phantoms_of(case), **options))
    weights = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    part = case.variants[variant]
    assert part is None or any(part in name for name in weights)


@pytest.mark.parametrize("case", FIRST_THEN_SLOW)
def test_two_processes_train(case: Case, phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run) -> None:
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    configs = ("train.yaml", "multi_gpu_train.yaml")
    run(bundle_command(*configs, launcher=torchrun, dataset_dir=phantoms, **SHORT))
    weights = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert not any(name.startswith("module.") for name in weights)


@pytest.mark.parametrize("case", FIRST_THEN_SLOW)
def test_killed_training_resumes_to_the_same_weights(
    case: Case, phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run
) -> None:
    """SIGKILL in the third epoch, start again: model, optimiser, schedule and epoch as if undisturbed."""
    epochs: dict[str, object] = {"dataset_dir": phantoms, "train#trainer#max_epochs": 5, "val_interval": 1}
    states = []
    for name in ("undisturbed", "killed"):
        folders = {"output_dir": tmp_path / name, "ckpt_dir": tmp_path / name / "models"}
        command = bundle_command("train.yaml", **epochs, **folders)
        saved = tmp_path / name / "checkpoint" / "training_state.pt"
        if name == "killed":
            kill_when_epoch_is_saved(command, saved, epoch=2)
            assert torch.load(saved, weights_only=True)["epoch"] < 5
        run(command)
        best = torch.load(tmp_path / name / "models" / "model.pt", weights_only=True)
        states.append((torch.load(saved, weights_only=True), best))
    compare(states[0], states[1])


def kill_when_epoch_is_saved(command: list[str], saved: Path, epoch: int) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 120
    while process.poll() is None and time.time() < deadline:
        if saved.exists() and torch.load(saved, weights_only=True)["epoch"] >= epoch:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def compare(first: object, second: object) -> None:
    assert type(first) is type(second)
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            compare(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            compare(one, other)
    elif isinstance(first, torch.Tensor):
        assert torch.allclose(first.double(), second.double(), atol=1e-6, rtol=0)
    else:
        assert first == second


@pytest.mark.parametrize("case", FIRST_THEN_SLOW)
def test_inference_names_the_bad_case_and_writes_the_rest(
    case: Case, phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    images = sorted(phantoms.glob(case.images))[:2]
    for image in images:
        shutil.copy(image, folder)
    (folder / f"broken{case.suffix}").write_text("no picture")
    done = run(bundle_command("inference.yaml", dataset_dir=folder), check=False)
    assert done.returncode == 3, done.stderr[-3000:]
    for image in images:
        mask = mask_of(tmp_path / "output" / f"{case_name(image)}_seg{case.suffix}")
        assert mask.shape == size_of(image)
        assert set(np.unique(mask)) <= {0, 1, 2}
    report = json.loads((tmp_path / "output" / "run_report.json").read_text())
    assert [skipped["case"] for skipped in report["skipped"]] == [case_name(f"broken{case.suffix}")]


def test_prediction_of_both_commands_is_the_same(
    case: Case, phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run
) -> None:
    image = next(phantoms.glob(case.images))
    run(bundle_command("inference.yaml", tiny=False, dataset_dir=image))
    assert predict(case.name, str(image), str(tmp_path / "predict")) == 0
    suffixes = {"output": case.suffix, "predict": case.predict_suffix or case.suffix}
    masks = [mask_of(tmp_path / name / f"{case_name(image)}_seg{suffix}") for name, suffix in suffixes.items()]
    assert np.array_equal(*masks)
    assert masks[0].max() > 0


def test_verify_passes(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [finding for finding in verify_bundle(case.folder) if not finding.ok] == []
