"""The page on one's own network: its config files, laid over a bundle's, train and evaluate."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from cases import CASES, Case
from commands import bundle_run, measured

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "own-network.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize(("block", "name"), [(0, "edpcnn_left_ventricle"), (2, "racenet_nuclei")])
def test_a_bundle_trains_and_evaluates_with_the_backbone(
    block: int, name: str, tmp_path: Path, phantoms_of: Callable[[Case], Path], run: Callable[..., object]
) -> None:
    case = CASES[name]
    (tmp_path / "mine.yaml").write_text(BLOCKS[block], encoding="utf-8")
    options = {
        "dataset_dir": phantoms_of(case),
        "output_dir": tmp_path / "output",
        "ckpt_dir": tmp_path / "models",
        **case.tiny,
        "train#trainer#max_epochs": 1,
        "val_interval": 1,
    }
    mine = str(tmp_path / "mine.yaml")
    run(bundle_run(case.folder, "train.yaml", mine, **options))
    weights = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert any(key.startswith("backbone.up_layers") for key in weights)  # SegResNet's
    run(bundle_run(case.folder, "train.yaml", "evaluate.yaml", mine, **options))
    assert len(measured(tmp_path / "output", "val_mean_dice")) == case.test_items
