"""The bundle as its users run it: every command from a foreign working directory, on phantoms."""

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

import numpy as np
import torch
from PIL import Image

Run = Callable[..., subprocess.CompletedProcess[str]]
Command = Callable[..., list[str]]

SHORT = {"train#trainer#max_epochs": 2, "val_interval": 1}


def test_train_then_evaluate(phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run) -> None:
    run(bundle_command("train.yaml", dataset_dir=phantoms, **SHORT))
    weights = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert sum(tensor.numel() for tensor in weights.values()) == 2 * 26_322
    with open(next((tmp_path / "output").glob("*.csv")), newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 2
    assert list((tmp_path / "output" / "tensorboard").iterdir())

    run(bundle_command("train.yaml", "evaluate.yaml", dataset_dir=phantoms))
    for metric, columns in {"dice": 2, "ble_px": 2, "cdr_error": 1}.items():
        with open(tmp_path / "output" / "evaluation" / f"{metric}_raw.csv", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert len({row["filename"] for row in rows}) == len(rows) == 4
        assert len([name for name in rows[0] if name.startswith("class")]) == columns


def test_variant_trains(phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run) -> None:
    folders = {"output_dir": tmp_path / "output", "ckpt_dir": tmp_path / "models"}
    run(bundle_command("train.yaml", "variants/basicunet.yaml", dataset_dir=phantoms, **SHORT, **folders))
    weights = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert any("final_conv" in name for name in weights)


def test_two_processes_train(phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run) -> None:
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29561")
    configs = ("train.yaml", "multi_gpu_train.yaml")
    run(bundle_command(*configs, launcher=torchrun, dataset_dir=phantoms, **SHORT))
    weights = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert not any(name.startswith("module.") for name in weights)


def test_killed_training_resumes_to_the_same_weights(
    phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run
) -> None:
    """SIGKILL in the third epoch, start again: model, optimiser, schedule and epoch as if undisturbed."""
    epochs = {"dataset_dir": phantoms, "train#trainer#max_epochs": 5, "val_interval": 1}
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


def test_inference_names_the_bad_case_and_writes_the_rest(
    phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run
) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    cases = sorted((phantoms / "roi" / "images").glob("*.png"))[:2]
    for case in cases:
        shutil.copy(case, photographs)
    (photographs / "broken.png").write_text("no picture")
    done = run(bundle_command("inference.yaml", dataset_dir=photographs), check=False)
    assert done.returncode == 3, done.stderr[-3000:]
    for case in cases:
        mask = Image.open(tmp_path / "output" / f"{case.stem}_seg.png")
        assert mask.size == Image.open(case).size
        assert set(np.unique(np.asarray(mask))) <= {0, 1, 2}
    report = json.loads((tmp_path / "output" / "run_report.json").read_text())
    assert "broken" in json.dumps(report)


def test_prediction_of_both_commands_is_the_same(
    bundle: Path, phantoms: Path, tmp_path: Path, bundle_command: Command, run: Run
) -> None:
    photograph = next((phantoms / "roi" / "images").glob("*.png"))
    command = bundle_command("inference.yaml", dataset_dir=photograph)
    run([part for part in command if part not in ("--image_size", "[32,32]")])
    arguments = ["--bundle", str(bundle), "--input", str(photograph), "--output", str(tmp_path / "predict")]
    run([sys.executable, "-m", "monai_lsext", "predict", *arguments])
    name = f"{photograph.stem}_seg.png"
    masks = [np.asarray(Image.open(tmp_path / folder / name)) for folder in ("output", "predict")]
    assert np.array_equal(*masks)
    assert masks[0].max() > 0


def test_verify_passes(bundle: Path, run: Run) -> None:
    done = run([sys.executable, "-m", "monai_lsext", "verify", str(bundle)], check=False)
    assert done.returncode == 0, done.stdout
