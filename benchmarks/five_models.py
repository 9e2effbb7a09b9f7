"""The five models of the FCN-levelset paper and two controls, on part of the labels: what does a level set add?

    python -m benchmarks.five_models --bundle fcn_levelset_left_ventricle --dataset_dir DATA --output DIR \\
        [--shares 0.5 0.1] [--seeds 0 1 2] [--outside OTHER]

trains and evaluates with the bundle's own configs, writes ``table.md``, and goes on where it was interrupted when it is
started again. The seed draws the labelled patients, those that choose the best weights, and the first weights; the test
part is the same for all.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import ttest_rel
from tqdm import tqdm

from benchmarks.common import run_bundle
from monai_lsext.apps.compare import read_metric
from monai_lsext.data.datalists import left_ventricle_datalist, liver_datalist

DATALISTS = {"fcn_levelset_left_ventricle": left_ventricle_datalist, "fcn_levelset_liver": liver_datalist}
METRICS = {"val_mean_dice": "Dice", "iou": "IoU"}
OUTSIDE = ("i", "iv", "v")


@dataclass(frozen=True)
class Model:
    """One line of the table: the stage whose weights it has, the variants that are laid over, and its name."""

    name: str
    title: str
    stage: str
    variants: tuple[str, ...]

    def seeds(self, seeds: list[int]) -> list[int]:
        """Those of the command line, or the first of them."""
        return seeds[:1] if self.stage == "continued" else seeds


MODELS = (
    Model("i", "i, pre-trained", "pretrained", ("i_pretrained",)),
    Model("i_largest", "i + largest component", "pretrained", ("i_pretrained", "largest_component")),
    Model("i_longer", "i, trained as long as iii", "continued", ("i_pretrained",)),
    Model("ii", "ii, i + level set", "pretrained", ("ii_pretrained_level_set",)),
    Model("iii", "iii, joint", "joint", ("iii_joint",)),
    Model("iv", "iv, joint + level set", "joint", ("iv_joint_level_set",)),
    Model("v", "v, all labels", "all_labels", ("v_all_labels",)),
)
STAGES = {
    "pretrained": "i_pretrained",
    "continued": "iii_joint",  # without its unlabelled images
    "joint": "iii_joint",
    "all_labels": "v_all_labels",
}


@dataclass(frozen=True)
class Study:
    """What the command line asks for."""

    bundle: str
    dataset_dir: Path
    output: Path
    outside: Path | None

    def folder(self, stage: str, share: float, seed: int) -> Path:
        """Weights, logs and metrics of a stage; all labels are one share."""
        return self.output / ("all" if stage == "all_labels" else f"{share:g}") / f"seed{seed}" / stage

    def train(self, stage: str, share: float, seed: int) -> None:
        """Train unless it is done."""
        folder = self.folder(stage, share, seed)
        if (folder / "trained").exists():
            return
        options = {
            "dataset_dir": str(self.dataset_dir),
            "output_dir": str(folder),
            "ckpt_dir": str(folder / "models"),
            "seed": str(seed),
        }
        if stage != "all_labels":
            options["labelled_share"] = str(share)
        if stage == "continued":
            options["unlabelled"] = "False"
        if stage in ("continued", "joint"):
            options["stage_weights"] = str(self.folder("pretrained", share, seed) / "models" / "model.pt")
        run_bundle(self.bundle, ["train.yaml", f"variants/{STAGES[stage]}.yaml"], options, folder / "train.log")
        (folder / "trained").touch()

    def evaluate(self, model: Model, share: float, seed: int, outside: bool = False) -> Path:
        """Evaluate on the test part unless it is done; the folder of the metrics."""
        folder = self.folder(model.stage, share, seed)
        target = folder / (f"outside_{model.name}" if outside else model.name)
        if not (target / "evaluation" / "val_mean_dice_raw.csv").exists():
            options = {
                "dataset_dir": str(self.outside if outside else self.dataset_dir),
                "output_dir": str(target),
                "ckpt_dir": str(folder / "models"),
                "seed": str(seed),
                **({"validate#slices": "$None"} if "left_ventricle" in self.bundle else {}),
            }
            configs = ["train.yaml", "evaluate.yaml", *[f"variants/{name}.yaml" for name in model.variants]]
            run_bundle(self.bundle, configs, options, target / "evaluate.log")
        return target / "evaluation"

    def patients(self, outside: bool = False) -> dict[str, str]:
        """Case of the test part -> patient."""
        root = self.outside if outside else self.dataset_dir
        items = DATALISTS[self.bundle](str(root), "test")  # type: ignore[operator]
        return {item["case"]: str(item.get("patient", item["case"])) for item in items}


def values(folder: Path, metric: str) -> dict[str, float]:
    """Case -> value; not a number where the truth is empty."""
    return dict(next(iter(read_metric(folder / f"{metric}_raw.csv").values())))


def by_patient(folders: list[Path], patients: dict[str, str]) -> np.ndarray:
    """Mean Dice of each patient over cases and seeds, in the order of their names."""
    found: dict[str, list[float]] = {}
    for folder in folders:
        for case, dice in values(folder, "val_mean_dice").items():
            found.setdefault(patients[case], []).append(dice)
    return np.array([np.nanmean(found[patient]) for patient in sorted(found)])


def table(study: Study, shares: list[float], seeds: list[int], outside: bool = False) -> list[str]:
    """Means and standard deviations over the cases of all seeds, Dice of each seed, p of iv against the line."""
    lines = [
        f"| labels | model | {' | '.join(METRICS.values())} | Dice by seed | p against iv |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    patients = study.patients(outside)
    for share in shares:
        models = [model for model in MODELS if not outside or model.name in OUTSIDE]
        folders = {m.name: [study.evaluate(m, share, seed, outside) for seed in m.seeds(seeds)] for m in models}
        for model in models:
            mine = folders[model.name]
            method = by_patient(folders["iv"][: len(mine)], patients)
            cells = [f"{100 * share:g} %", model.title]
            for metric in METRICS:
                pooled = np.array([value for folder in mine for value in values(folder, metric).values()])
                cells.append(f"{np.nanmean(pooled):.3f} ± {np.nanstd(pooled, ddof=1):.3f}")
            cells.append(", ".join(f"{np.nanmean(list(values(f, 'val_mean_dice').values())):.3f}" for f in mine))
            same = model.name == "iv"
            cells.append("" if same else f"{ttest_rel(method, by_patient(mine, patients)).pvalue:.2g}")
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Train what is missing, evaluate what is missing, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", required=True, choices=sorted(DATALISTS))
    parser.add_argument("--dataset_dir", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 0.1], help="of the patients with labels")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--outside", type=Path, help="measured, never trained on")
    arguments = parser.parse_args()
    study = Study(arguments.bundle, arguments.dataset_dir, arguments.output, arguments.outside)
    first = arguments.seeds[0]
    todo = [
        (stage, share, seed)
        for seed in arguments.seeds
        for share in arguments.shares
        for stage in STAGES
        if stage != "continued" or seed == first
    ]
    for stage, share, seed in tqdm(todo, desc="trainings", unit="net"):
        study.train(stage, share, seed)
    lines = table(study, arguments.shares, arguments.seeds)
    if study.outside is not None:
        lines += ["", *table(study, arguments.shares, arguments.seeds, outside=True)]
    (study.output / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
