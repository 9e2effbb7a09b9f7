"""What a step measured, case by case: {method: parameters, cases, groups, values of each measure, overall figures}."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

from benchmarks.reproduce.steps import ROOT, Place, Step

Cases = dict[str, dict[str, float]]  # measure -> case -> value


def evaluation(step: Step, place: Place) -> dict[str, Any]:
    """Of ``evaluate.yaml``: the folder ``evaluation`` of the output."""
    return {"": one_method(step, [_of_folder(place.folder(step) / "evaluation")], parameters(step))}


def five_models(step: Step, place: Place) -> dict[str, Any]:
    """Of ``benchmarks.five_models``: ``iv 0.5`` is model iv with half the labels, ``outside iv 0.5`` on other data."""
    from benchmarks.five_models import MODELS

    found = {}
    for model in MODELS:
        for prefix in ("", "outside_"):
            pattern = f"*/seed*/{model.stage}/{prefix}{model.name}/evaluation"
            by_share: dict[str, list[Path]] = {}
            for folder in sorted(place.folder(step).glob(pattern)):
                by_share.setdefault(folder.relative_to(place.folder(step)).parts[0], []).append(folder)
            for share, folders in by_share.items():
                figures = [_of_folder(folder, ("val_mean_dice", "iou")) for folder in folders]
                found[f"{prefix.replace('_', ' ')}{model.name} {share}"] = one_method(step, figures)
    return found


def sample_efficiency(step: Step, place: Place) -> dict[str, Any]:
    """Of ``benchmarks.sample_efficiency``: ``exact 10 true_centre``, and ``sunnybrook exact all true_centre``."""
    from benchmarks.sample_efficiency import METRICS, rows, training_of

    found = {}
    for row in rows():
        for label in ("", "sunnybrook_"):
            folders = [
                place.folder(step) / training_of(row, seed).folder / f"{label}{row.evaluation}" / "evaluation"
                for seed in row.seeds
            ]
            figures = [_of_folder(folder, tuple(METRICS)) for folder in folders if folder.is_dir()]
            if figures:
                key = f"{label.replace('_', ' ')}{row.training} {row.images or 'all'} {row.evaluation}"
                found[key] = one_method(step, figures)
    return found


def single_objects(step: Step, place: Place) -> dict[str, Any]:
    """Of ``benchmarks.single_objects``, by the names of its table."""
    from benchmarks.single_objects import CLASSICAL, METRICS, NETS

    found = {}
    for name in (*NETS, *CLASSICAL):
        folder = place.folder(step) / name.lower().replace(" ", "_")
        if name in NETS:
            figures = _of_folder(folder / "evaluation", tuple(METRICS))
        else:
            scores = json.loads((folder / "measured.json").read_text(encoding="utf-8"))["scores"]
            figures = {metric: {case: one[metric] for case, one in scores.items()} for metric in METRICS}
        found[name] = one_method(step, [figures])
    return found


def across_slices(step: Step, place: Place) -> dict[str, Any]:
    """Of ``benchmarks.across_slices``, by the names of its rows; the cases of all folds together."""
    from benchmarks.across_slices import ROWS

    found = {}
    for row in ROWS.values():
        paths = sorted(place.folder(step).glob(f"{row.folder}_fold*/measured.json"))
        records = [record for path in paths for record in json.loads(path.read_text(encoding="utf-8"))]
        if records:
            metrics = [key for key in records[0] if key not in ("case", "thresholds")]
            figures = {metric: {record["case"]: record[metric] for record in records} for metric in metrics}
            found[row.folder] = one_method(step, [figures])
    return found


def one_method(step: Step, seeds: list[dict[str, Any]], count: int | None = None) -> dict[str, Any]:
    """The record of a method from the cases of one seed or several."""
    measured: list[Cases] = [{key: value for key, value in one.items() if key != "overall"} for one in seeds]
    cases = [case for one in measured for case in next(iter(one.values()))]
    values = {
        metric: [_rounded(one[metric][case]) for one in measured for case in next(iter(one.values()))]
        for metric in measured[0]
    }
    groups = []
    for case in cases:
        match = re.search(step.group, case)
        groups.append(match.group(1) if match else case)
    return {
        "parameters": count,
        "cases": cases,
        "groups": groups,
        "values": values,
        "overall": seeds[0].get("overall", {}),
    }


def _rounded(value: float) -> float | None:
    """None where there is no finite value: JSON knows no other word for it."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def parameters(step: Step) -> int:
    """Trainable parameters of the network that the step's configs describe."""
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config([ROOT / name for name in re.findall(r"bundles/[\w/]+\.yaml", " ".join(step.arguments))])
    parser["bundle_root"] = str(ROOT / "bundles" / step.task)
    network = parser.get_parsed_content("network_def")
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _of_folder(folder: Path, metrics: tuple[str, ...] = ()) -> dict[str, Any]:
    """Of MONAI's ``MetricsSaver``; measures of several classes are called ``dice.class1``."""
    from monai_lsext.apps.compare import read_metric

    figures: dict[str, Any] = {}
    names = sorted(path.name.removesuffix("_raw.csv") for path in folder.glob("*_raw.csv"))
    for name in metrics or names:
        classes = read_metric(folder / f"{name}_raw.csv")
        for label, by_case in classes.items():
            figures[name if len(classes) == 1 else f"{name}.{label}"] = by_case
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as stream:
        overall = {row[0]: float(row[1]) for row in csv.reader(stream) if row and row[0] not in names}
    return {**figures, "overall": overall}
