"""Draw the pictures of fcn_levelset_left_ventricle's docs anew: draw_five_models.py RUN DATA

RUN is a share's folder in the output of benchmarks.five_models, such as DIR/0.5; DATA a folder of Sunnybrook (CC0).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from monai.bundle import ConfigParser
from torch import Tensor

from monai_lsext.evolution import DistanceRegularisation, EnergyTerm, Length, ProbabilityFit, evolve
from monai_lsext.networks.nets import LevelSetFCN
from monai_lsext.registry import find_bundle

BUNDLE = "fcn_levelset_left_ventricle"
SEED = "seed0"
ROWS = 4
HALF_PX = 28
ITERATIONS = (0, 5, 15, 50)
OFFSET_PX = 8


def parsed(data: Path) -> ConfigParser:
    """The bundle's evaluation on the slices with a ventricle."""
    root = find_bundle(BUNDLE)
    parser = ConfigParser()
    parser.read_config([root / "configs" / name for name in ("train.yaml", "evaluate.yaml")])
    parser["bundle_root"], parser["dataset_dir"], parser["validate#slices"] = str(root), str(data), "object"
    return parser


def probability(weights: Path, image: Tensor) -> Tensor:
    """The network's map [1, 1, W, H] of an image [1, W, H]."""
    network = LevelSetFCN(variant="left_ventricle")
    network.load_state_dict(torch.load(weights, weights_only=True))
    with torch.no_grad():
        return torch.sigmoid(network.eval()(image[None]))


def show(axes: Any, image: Tensor, truth: Tensor, mask: Tensor | None) -> None:
    """Grey image [W, H] about the object with the expert's contour (dashed) and a mask's (orange)."""
    starts = [max(int(place) - HALF_PX, 0) for place in truth.nonzero().float().mean(0)]
    place = tuple(slice(start, start + 2 * HALF_PX) for start in starts)
    axes.imshow(image[place].T, cmap="gray")
    axes.contour(truth[place].T, levels=[0.5], colors="white", linewidths=1.0, linestyles="dashed")
    if mask is not None and mask[place].any() and not mask[place].all():
        axes.contour(mask[place].float().T, levels=[0.5], colors="orange", linewidths=1.6)
    axes.set_axis_off()


def draw_models(run: Path, items: list[dict[str, Any]], refiner: Any, target: Path) -> None:
    """Slices below each other, the five models side by side."""
    stages = {"pretrained": ("i", "ii"), "joint": ("iii", "iv"), "all_labels": ("v", None)}
    figure = Figure(figsize=(10, 2 * len(items)), layout="constrained")
    for row, (axes_of, item) in enumerate(zip(figure.subplots(len(items), 5), items, strict=True)):
        column = 0
        for stage, names in stages.items():
            folder = run.parent / "all" if stage == "all_labels" else run
            p = probability(folder / SEED / stage / "models" / "model.pt", item["image"])
            for name, mask in zip(names, (p > 0.5, refiner(p, item["image"][None]) > 0), strict=True):
                if name is not None:
                    show(axes_of[column], item["image"][0], item["truth"][0], mask[0, 0])
                    axes_of[column].set_title(name if row == 0 else "")
                    column += 1
    figure.savefig(target, dpi=100)


def draw_starts(run: Path, item: dict[str, Any], target: Path) -> None:
    """Figure 2 of the paper: the same energies from a circle drawn by hand, and from the probability map."""
    p = probability(run / SEED / "joint" / "models" / "model.pt", item["image"])
    terms: list[EnergyTerm] = [ProbabilityFit(p), Length(0.4), DistanceRegularisation(0.2)]
    centre = item["truth"][0].nonzero().float().mean(0)
    axes = torch.meshgrid(*[torch.arange(float(side)) for side in p.shape[2:]], indexing="ij")
    distance = (torch.stack(axes) - (centre + OFFSET_PX)[:, None, None]).norm(dim=0)
    starts = {"circle by hand": (OFFSET_PX - distance)[None, None], "probability map": 10 * (p - 0.5)}
    figure = Figure(figsize=(2 * len(ITERATIONS), 4.2), layout="constrained")
    for axes_of, (name, start) in zip(figure.subplots(2, len(ITERATIONS)), starts.items(), strict=True):
        for axis, number in zip(axes_of, ITERATIONS, strict=True):
            show(axis, item["image"][0], item["truth"][0], evolve(start, terms, number, 1.0).phi[0, 0] > 0)
            axis.set_title(f"{name}, {number}", fontsize=8)
    figure.savefig(target, dpi=100)


def main(run: Path, data: Path) -> None:
    """Both pictures, of slices spread over the data."""
    parser = parsed(data)
    dataset = parser.get_parsed_content("validate#dataset")
    items = []
    for k in range(ROWS):
        item = dataset[round((k + 0.5) * len(dataset) / ROWS)]
        items.append({key: torch.as_tensor(item[key])[..., 0].float() for key in ("image", "truth")})
    folder = find_bundle(BUNDLE) / "docs"
    draw_models(run, items, parser.get_parsed_content("refiner"), folder / "five_models.png")
    draw_starts(run, items[1], folder / "starts.png")


if __name__ == "__main__":
    main(*[Path(argument) for argument in sys.argv[1:]])
