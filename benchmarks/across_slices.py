"""What a recurrence across slices gains: PNet-64, PNet-MSA, one and two recurrences on it, BasicUNet, and three losses.

    python -m benchmarks.across_slices --dataset_dir FOLDER --output DIR

trains every row with the configs of ``pnet_birnn_pancreas`` on each fold, measures it on the files' own voxels, writes
``table.md``, ``thresholds.png`` and ``volumes.png``, and goes on where it was interrupted when it is started again. All
rows share grid, width, windows, augmentation and the rule by which the weights are chosen (the best Dice of cases taken
out of training). The recurrent rows go on from PNet-MSA's weights, so they train longer; BasicUNet trains as long as
the two stages of PNet-MSA together.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from matplotlib.figure import Figure
from monai.bundle import ConfigParser
from monai.data import DataLoader, MetaTensor, decollate_batch
from monai.transforms import Compose
from scipy.stats import linregress, ttest_rel
from torch import Tensor
from tqdm import tqdm

from benchmarks.common import run_bundle
from monai_lsext.networks.layers import averaged_hausdorff_distance
from monai_lsext.registry import find_bundle

BUNDLE = "pnet_birnn_pancreas"
THRESHOLDS = [round(0.05 * step, 2) for step in range(1, 20)]
PLATEAU = 0.01  # of Dice below the best threshold's
BASE = "PNet-MSA"


@dataclass(frozen=True)
class Row:
    """A line of the table: the variants that make it, its stages, and the row whose weights it starts from."""

    title: str
    variants: tuple[str, ...] = ()
    stages: tuple[str, ...] = ("grow", "converge")
    start: str | None = None

    @property
    def folder(self) -> str:
        return "_".join(self.variants) or "birnn"


ROWS = {
    row.folder: row
    for row in (
        Row("PNet-64", ("pnet64",)),
        Row(BASE, ("msa",)),
        Row("+ one-way CLSTM", ("one_way",), ("recurrent",), "msa"),
        Row("+ BiRNN", (), ("recurrent",), "msa"),
        Row("BasicUNet 2D", ("basicunet",), ("whole",)),
        Row("PNet-MSA, CE", ("msa", "ce")),
        Row("PNet-MSA, CBCE", ("msa", "cbce")),
    )
}
LOSSES = {"msa": "Jaccard", "msa_ce": "cross-entropy", "msa_cbce": "class-balanced cross-entropy"}


@dataclass(frozen=True)
class Setting:
    """What all rows of a run share."""

    dataset_dir: Path
    output: Path
    input_variant: str | None
    channels: int
    epochs: dict[str, int]
    options: dict[str, str]

    def folder(self, row: str, fold: int | None, seed: int) -> Path:
        return self.output / f"{row}_fold{'own' if fold is None else fold}_seed{seed}"

    def configs(self, row: Row, *stages: str) -> list[str]:
        names = [*([self.input_variant] if self.input_variant else []), *row.variants]
        # a stage comes before what changes its network, and BasicUNet's own handlers come last
        return ["train.yaml", *(f"variants/{name}.yaml" for name in (*stages, *names))]

    def shared(self, row: Row, fold: int | None, seed: int) -> dict[str, str]:
        width = {"network_def#pnet#channels": str(self.channels)}
        if row.stages == ("whole",):
            c = self.channels
            width = {"network_def#pnet#features": str([c, c, 2 * c, 4 * c, 8 * c, c])}
        fold_option = {} if fold is None else {"test_fold": str(fold)}
        return {"dataset_dir": str(self.dataset_dir), "seed": str(seed), **width, **fold_option, **self.options}


def train(row: Row, fold: int | None, seed: int, setting: Setting) -> None:
    """The stages of a row that have not been done."""
    folder = setting.folder(row.folder, fold, seed)
    start = None if row.start is None else setting.folder(row.start, fold, seed) / ROWS[row.start].stages[-1]
    for stage in row.stages:
        target = folder / stage
        if not (target / "trained").exists():
            overlays = [stage] if stage in ("converge", "recurrent") else []
            options = setting.shared(row, fold, seed)
            options |= {"output_dir": str(target), "ckpt_dir": str(target), "epochs": str(setting.epochs[stage])}
            if overlays:
                options["stage_weights"] = f"{start}/model.pt"
            run_bundle(BUNDLE, setting.configs(row, *overlays), options, target / "train.log")
            (target / "trained").touch()
        start = target


def scores(probability: MetaTensor, label: MetaTensor) -> dict[str, Any]:
    """Figures of one case, [1, *S]; volumes in ml, of pictures in thousands of pixels."""
    pred, truth = probability.as_tensor()[0], label.as_tensor()[0] > 0.5
    mask = pred >= 0.5
    hits, found, true = (float(part.sum()) for part in (mask & truth, mask, truth))
    sides_mm = torch.as_tensor(label.affine)[:3, :3].norm(dim=0).tolist()
    voxel_ml = float(np.prod(sides_mm)) / 1000
    return {
        "dice": dice(mask, truth),
        "jaccard": ratio(hits, found + true - hits),
        "avd_mm": averaged_hausdorff_distance(mask, truth, sides_mm),
        "precision": ratio(hits, found),
        "recall": ratio(hits, true),
        "volume_ml": found * voxel_ml,
        "true_volume_ml": true * voxel_ml,
        "thresholds": [dice(pred >= threshold, truth) for threshold in THRESHOLDS],
    }


def ratio(part: float, whole: float) -> float:
    """Not a number where there is nothing to divide by; such a figure does not count in the table."""
    return part / whole if whole else float("nan")


def dice(mask: Tensor, truth: Tensor) -> float:
    """Of two masks."""
    return ratio(2 * float((mask & truth).sum()), float(mask.sum() + truth.sum()))


def by_case(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record a case, the mean over the seeds: for the tests a case that was measured twice is still one case."""
    cases: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        cases.setdefault(record["case"], []).append(record)
    figures = [key for key in records[0] if key != "case"]
    return [
        {"case": case, **{key: np.mean([record[key] for record in same], axis=0) for key in figures}}
        for case, same in cases.items()
    ]


def measure(row: Row, fold: int | None, seed: int, setting: Setting) -> list[dict[str, Any]]:
    """One record for each test case, from a file where there is one."""
    folder = setting.folder(row.folder, fold, seed)
    path = folder / "measured.json"
    if not path.exists():
        records = list(_records(row, fold, seed, setting, folder / row.stages[-1] / "model.pt"))
        path.write_text(json.dumps(records, indent=1))
    return json.loads(path.read_text())


@torch.no_grad()
def _records(row: Row, fold: int | None, seed: int, setting: Setting, weights: Path) -> Iterator[dict[str, Any]]:
    bundle = find_bundle(BUNDLE)
    names = [*setting.configs(row), "evaluate.yaml"]
    parser = ConfigParser()
    parser.read_config([bundle / "configs" / name for name in names])
    options = {"bundle_root": str(bundle), **setting.shared(row, fold, seed)}
    parser.update({key: yaml.safe_load(value) for key, value in options.items()})
    network = parser.get_parsed_content("network")
    network.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    network.eval()
    device, inferer = parser.get_parsed_content("device"), parser.get_parsed_content("validate#inferer")
    probabilities = Compose(parser.get_parsed_content("validate#postprocessing").transforms[:-1])
    for batch in DataLoader(parser.get_parsed_content("validate#dataset"), batch_size=1):
        batch["pred"] = inferer(batch["image"].to(device), network)
        item = probabilities(decollate_batch(batch)[0])
        yield {"case": item["case"], **scores(item["pred"].cpu(), item["label"])}


def mean_sd(values: np.ndarray, digits: int = 3) -> str:
    """Over the finite values."""
    finite = values[np.isfinite(values)]
    return f"{finite.mean():.{digits}f} ± {finite.std(ddof=1):.{digits}f}" if len(finite) > 1 else "-"


def paired(ours: np.ndarray, base: np.ndarray) -> str:
    """p of the paired t-test over the cases where both are finite."""
    both = np.isfinite(ours) & np.isfinite(base)
    return f"{ttest_rel(ours[both], base[both]).pvalue:.2g}" if both.sum() > 1 and (ours != base)[both].any() else ""


def mean_thresholds(records: list[dict[str, Any]]) -> np.ndarray:
    """Mean Dice at each threshold."""
    return np.nanmean([record["thresholds"] for record in records], axis=0)


def plateau(records: list[dict[str, Any]]) -> tuple[float, float]:
    """The widest run of thresholds whose mean Dice is at most 0.01 below the best."""
    means = mean_thresholds(records)
    best = int(means.argmax())
    first = last = best
    while first > 0 and means[first - 1] >= means[best] - PLATEAU:
        first -= 1
    while last < len(means) - 1 and means[last + 1] >= means[best] - PLATEAU:
        last += 1
    return THRESHOLDS[first], THRESHOLDS[last]


def table(measured: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Lines of Markdown; the cases of all folds together."""
    metrics = ("dice", "jaccard", "avd_mm", "precision", "recall")
    lines = [
        "| | n | Dice | Jaccard | AVD, mm | precision | recall | missed | AVD against PNet-MSA | p Dice | p AVD "
        "| volume R² | thresholds within 0.01 |",
        "|" + " --- |" * 13,
    ]
    base = measured.get("msa")
    for name, records in measured.items():
        values = {metric: np.array([record[metric] for record in records]) for metric in metrics}
        cells = [ROWS[name].title, str(len(records)), *(mean_sd(values[metric]) for metric in metrics)]
        cells.append(str(int(np.isinf(values["avd_mm"]).sum())))
        if base is None or name == "msa":
            cells += ["", "", ""]
        else:
            theirs = {metric: np.array([record[metric] for record in base]) for metric in metrics}
            both = np.isfinite(values["avd_mm"]) & np.isfinite(theirs["avd_mm"])
            change = 100 * (values["avd_mm"][both].mean() / theirs["avd_mm"][both].mean() - 1)
            cells += [f"{change:+.1f} %", *(paired(values[m], theirs[m]) for m in ("dice", "avd_mm"))]
        fit = linregress(*(np.array([r[key] for r in records]) for key in ("true_volume_ml", "volume_ml")))
        cells += [f"{fit.rvalue**2:.3f}", "{:.2f} to {:.2f}".format(*plateau(records))]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def draw_thresholds(measured: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Mean Dice against the threshold, one line for each loss."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for name in (name for name in LOSSES if name in measured):
        axes.plot(THRESHOLDS, mean_thresholds(measured[name]), marker=".", label=LOSSES[name])
    axes.set_xlabel("threshold of the probability")
    axes.set_ylabel("mean Dice")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def draw_volumes(measured: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Automatic against manual volume, with the line of regression."""
    figure = Figure(figsize=(4.2, 4), layout="constrained")
    axes = figure.subplots()
    for name in (name for name in ("msa", "birnn") if name in measured):
        manual, automatic = (np.array([r[key] for r in measured[name]]) for key in ("true_volume_ml", "volume_ml"))
        fit = linregress(manual, automatic)
        points = axes.scatter(manual, automatic, s=14, label=f"{ROWS[name].title}, R² {fit.rvalue**2:.3f}")
        ends = np.array([manual.min(), manual.max()])
        axes.plot(ends, fit.intercept + fit.slope * ends, color=points.get_facecolor()[0], linewidth=1)
    axes.set_xlabel("manual volume, ml")
    axes.set_ylabel("automatic volume, ml")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument(
        "--folds", nargs="+", default=["0", "1", "2", "3"], help="test folds 0..3; own: the data's split"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--input", default="any_organ", help="any_organ, mri, or ct for the window in HU")
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--epochs", nargs=3, type=int, default=[30, 15, 10], help="of grow, converge and recurrent")
    parser.add_argument("--option", nargs="+", default=[], metavar="ID=VALUE", help="of the bundle, for all rows")
    parser.add_argument("--part", default="0/1", help="k/n: every n-th fold and seed from k on, for n processes")
    return parser.parse_args()


def main() -> None:
    """Train what is missing, measure what is missing, write table and figures."""
    arguments = parsed()
    grow, converge, recurrent = arguments.epochs
    setting = Setting(
        arguments.dataset_dir.absolute(),
        arguments.output.absolute(),
        None if arguments.input == "ct" else arguments.input,
        arguments.channels,
        {"grow": grow, "converge": converge, "recurrent": recurrent, "whole": grow + converge},
        {"image_size": "128", **dict(option.split("=", 1) for option in arguments.option)},
    )
    folds = [None if fold == "own" else int(fold) for fold in arguments.folds]
    first, step = (int(number) for number in arguments.part.split("/"))
    runs = [(fold, seed) for fold in folds for seed in arguments.seeds]
    work = [(row, *run) for run in runs[first::step] for row in (ROWS[name] for name in arguments.rows)]
    work.sort(key=lambda job: job[0].start is not None)  # what others start from comes first
    for row, fold, seed in tqdm(work, desc="rows", unit="row"):
        train(row, fold, seed, setting)
        measure(row, fold, seed, setting)
    if step > 1:  # the table needs all of them: after several processes, a last start without --part
        return
    measured = {
        name: by_case([record for fold, seed in runs for record in measure(ROWS[name], fold, seed, setting)])
        for name in ROWS
        if name in arguments.rows
    }
    lines = table(measured)
    (arguments.output / "table.md").write_text("\n".join(lines) + "\n")
    draw_thresholds(measured, arguments.output / "thresholds.png")
    draw_volumes(measured, arguments.output / "volumes.png")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
