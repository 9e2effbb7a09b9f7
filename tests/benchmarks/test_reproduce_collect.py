"""What is read from the output of each command, in the layout in which the command leaves it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.reproduce import collect
from benchmarks.reproduce.steps import Place, Step
from benchmarks.reproduce.tasks import PATIENT, PICTURE, STEPS


def evaluation(folder: Path, figures: dict[str, dict[str, list[str]]], overall: str = "") -> None:
    """metric -> case -> columns."""
    (folder / "evaluation").mkdir(parents=True)
    for metric, cases in figures.items():
        width = len(next(iter(cases.values())))
        header = ",".join(["filename", *(f"class{i}" for i in range(width)), "mean"])
        rows = [",".join([case, *values, "0"]) for case, values in cases.items()]
        (folder / "evaluation" / f"{metric}_raw.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "evaluation" / "metrics.csv").write_text(f"dice,9\n{overall}")


def place_of(tmp_path: Path) -> Place:
    return Place(None, tmp_path, tmp_path / "results")


def test_evaluation_of_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "parameters", lambda step: 7)
    figures = {
        "dice": {"/d/a_1.png": ["0.25", "0.5"], "/d/a_2.png": ["nan", "1"]},
        "hd": {"a_1.png": ["inf"], "a_2.png": ["2"]},
    }
    evaluation(tmp_path / "toy" / "whole", figures, "mAP@0.5,0.125\n")
    step = Step("toy", "whole", (), 1, group=PICTURE)
    assert collect.evaluation(step, place_of(tmp_path)) == {
        "": {
            "parameters": 7,
            "cases": ["a_1.png", "a_2.png"],
            "groups": ["a", "a"],
            "values": {"dice.class0": [0.25, None], "dice.class1": [0.5, 1.0], "hd": [None, 2.0]},
            "overall": {"mAP@0.5": 0.125},
        }
    }


def test_parameters_of_the_network_that_the_configs_describe() -> None:
    by_name = {step.name: step for step in STEPS}
    assert collect.parameters(by_name["rls_object/shipped"]) == 255
    assert collect.parameters(by_name["fcn_levelset_liver/shipped"]) == 23_938


def test_five_models(tmp_path: Path) -> None:
    step = Step("toy", "five", (), 1, group=PATIENT)
    root = tmp_path / "toy" / "five"
    for seed, dice in ((0, "0.5"), (1, "0.75")):
        one = {"val_mean_dice": {"patient005_frame01": [dice]}, "iou": {"patient005_frame01": ["0.25"]}}
        evaluation(root / "0.5" / f"seed{seed}" / "joint" / "iv", one)
        evaluation(root / "0.5" / f"seed{seed}" / "joint" / "outside_iv", one)
    found = collect.five_models(step, place_of(tmp_path))
    assert list(found) == ["iv 0.5", "outside iv 0.5"]
    assert found["iv 0.5"]["values"] == {"val_mean_dice": [0.5, 0.75], "iou": [0.25, 0.25]}
    assert found["iv 0.5"]["groups"] == ["patient005", "patient005"]


def test_sample_efficiency(tmp_path: Path) -> None:
    step = Step("toy", "few", (), 1, group=PATIENT)
    for folder in ("unet_10_seed0/true_centre", "unet_10_seed2/true_centre", "exact_all_seed0/sunnybrook_true_centre"):
        one = {name: {"SCD0000101_ED_slice00": ["0.5"]} for name in ("val_mean_dice", "assd_px", "hd_px")}
        evaluation(tmp_path / "toy" / "few" / folder, one)
    found = collect.sample_efficiency(step, place_of(tmp_path))
    assert {name: one["values"]["hd_px"] for name, one in found.items()} == {
        "unet 10 true_centre": [0.5, 0.5],
        "sunnybrook exact all true_centre": [0.5],
    }
    assert found["sunnybrook exact all true_centre"]["groups"] == ["SCD0000101"]


def test_single_objects(tmp_path: Path) -> None:
    from benchmarks.single_objects import CLASSICAL, NETS

    step = Step("toy", "objects", (), 1, group=PICTURE)
    metrics = ("f_measure", "precision", "recall")
    for name in NETS:
        figures = {metric: {"x_0001": ["0.5"]} for metric in metrics}
        evaluation(tmp_path / "toy" / "objects" / name.lower().replace(" ", "_"), figures)
    for name in CLASSICAL:
        folder = tmp_path / "toy" / "objects" / name.lower().replace(" ", "_")
        folder.mkdir()
        scores = {"x_0001": dict.fromkeys(metrics, 0.25)}
        (folder / "measured.json").write_text(json.dumps({"parameters": {}, "scores": scores}))
    found = collect.single_objects(step, place_of(tmp_path))
    assert {name: one["values"]["f_measure"] for name, one in found.items()} == {
        **{name: [0.5] for name in NETS},
        **{name: [0.25] for name in CLASSICAL},
    }


def test_across_slices_puts_the_folds_together(tmp_path: Path) -> None:
    step = Step("toy", "slices", (), 1)
    for name, dice in (("msa_fold0_seed0", 0.5), ("msa_fold1_seed0", 0.75), ("msa_ce_fold0_seed0", 0.1)):
        folder = tmp_path / "toy" / "slices" / name
        folder.mkdir(parents=True)
        record = {"case": name, "dice": dice, "avd_mm": float("inf"), "thresholds": [0.1]}
        (folder / "measured.json").write_text(json.dumps([record]))
    found = collect.across_slices(step, place_of(tmp_path))
    assert {name: one["values"] for name, one in found.items()} == {
        "msa": {"dice": [0.5, 0.75], "avd_mm": [None, None]},
        "msa_ce": {"dice": [0.1], "avd_mm": [None]},
    }
