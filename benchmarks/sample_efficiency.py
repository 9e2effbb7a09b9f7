"""Left ventricle on ACDC: EDPCNN, its two rivals and both ways to train it, against the number of training images.

    python -m benchmarks.sample_efficiency --dataset_dir ACDC --output DIR [--outside SUNNYBROOK]

trains and evaluates with the bundle's own configs, writes ``table.md`` and ``dice.png``, and goes on where it was
interrupted when it is started again. All methods share backbone, optimiser, schedule, images and the rule by which the
best weights are chosen (Dice of patients taken out of training).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.common import run_bundle
from monai_lsext.apps.compare import read_metric
from monai_lsext.data.datalists import left_ventricle_datalist

BUNDLE = "edpcnn_left_ventricle"
SEEDS: dict[int | None, tuple[int, ...]] = {10: (0, 1, 2), 50: (0,), 200: (0,), None: (0,)}  # None: all images
JITTERS = (0.1, 0.2, 0.3, 0.4, 0.5)
METRICS = {"val_mean_dice": "Dice", "assd_px": "ASSD, px", "hd_px": "HD, px"}
NO_CENTRE = {"network_def#localiser": "none"}
SCHEDULE = {"crop_size": "[144,144]", "val_interval": "4", "train#trainer#max_epochs": "12"}  # 300 iterations


@dataclass(frozen=True)
class Training:
    """One network: a variant of the bundle, trained on some images by one seed."""

    name: str
    variant: str
    images: int | None
    seed: int
    options: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> str:
        return f"{self.name}_{self.images or 'all'}_seed{self.seed}"


@dataclass(frozen=True)
class Row:
    """One line of the table: trainings of one name and number of images, evaluated in one way."""

    title: str
    training: str
    images: int | None
    evaluation: str
    variant: str
    options: tuple[tuple[str, str], ...] = ()
    true_centre: bool = True

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the trainings that the line pools; a displaced centre is tried on one network."""
        one = self.evaluation.startswith("jitter") or self.training.endswith("_joint")
        return SEEDS[self.images][:1] if one else SEEDS[self.images]


def trainings() -> Iterator[Training]:
    """All networks, those with few images first."""
    for images, seeds in SEEDS.items():
        for seed in seeds:
            yield Training("unet", "unet", images, seed)
            yield Training("synthetic", "synthetic", images, seed, tuple(NO_CENTRE.items()))
            yield Training("exact", "exact", images, seed, tuple(NO_CENTRE.items()))
    for variant in ("exact", "synthetic"):
        yield Training(f"{variant}_joint", variant, 10, 0)


def rows() -> Iterator[Row]:
    """All lines of the table."""
    none = tuple(NO_CENTRE.items())
    for images in SEEDS:
        yield Row("U-Net", "unet", images, "true_centre", "unet")
        yield Row("U-Net + DP", "unet", images, "true_centre_dp", "unet_dp")
        yield Row("EDPCNN, synthetic gradients", "synthetic", images, "true_centre", "synthetic", none)
        yield Row("EDPCNN, exact likelihood", "exact", images, "true_centre", "exact", none)
    for images in (10, None):
        yield Row("U-Net", "unet", images, "automatic", "unet", true_centre=False)
        yield Row("U-Net + DP", "unet", images, "automatic_dp", "unet_dp", true_centre=False)
    for name, title in (("synthetic", "EDPCNN, synthetic gradients"), ("exact", "EDPCNN, exact likelihood")):
        yield Row(title, f"{name}_joint", 10, "automatic", name, true_centre=False)
        for jitter in JITTERS:
            option = ("validate#jitter", str(jitter))
            yield Row(title, name, 10, f"jitter_{jitter}", name, (*none, option))


def train(training: Training, dataset_dir: Path, output: Path) -> None:
    """Train unless it is done; the selection of the best weights sees the true centre when the method needs it."""
    folder = output / training.folder
    done = folder / "trained"
    if done.exists():
        return
    joint = training.name.endswith("_joint")
    configs = ["train.yaml", f"variants/{training.variant}.yaml", *([] if joint else ["variants/true_centre.yaml"])]
    options = {
        "dataset_dir": str(dataset_dir),
        "output_dir": str(folder),
        "ckpt_dir": str(folder / "models"),
        "seed": str(training.seed),
        **SCHEDULE,
        **dict(training.options),
    }
    if training.images is not None:
        options["num_images"] = str(training.images)
    run_bundle(BUNDLE, configs, options, folder / "train.log")
    done.touch()


def evaluate(row: Row, seed: int, dataset_dir: Path, output: Path, label: str = "") -> Path:
    """Evaluate on the test part unless it is done; the folder of the metrics."""
    folder = output / training_of(row, seed).folder
    target = folder / f"{label}{row.evaluation}"
    metrics = target / "evaluation"
    if (metrics / "val_mean_dice_raw.csv").exists():
        return metrics
    configs = ["train.yaml", f"variants/{row.variant}.yaml", "evaluate.yaml"]
    configs += ["variants/true_centre.yaml"] if row.true_centre else []
    options = {
        "dataset_dir": str(dataset_dir),
        "output_dir": str(target),
        "ckpt_dir": str(folder / "models"),
        **dict(row.options),
    }
    run_bundle(BUNDLE, configs, options, target / "evaluate.log")
    return metrics


def values(folder: Path, metric: str) -> np.ndarray:
    """One number for each slice; infinite and nan where a distance has nothing to measure."""
    return np.array(list(next(iter(read_metric(folder / f"{metric}_raw.csv").values())).values()))


def table_line(data: str, row: Row, folders: list[Path]) -> str:
    """Mean and standard deviation over the slices of all seeds, Dice of each seed, shares of wrong presence."""
    cells = [data, row.title, str(row.images or "all"), row.evaluation.removesuffix("_dp").replace("_", " ")]
    for metric in METRICS:
        pooled = np.concatenate([values(folder, metric) for folder in folders])
        finite = pooled[np.isfinite(pooled)]
        cells.append(f"{finite.mean():.3f} ± {finite.std(ddof=1):.3f}")
    cells.append(", ".join(f"{np.nanmean(values(folder, 'val_mean_dice')):.3f}" for folder in folders))
    for name in ("class0", "class1"):
        shares = [np.array(list(read_metric(folder / "presence_error_raw.csv")[name].values())) for folder in folders]
        pooled = np.concatenate(shares)
        cells.append(f"{100 * np.nanmean(pooled):.1f} %" if np.isfinite(pooled).any() else "")
    return "| " + " | ".join(cells) + " |"


def draw(points: dict[str, dict[int, float]], path: Path) -> None:
    """Dice against the number of training images, one line for each method."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for title, by_number in points.items():
        axes.plot(list(by_number), list(by_number.values()), marker="o", label=title)
    axes.set_xscale("log")
    axes.set_xlabel("training images")
    axes.set_ylabel("Dice, left ventricle, ACDC")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Train what is missing, evaluate what is missing, write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", required=True, type=Path, help="ACDC")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--outside", type=Path, help="Sunnybrook: measured, never trained on")
    parser.add_argument("--part", default="0/1", help="k/n: train every n-th network from k on, for n processes")
    arguments = parser.parse_args()
    first, step = (int(number) for number in arguments.part.split("/"))
    for training in tqdm(list(trainings())[first::step], desc="trainings", unit="net"):
        train(training, arguments.dataset_dir, arguments.output)
    for row in tqdm(list(rows())[first::step], desc="evaluations", unit="row"):
        for seed in row.seeds:
            if (arguments.output / training_of(row, seed).folder / "trained").exists():
                evaluate(row, seed, arguments.dataset_dir, arguments.output)
                if arguments.outside is not None and row.images is None:
                    evaluate(row, seed, arguments.outside, arguments.output, "sunnybrook_")
    if step == 1:  # the table needs all of them: after several processes, a last start without --part
        write_table(arguments.dataset_dir, arguments.outside, arguments.output)


def training_of(row: Row, seed: int) -> Training:
    """The network that a line measures."""
    return Training(row.training, row.variant, row.images, seed)


def write_table(dataset_dir: Path, outside: Path | None, output: Path) -> None:
    """``table.md`` and ``dice.png`` from the metrics of all lines."""
    lines = [
        f"| data | method | images | centre | {' | '.join(METRICS.values())} | Dice by seed | invented | missed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    points: dict[str, dict[int, float]] = {}
    total = len(left_ventricle_datalist(dataset_dir, "train", slices="object"))
    for row in rows():
        folders = [evaluate(row, seed, dataset_dir, output) for seed in row.seeds]
        lines.append(table_line("ACDC", row, folders))
        if row.evaluation.startswith("true_centre"):
            dice = np.concatenate([values(folder, "val_mean_dice") for folder in folders])
            points.setdefault(row.title, {})[row.images or total] = float(np.nanmean(dice))
        if outside is not None and row.images is None:
            lines.append(table_line("Sunnybrook", row, [evaluate(row, 0, outside, output, "sunnybrook_")]))
    draw(points, output / "dice.png")
    (output / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
