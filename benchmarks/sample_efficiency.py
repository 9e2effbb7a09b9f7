"""Left ventricle on ACDC against the number of training images: which contour model needs how many?

    python -m benchmarks.sample_efficiency --dataset_dir ACDC --output DIR [--outside SUNNYBROOK]

trains and evaluates with the bundles' own configs, writes ``table.md`` and ``dice.png``, and goes on where it was
interrupted when it is started again. All methods see the same labelled slices; the best weights are chosen by the Dice
of the same patients, taken out of training. All but FCN-levelset share augmentation, optimiser and about the number
of images seen, U-Net and EDPCNN the backbone; FCN-levelset is trained as by its own bundle, also on all other slices
without their labels.
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

BUNDLE, FCN_BUNDLE = "edpcnn_left_ventricle", "fcn_levelset_left_ventricle"
SEEDS: dict[int | None, tuple[int, ...]] = {5: (0, 1, 2), 10: (0, 1, 2), 25: (0,), 50: (0,), 100: (0,), None: (0,)}
ALL_IMAGES = 374  # slices with a ventricle of the patients that are trained on
JITTERS = (0.1, 0.2, 0.3, 0.4, 0.5)
METRICS = {"val_mean_dice": "Dice", "assd_px": "ASSD, px", "hd_px": "HD, px"}
NO_CENTRE = {"network_def#localiser": "none"}
SCHEDULE = {"crop_size": "[144,144]", "val_interval": "4", "train#trainer#max_epochs": "12"}  # 300 iterations
RACENET_SCHEDULE = {"val_interval": "12", "train#trainer#max_epochs": "36"}  # smaller batches: images seen count
TITLES = {
    "synthetic": "EDPCNN, synthetic gradients",
    "exact": "EDPCNN, exact likelihood",
    "racenet": "RACE-net",
    "fcn": "FCN-levelset",
}


@dataclass(frozen=True)
class Training:
    """One network, trained on some images by one seed."""

    name: str
    images: int | None
    seed: int

    @property
    def folder(self) -> str:
        return f"{self.name}_{self.images or 'all'}_seed{self.seed}"

    @property
    def joint(self) -> bool:
        """Whether it learns to find the centre itself."""
        return self.name.endswith("_joint")

    @property
    def models(self) -> str:
        """Where the weights of its last stage lie."""
        return f"{self.folder}/joint/models" if self.name == "fcn" and self.images else f"{self.folder}/models"


@dataclass(frozen=True)
class Row:
    """One line of the table: trainings of one name and number of images, evaluated in one way."""

    title: str
    training: str
    images: int | None
    evaluation: str
    variants: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the trainings that the line pools; a displaced centre is tried on one network."""
        return (0,) if self.evaluation.startswith("jitter") else seeds_of(self.training, self.images)

    @property
    def compared(self) -> bool:
        """Whether it is a point of the figure: the centre is given, or the method has no use for one."""
        return self.evaluation.startswith("true_centre")


def seeds_of(name: str, images: int | None) -> tuple[int, ...]:
    """Several for the comparison that the EDPCNN paper makes, where images are few."""
    return SEEDS[images] if name in ("unet", "synthetic", "exact") else (0,)


def trainings() -> Iterator[Training]:
    """All networks, those with few images first."""
    for images in SEEDS:
        for name in ("unet", *TITLES):
            yield from (Training(name, images, seed) for seed in seeds_of(name, images))
    for name in ("exact_joint", "synthetic_joint"):
        yield Training(name, 10, 0)


def rows() -> Iterator[Row]:
    """All lines of the table."""
    none = tuple(NO_CENTRE.items())
    for images in SEEDS:
        yield Row("U-Net", "unet", images, "true_centre", ("unet",))
        yield Row("U-Net + DP", "unet", images, "true_centre_dp", ("unet_dp",))
        yield Row("U-Net + level set", "unet", images, "true_centre_level_set", ("unet", "level_set_refined"))
        yield Row(TITLES["synthetic"], "synthetic", images, "true_centre", ("synthetic",), none)
        yield Row(TITLES["exact"], "exact", images, "true_centre", ("exact",), none)
        yield Row(TITLES["racenet"], "racenet", images, "true_centre", ("racenet",))
        yield Row(TITLES["fcn"], "fcn", images, "true_centre", ("iv_joint_level_set",))
    for images in (10, None):
        yield Row("U-Net", "unet", images, "automatic", ("unet",))
        yield Row("U-Net + DP", "unet", images, "automatic_dp", ("unet_dp",))
    for name in ("synthetic", "exact"):
        yield Row(TITLES[name], f"{name}_joint", 10, "automatic", (name,))
        for jitter in JITTERS:
            option = ("validate#jitter", str(jitter))
            yield Row(TITLES[name], name, 10, f"jitter_{jitter}", (name,), (*none, option))


def train(training: Training, dataset_dir: Path, output: Path) -> None:
    """Train unless it is done; the selection of the best weights sees the true centre when the method needs it."""
    folder = output / training.folder
    if (folder / "trained").exists():
        return
    options = {"dataset_dir": str(dataset_dir), "seed": str(training.seed)}
    if training.images is not None:
        options["num_images"] = str(training.images)
    if training.name == "fcn":
        _train_fcn(training, options, folder)
    else:
        configs = ["train.yaml", f"variants/{training.name.removesuffix('_joint')}.yaml"]
        configs += [] if training.joint else ["variants/true_centre.yaml"]
        options |= {"output_dir": str(folder), "ckpt_dir": str(folder / "models"), **SCHEDULE}
        options |= RACENET_SCHEDULE if training.name == "racenet" else {}
        options |= NO_CENTRE if training.name in ("synthetic", "exact") else {}
        run_bundle(BUNDLE, configs, options, folder / "train.log")
    (folder / "trained").touch()


def _train_fcn(training: Training, options: dict[str, str], folder: Path) -> None:
    """On the labelled slices, then on these and the unlabelled ones; with all labels there is no second stage."""
    options |= {"val_interval": "6"}
    first = {**options, "output_dir": str(folder), "ckpt_dir": str(folder / "models")}
    variant = "v_all_labels" if training.images is None else "i_pretrained"
    run_bundle(FCN_BUNDLE, ["train.yaml", f"variants/{variant}.yaml"], first, folder / "train.log")
    if training.images is not None:
        second = {**options, "output_dir": str(folder / "joint"), "ckpt_dir": str(folder / "joint" / "models")}
        second |= {"stage_weights": str(folder / "models" / "model.pt")}
        run_bundle(FCN_BUNDLE, ["train.yaml", "variants/iii_joint.yaml"], second, folder / "joint" / "train.log")


def evaluate(row: Row, seed: int, dataset_dir: Path, output: Path, label: str = "") -> Path:
    """Evaluate on the test part unless it is done; the folder of the metrics."""
    training = training_of(row, seed)
    target = output / training.folder / f"{label}{row.evaluation}"
    metrics = target / "evaluation"
    if (metrics / "val_mean_dice_raw.csv").exists():
        return metrics
    options = {
        "dataset_dir": str(dataset_dir),
        "output_dir": str(target),
        "ckpt_dir": str(output / training.models),
        **dict(row.options),
    }
    configs = ["train.yaml", *(f"variants/{name}.yaml" for name in row.variants), "evaluate.yaml"]
    if row.training == "fcn":
        options["validate#slices"] = "object"
    elif not row.evaluation.startswith("automatic"):
        configs.append("variants/true_centre.yaml")
    bundle = FCN_BUNDLE if row.training == "fcn" else BUNDLE
    run_bundle(bundle, configs, options, target / "evaluate.log")
    return metrics


def values(folder: Path, metric: str) -> np.ndarray:
    """One number for each slice; infinite and nan where a distance has nothing to measure."""
    return np.array(list(next(iter(read_metric(folder / f"{metric}_raw.csv").values())).values()))


def _centre(row: Row) -> str:
    """How the method learns where the ventricle is."""
    if row.training == "fcn":
        return "none"
    return row.evaluation.removesuffix("_dp").removesuffix("_level_set").replace("_", " ")


def table_line(data: str, row: Row, folders: list[Path]) -> str:
    """Mean and standard deviation over the slices of all seeds, Dice of each seed, shares of wrong presence."""
    cells = [data, row.title, str(row.images or "all"), _centre(row)]
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


Points = dict[str, dict[int, list[float]]]  # method -> number of images -> Dice of each seed


def draw(panels: dict[str, Points], path: Path) -> None:
    """Dice against the number of images, a panel for each data set; bars reach from the worst seed to the best."""
    figure = Figure(figsize=(5.2 * len(panels), 4.2), layout="constrained")
    for axes, (data, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for title, by_number in points.items():
            means = np.array([np.mean(dice) for dice in by_number.values()])
            reach = np.array([[min(dice), max(dice)] for dice in by_number.values()]).T
            contour = not title.startswith("U-Net")
            axes.errorbar(
                list(by_number),
                means,
                np.abs(reach - means),
                marker="o" if contour else "s",
                linestyle="-" if contour else "--",
                capsize=3,
                label=title,
            )
        axes.set_xscale("log")
        numbers = sorted({number for by_number in points.values() for number in by_number})
        axes.set_xticks(numbers, [str(number) for number in numbers])
        axes.minorticks_off()
        axes.set_xlabel("training images with labels")
        axes.set_ylabel("Dice of the left ventricle")
        axes.set_title(data)
        axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
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
                if arguments.outside is not None and row.compared:
                    evaluate(row, seed, arguments.outside, arguments.output, "sunnybrook_")
    if step == 1:  # the table needs all of them: after several processes, a last start without --part
        write_table(arguments.dataset_dir, arguments.outside, arguments.output)


def training_of(row: Row, seed: int) -> Training:
    """The network that a line measures."""
    return Training(row.training, row.images, seed)


def write_table(dataset_dir: Path, outside: Path | None, output: Path) -> None:
    """``table.md`` and ``dice.png`` from the metrics of all lines."""
    lines = [
        f"| data | method | images | centre | {' | '.join(METRICS.values())} | Dice by seed | invented | missed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    panels: dict[str, Points] = {"ACDC": {}, **({} if outside is None else {"Sunnybrook": {}})}
    for row in rows():
        for data, root, label in (("ACDC", dataset_dir, ""), ("Sunnybrook", outside, "sunnybrook_")):
            if root is None or (label and not row.compared):
                continue
            folders = [evaluate(row, seed, root, output, label) for seed in row.seeds]
            lines.append(table_line(data, row, folders))
            if row.compared:
                dice = [float(np.nanmean(values(folder, "val_mean_dice"))) for folder in folders]
                panels[data].setdefault(row.title, {})[row.images or ALL_IMAGES] = dice
    draw(panels, output / "dice.png")
    (output / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
