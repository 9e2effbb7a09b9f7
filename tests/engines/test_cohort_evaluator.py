"""A cohort with bad cases through the engine and through `monai.bundle run`."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, Lambdad
from PIL import Image

from monai_lsext.data.checked_dataset import CheckedDataset, error_sentence
from monai_lsext.engines import CohortEvaluator

sys.path.insert(0, str(Path(__file__).parents[1] / "apps"))
from stub_bundle import expected_labels, save_photograph, write_stub_bundle


def load(value: float) -> torch.Tensor:
    if value < 0:
        raise ValueError(f"image must not be negative, got {value}")
    return torch.full((1, 2, 2), value)


class Doubling(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if image.max() > 5:
            raise RuntimeError("too bright\nfor this network")
        return 2 * image


def evaluator(folder: Path, values: list[float], **options: Any) -> tuple[CohortEvaluator, dict[str, float]]:
    results: dict[str, float] = {}

    def keep(pred: torch.Tensor) -> torch.Tensor:
        if pred.max() == 4:
            raise OSError("disk is full")
        results[f"{float(pred.max()):g}"] = float(pred.max())
        return pred

    items = [{"case": f"c{i}", "image": value} for i, value in enumerate(values)]
    dataset = CheckedDataset(items, Lambdad("image", load))
    engine = CohortEvaluator(
        output_dir=folder,
        progress=False,
        device="cpu",
        val_data_loader=DataLoader(dataset, batch_size=1),
        network=Doubling(),
        postprocessing=Compose([Lambdad("pred", keep)]),
        **options,
    )
    return engine, results


def test_every_kind_of_failure_is_skipped_and_the_rest_is_done(tmp_path: Path, caplog: Any) -> None:
    engine, results = evaluator(tmp_path / "out", [1.0, -1.0, 9.0, 2.0, 3.0])
    with caplog.at_level(logging.WARNING), pytest.raises(SystemExit) as caught:
        engine.run()
    assert caught.value.code == 3
    assert results == {"2": 2.0, "6": 6.0}
    content = json.loads((tmp_path / "out" / "run_report.json").read_text())
    assert content["done"] == [{"case": "c0"}, {"case": "c4"}]
    assert content["exit_status"] == 3
    assert content["skipped"] == [
        {"case": "c1", "reason": "image must not be negative, got -1.0"},
        {"case": "c2", "reason": "RuntimeError: too bright for this network"},
        {"case": "c3", "reason": "OSError: disk is full"},
    ]
    assert "skipped c1: image must not be negative, got -1.0" in caplog.messages


def test_good_cohort_ends_without_exit_and_runs_again(tmp_path: Path) -> None:
    engine, results = evaluator(tmp_path, [1.0, 3.0])
    for _ in range(2):
        engine.run()
        content = json.loads((tmp_path / "run_report.json").read_text())
        assert (content["exit_status"], len(content["done"]), content["skipped"]) == (0, 2, [])
    assert results == {"2": 2.0, "6": 6.0}


def test_unusable_output_and_data_exit_2(tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "file").touch()
    engine, _ = evaluator(tmp_path / "file", [1.0])
    with pytest.raises(SystemExit, match="2"):
        engine.run()
    assert "output must be a folder that can be written to, got" in caplog.text

    class Unreadable(list):  # type: ignore[type-arg]
        def __getitem__(self, index: Any) -> Any:
            raise ValueError("input must be an existing file or folder, got nowhere")

    engine, _ = evaluator(tmp_path / "out", [1.0])
    engine.data_loader.dataset.data = Unreadable([1])  # type: ignore[union-attr]
    with pytest.raises(SystemExit, match="2"):
        engine.run()
    assert "input must be an existing file or folder, got nowhere" in caplog.text


def test_metrics_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`key_val_metric` and `additional_metrics` must be None"):
        evaluator(tmp_path, [1.0], key_val_metric={"dice": object()})


def test_error_item_has_the_file_name_but_no_folder(tmp_path: Path) -> None:
    def fail(path: str) -> None:
        raise OSError(f"cannot open {path}")

    path = str(tmp_path / "eye.left.png")
    item = CheckedDataset([{"image": path}], Lambdad("image", fail))[0]
    assert item == {"case": "eye.left", "error": "OSError: cannot open eye.left.png"}


def test_sentence_is_one_line_of_limited_length() -> None:
    assert error_sentence(ValueError("a\n  b")) == "a b"
    assert error_sentence(KeyError("x" * 400), length=20) == "KeyError: 'xxxxxx..."
    assert error_sentence(RuntimeError()) == "RuntimeError: no message"


def test_bundle_run_exits_3_and_writes_the_rest(tmp_path: Path) -> None:
    bundle, data, output = tmp_path / "stub", tmp_path / "data", tmp_path / "out"
    write_stub_bundle(bundle)
    data.mkdir()
    save_photograph(data / "a.png")
    save_photograph(data / "b.png", mode="L")
    save_photograph(data / "c.tif", mode="RGBA")
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(bundle / "configs/inference.yaml")]
    options = {"bundle_root": bundle, "dataset_dir": data, "output_dir": output}
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr[-2000:]
    content = json.loads((output / "run_report.json").read_text())
    assert content["done"] == [{"case": "a"}, {"case": "c"}]
    assert content["skipped"] == [{"case": "b", "reason": "b.png: expected 8-bit RGB, found a grey image"}]
    for name in ("a_seg.png", "c_seg.png"):
        np.testing.assert_array_equal(np.asarray(Image.open(output / name)), expected_labels())
    assert not (output / "b_seg.png").exists()
    assert "2/3" in done.stderr or "[3/3]" in done.stderr
