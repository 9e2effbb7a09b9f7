"""The section on numbers of training images: worked by hand from given cases; the runs it stands on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks.reproduce.efficiency import STEP, draw_efficiency, efficiency_lines, efficiency_points
from benchmarks.sample_efficiency import ALL_IMAGES, SEEDS, Training, rows, training_of, trainings


def records(**dice: list[float | None]) -> dict[str, dict[str, Any]]:
    """Names as ``exact_5_true_centre``, with ``sunnybrook_`` before it for the other hospital."""
    methods = {}
    for name, values in dice.items():
        *data, training, images, rest = name.replace("sunnybrook_", "sunnybrook@", 1).replace("@", " ", 1).split("_", 2)
        methods[" ".join([*data, training, images, rest])] = {"values": {"val_mean_dice": values}}
    return {STEP: {"methods": methods}}


GIVEN = records(
    exact_5_true_centre=[0.8, 1.0, 0.6, None, 0.5, 0.7],  # three seeds of two cases
    unet_5_true_centre=[0.1, 0.3, 0.2, 0.4, 0.5, 0.7],
    unet_all_true_centre=[0.9, 0.7],
    unet_10_automatic=[1.0],
    sunnybrook_unet_all_true_centre=[0.6, 0.8],
)


def test_seeds_are_told_apart_and_missing_cases_left_out() -> None:
    points = efficiency_points(GIVEN[STEP]["methods"])
    assert points["ACDC"]["EDPCNN, exact likelihood"] == {5: pytest.approx([0.9, 0.6, 0.6])}
    assert points["ACDC"]["U-Net"] == {5: pytest.approx([0.2, 0.3, 0.6]), ALL_IMAGES: pytest.approx([0.8])}
    assert points["Sunnybrook"] == {"U-Net": {ALL_IMAGES: pytest.approx([0.7])}}


def test_the_table_has_the_best_in_bold_and_the_range_of_the_seeds() -> None:
    lines = efficiency_lines(GIVEN)
    assert f"| ACDC, images | 5 | {ALL_IMAGES} |" in lines
    assert "| EDPCNN, exact likelihood | **0.700** (0.600 to 0.900) |  |" in lines
    assert "| U-Net | 0.367 (0.200 to 0.600) | **0.800** |" in lines
    assert "| U-Net | **0.700** |" in lines
    assert efficiency_lines({}) == []


def test_the_picture_is_drawn_once_there_is_something_to_draw(tmp_path: Path) -> None:
    draw_efficiency({}, tmp_path / "few.png")
    assert not (tmp_path / "few.png").exists()
    draw_efficiency(GIVEN, tmp_path / "few.png")
    with Image.open(tmp_path / "few.png") as picture:
        assert picture.size == (1248, 504)  # two panels


def test_every_line_measures_a_network_that_is_trained() -> None:
    trained = set(trainings())
    assert len(trained) == len(list(trainings())) == 3 * sum(map(len, SEEDS.values())) + 2 * len(SEEDS) + 2
    assert {training_of(row, seed) for row in rows() for seed in row.seeds} == trained


def test_the_weights_of_fcn_levelset_are_those_of_its_last_stage() -> None:
    assert Training("fcn", 5, 2).models == "fcn_5_seed2/joint/models"
    assert Training("fcn", None, 0).models == "fcn_all_seed0/models"
    assert Training("unet", 5, 0).models == "unet_5_seed0/models"
