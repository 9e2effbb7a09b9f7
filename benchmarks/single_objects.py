"""One object in a window of 64 x 64: RLS conv and dense, F-ConNet, and four classical level sets, on the same windows.

    python -m benchmarks.single_objects --dataset_dir FOLDER --output DIR

trains the nets with the configs of ``rls_object``, chooses the classical methods' parameters on the training windows,
measures all of them on the test windows, writes ``table.md``, and goes on where it was interrupted when it is started
again. All level sets start from the largest disc, as RLS does. Which side of a classical contour is the object is not
known: it is the side that holds most of the window's middle quarter; no label is looked at.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import yaml
from monai.bundle import ConfigParser
from scipy.stats import ttest_rel
from torch import Tensor
from tqdm import tqdm

from benchmarks.common import run_bundle, time_in_turn_ms
from monai_lsext.apps.compare import read_metric
from monai_lsext.data.datalists import single_object_datalist
from monai_lsext.evolution import chan_vese, drlse, legendre_level_set, local_intensity_clustering
from monai_lsext.metrics import PixelScore
from monai_lsext.networks.layers import initial_level_set
from monai_lsext.registry import find_bundle

BUNDLE = "rls_object"
BASE = "RLS conv"
NETS = {BASE: None, "F-ConNet": "fconnet", "RLS dense": "dense_64"}
METRICS = {"f_measure": "f1 score", "precision": "precision", "recall": "recall"}
BATCHES = (1, 64)
CHOSEN_ON = 60  # windows
Evolution = Callable[..., Tensor]
Scores = dict[str, dict[str, float]]  # case -> metric -> value


def _drlse(image: Tensor, area: float, sigma: float) -> Tensor:
    disk = initial_level_set("disk", image.shape[2:], image.device)
    return drlse(image, 2 * disk.sign().expand(image.shape), num_iter=200, area=area, sigma=sigma)


# method -> its function and the values that are tried on the training windows
CLASSICAL: dict[str, tuple[Evolution, dict[str, list[float]]]] = {
    "Chan-Vese": (chan_vese, {"nu": [0.01, 0.03, 0.1, 0.3]}),
    "DRLSE": (_drlse, {"area": [3.0, 5.0, 8.0, 12.0], "sigma": [0.8, 1.5]}),
    "Li 2011": (local_intensity_clustering, {"sigma": [5.0, 10.0], "nu": [0.0003, 0.001]}),
    "L2S": (legendre_level_set, {"degree": [1, 2], "nu": [0.02, 0.1, 0.3]}),
}


@dataclass(frozen=True)
class Setting:
    """What all methods of a run share."""

    dataset_dir: Path
    output: Path
    epochs: int
    dense_epochs: int
    fold: int
    seed: int

    def folder(self, name: str) -> Path:
        return self.output / name.lower().replace(" ", "_")

    def epochs_of(self, name: str) -> int:
        return self.dense_epochs if name == "RLS dense" else self.epochs

    def options(self, name: str) -> dict[str, str]:
        folder, epochs = str(self.folder(name)), self.epochs_of(name)
        return {
            "dataset_dir": str(self.dataset_dir),
            "output_dir": folder,
            "ckpt_dir": folder,
            "fold": str(self.fold),
            "seed": str(self.seed),
            "train#trainer#max_epochs": str(epochs),
            "val_interval": str(min(5, epochs)),
        }


@dataclass(frozen=True)
class Windows:
    """A part of the data as the nets see it: image and label [N, 1, 64, 64], names of cases and of their pictures."""

    image: Tensor
    label: Tensor
    cases: list[str]
    pictures: list[str]


def configs(name: str, *more: str) -> list[str]:
    """The bundle's configs of a net."""
    return ["train.yaml", *([f"variants/{NETS[name]}.yaml"] if NETS[name] else []), *more]


def parsed_bundle(name: str, setting: Setting) -> ConfigParser:
    """The bundle's training configuration."""
    root = find_bundle(BUNDLE)
    parser = ConfigParser()
    parser.read_config([root / "configs" / file for file in configs(name)])
    options = {"bundle_root": str(root), **setting.options(name)}
    parser.update({key: yaml.safe_load(value) for key, value in options.items()})
    return parser


def windows(part: str, setting: Setting) -> Windows:
    """Prepared as for validation."""
    parser = parsed_bundle(BASE, setting)
    prepare = parser.get_parsed_content("validate#preprocessing")
    items = single_object_datalist(
        setting.dataset_dir, part, setting.fold, seed=setting.seed, context=parser["context"]
    )
    prepared = [prepare(dict(item)) for item in items]
    image, label = (torch.stack([item[key].as_tensor().float() for item in prepared]) for key in ("image", "label"))
    return Windows(image, label, [item["case"] for item in items], [item["picture"] for item in items])


def object_side(phi: Tensor) -> Tensor:
    """Mask of the side of the contour that holds most of the middle quarter, [B, 1, H, W]."""
    inside = phi > 0
    rows, columns = (slice(3 * side // 8, side - 3 * side // 8) for side in phi.shape[2:])
    is_object = inside[..., rows, columns].float().mean((1, 2, 3), keepdim=True) >= 0.5
    return (inside == is_object).float()


def scores(mask: Tensor, label: Tensor) -> dict[str, list[float]]:
    """One value for each window."""
    return {
        name: torch.as_tensor(PixelScore(metric)(mask, label)).flatten().tolist() for name, metric in METRICS.items()
    }


def train_and_measure(name: str, setting: Setting) -> Scores:
    """A net by the bundle's own commands."""
    folder = setting.folder(name)
    if not (folder / "trained").exists():
        run_bundle(BUNDLE, configs(name), setting.options(name), folder / "train.log")
        (folder / "trained").touch()
    if not (folder / "evaluation").exists():
        run_bundle(BUNDLE, configs(name, "evaluate.yaml"), setting.options(name), folder / "evaluate.log")
    columns = {metric: read_metric(folder / "evaluation" / f"{metric}_raw.csv")["class0"] for metric in METRICS}
    return {case: {metric: columns[metric][case] for metric in METRICS} for case in columns["f_measure"]}


@torch.no_grad()
def choose(name: str, training: Windows) -> dict[str, float]:
    """The parameters with the best mean F-measure on some windows, evenly taken from the training part."""
    method, grid = CLASSICAL[name]
    some = torch.linspace(0, len(training.image) - 1, min(CHOSEN_ON, len(training.image))).long()
    tried = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    found = [
        np.mean(scores(object_side(method(training.image[some], **one)), training.label[some])["f_measure"])
        for one in tqdm(tried, desc=name, leave=False)
    ]
    return tried[int(np.argmax(found))]


def measure_classical(name: str, training: Windows, test: Windows, setting: Setting) -> tuple[dict[str, float], Scores]:
    """The chosen parameters and the test scores, from a file where there is one."""
    path = setting.folder(name) / "measured.json"
    if not path.exists():
        parameters = choose(name, training)
        values = scores(object_side(CLASSICAL[name][0](test.image, **parameters)), test.label)
        by_case = {case: {key: values[key][i] for key in METRICS} for i, case in enumerate(test.cases)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"parameters": parameters, "scores": by_case}, indent=1))
    measured = json.loads(path.read_text())
    return measured["parameters"], measured["scores"]


@torch.no_grad()
def times_ms(test: Windows, parameters: dict[str, dict[str, float]], setting: Setting) -> dict[str, list[float]]:
    """Median time per image of each method, at each batch size."""
    nets: dict[str, Callable[[Tensor], Tensor]] = {
        name: parsed_bundle(name, setting).get_parsed_content("network_def").eval() for name in NETS
    }
    methods = nets | {name: partial(CLASSICAL[name][0], **parameters[name]) for name in CLASSICAL}
    found: dict[str, list[float]] = {name: [] for name in methods}
    for batch in BATCHES:
        image = test.image[torch.arange(batch) % len(test.image)]
        timed = time_in_turn_ms([partial(method, image) for method in methods.values()], 1, 5 if batch == 1 else 2)
        for name, row in zip(methods, timed, strict=True):
            found[name].append(row["median_ms"] / batch)
    return found


def by_picture(measured: Scores, test: Windows) -> np.ndarray:
    """Mean F-measure of each picture or patient: windows of one are no independent cases."""
    groups: dict[str, list[float]] = {}
    for case, picture in zip(test.cases, test.pictures, strict=True):
        groups.setdefault(picture, []).append(measured[case]["f_measure"])
    return np.array([np.mean(values) for values in groups.values()])


def table(
    measured: dict[str, Scores],
    notes: dict[str, str],
    times: dict[str, list[float]],
    test: Windows,
) -> list[str]:
    """Lines of Markdown."""
    lines = [
        f"| {len(test.cases)} windows of {len(set(test.pictures))} | F-measure | precision | recall "
        "| p against RLS conv | ms, batch 1 | ms per image, batch 64 | training or parameters |",
        "|" + " --- |" * 8,
    ]
    base = by_picture(measured[BASE], test)
    for name, found in measured.items():
        cells = [name]
        for metric in METRICS:
            values = np.array([found[case][metric] for case in test.cases])
            cells.append(f"{np.nanmean(values):.3f} ± {np.nanstd(values, ddof=1):.3f}")
        cells.append("" if name == BASE else f"{ttest_rel(by_picture(found, test), base).pvalue:.2g}")
        cells += [f"{time:.2f}" for time in times[name]]
        lines.append("| " + " | ".join([*cells, notes[name]]) + " |")
    return lines


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--epochs", type=int, default=40, help="of RLS conv and F-ConNet")
    parser.add_argument("--dense_epochs", type=int, default=40, help="of RLS dense: a minute of one core each")
    parser.add_argument("--fold", type=int, default=0, help="validation fold, by which the weights are chosen")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Train and measure what is missing, then write the table."""
    arguments = parsed()
    folders = {"dataset_dir": arguments.dataset_dir.absolute(), "output": arguments.output.absolute()}
    setting = Setting(**{**vars(arguments), **folders})
    training, test = windows("train", setting), windows("test", setting)
    measured, notes, parameters = {}, {}, {}
    for name in CLASSICAL:
        parameters[name], measured[name] = measure_classical(name, training, test, setting)
        notes[name] = ", ".join(f"{key} {value:g}" for key, value in parameters[name].items())
    for name in tqdm(NETS, desc="nets", unit="net"):
        measured[name] = train_and_measure(name, setting)
        notes[name] = f"{setting.epochs_of(name)} epochs"
    times = times_ms(test, parameters, setting)
    lines = table({name: measured[name] for name in (*NETS, *CLASSICAL)}, notes, times, test)
    (setting.output / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
