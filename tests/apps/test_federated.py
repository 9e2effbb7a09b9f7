"""Federated training: the average by hand, MonaiAlgo for every bundle, two sites that are better together."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from monai.fl.utils.exchange_object import ExchangeObject
from PIL import Image
from scipy import ndimage
from torch import Tensor

from monai_lsext.apps.federated import average_weights, bundle_site, simulate
from monai_lsext.data.phantoms import PHANTOM_TASKS, write_nuclei_phantoms

sys.path.append(str(Path(__file__).parents[1] / "bundles"))
from cases import CASES, Case

NUCLEI = "racenet_nuclei"
OPTIONS: dict[str, dict[str, Any]] = {
    # a round's step must not depend on the warm-up
    "racenet_left_atrium": {"lr_scheduler#warmup_multiplier": 1.0},
    # the network below the recurrence trains first: the whole one must travel
    "pnet_birnn_pancreas": {
        "train#network": "@network",
        "train#inferer": "$lambda images, network, *args, **kwargs: network.pnet(images)",
    },
}


def small(case: Case) -> dict[str, Any]:
    """The overrides of the bundle tests, as values."""
    tiny = {name: yaml.safe_load(str(value)) for name, value in case.tiny.items()}
    return {**tiny, "val_interval": 1}


def test_average_by_hand() -> None:
    sites = [
        {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)},
        {"w": torch.tensor([5.0, 0.0]), "n": torch.tensor(9)},
    ]
    averaged = average_weights(sites, [1, 3])
    assert averaged["w"].tolist() == [4.0, 0.5]
    assert averaged["w"].dtype == torch.float32
    assert averaged["n"] == 3


@pytest.mark.parametrize(
    ("weights", "shares", "message"),
    [
        ([], [], "one number > 0 for each of 0 sites, got"),
        ([{"w": torch.zeros(1)}], [0], r"one number > 0 for each of 1 sites, got \[0\]"),
        ([{"w": torch.zeros(1)}, {"v": torch.zeros(1)}], [1, 1], "`weights` must have the same keys at every site"),
    ],
)
def test_bad_averages(weights: list[dict[str, Tensor]], shares: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        average_weights(weights, shares)


def test_bad_simulations(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`sites` must name at least one folder, got none"):
        simulate(NUCLEI, [], tmp_path)
    with pytest.raises(ValueError, match="`rounds` must be >= 1, got 0"):
        simulate(NUCLEI, [tmp_path], tmp_path, rounds=0)


def equal(one: Any, other: Any) -> bool:
    return all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=c.name, marks=[] if c.name == NUCLEI else pytest.mark.slow) for c in CASES.values()],
)
def test_every_bundle_is_a_client(case: Case, tmp_path: Path) -> None:
    """Initialise, train two rounds, get and set weights, evaluate; the shipped weights stay."""
    data = tmp_path / "data"
    PHANTOM_TASKS[case.task](data, case.num, 0)
    shipped = (case.folder / "models" / "model.pt").read_bytes()
    site = bundle_site(case.name, data, tmp_path / "site", **small(case), **OPTIONS.get(case.name, {}))
    start = dict(site.get_weights().weights)
    given = {key: value + 0.01 if value.is_floating_point() else value for key, value in start.items()}
    given = {key: value.clone() for key, value in given.items()}
    trained = []
    for _ in range(2):
        site.train(ExchangeObject(weights=given))
        trained.append({key: value.clone() for key, value in site.get_weights().weights.items()})
    assert not equal(trained[0], given)
    # the second round starts from the given weights too, not from the first round's or its checkpoint
    drift = [max(float((t[k].double() - given[k]).abs().max()) for k in t) for t in trained]
    assert drift[1] < 3 * drift[0]
    metrics = site.evaluate(ExchangeObject(weights=trained[1])).metrics
    assert metrics
    site.finalize()
    assert (case.folder / "models" / "model.pt").read_bytes() == shipped


def redrawn(folder: Path, filtered: Callable[..., np.ndarray]) -> Path:
    """Outlines by a reader who draws them two pixels too far outside (grey dilation) or inside (grey erosion)."""
    for path in sorted((folder / "labels").rglob("*.png")):
        Image.fromarray(filtered(np.asarray(Image.open(path)), size=5)).save(path)
    return folder


@pytest.mark.slow
def test_two_sites_together_beat_each_alone(tmp_path: Path) -> None:
    """Four pictures at each site, outlined too large at one and too small at the other; measured on true outlines."""
    options = {
        **small(CASES[NUCLEI]),
        "window": [64, 64],
        "crops": 4,
        "fold": None,
        "overlap": 0.25,
        "val_interval": 30,
    }
    large, tight = (
        redrawn(write_nuclei_phantoms(tmp_path / name, num=5, seed=seed, num_test=1, size=(96, 128)), filtered)
        for name, seed, filtered in (("large", 100, ndimage.grey_dilation), ("tight", 200, ndimage.grey_erosion))
    )
    test = write_nuclei_phantoms(tmp_path / "test", num=13, seed=300, num_test=12, size=(96, 128))
    scores = []
    for name, sites in (("together", [large, tight]), ("large_alone", [large]), ("tight_alone", [tight])):
        common = simulate(NUCLEI, sites, tmp_path / f"run_{name}", rounds=30, local_epochs=1, **options)
        judge = bundle_site(NUCLEI, test, tmp_path / f"run_{name}" / "judge", **options)
        scores.append(judge.evaluate(ExchangeObject(weights=common)).metrics["val_mean_dice"])
        judge.finalize()
    print("mean Dice of twelve pictures, together and each site alone:", scores)
    together, *alone = scores
    assert together > max(alone), scores
