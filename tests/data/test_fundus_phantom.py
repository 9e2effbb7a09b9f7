"""Fundus phantoms: the same seed gives the same bytes, the cup lies in the disc, sizes keep to what is promised."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_lsext.data.phantoms import PHANTOM_TASKS, fundus_phantom, write_fundus_phantoms


def extent(mask: np.ndarray) -> tuple[int, int]:
    """Height and width in pixels."""
    rows, columns = np.nonzero(mask)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def test_same_seed_same_bytes() -> None:
    first, second, other = (fundus_phantom(seed) for seed in (7, 7, 8))
    assert first.image.tobytes() == second.image.tobytes()
    assert first.label.tobytes() == second.label.tobytes()
    assert first.image.tobytes() != other.image.tobytes()


@pytest.mark.parametrize(
    ("view", "seeds", "shape", "share"),
    [("crop", 20, (400, 400), (0.34, 0.54)), ("full", 3, (900, 1000), (0.14, 0.21))],
)
def test_geometry(view: str, seeds: int, shape: tuple[int, int], share: tuple[float, float]) -> None:
    for seed in range(seeds):
        image, label = fundus_phantom(seed, view=view)
        assert image.dtype == label.dtype == np.uint8
        assert (image.shape, label.shape) == ((*shape, 3), shape)
        assert set(np.unique(label)) == {0, 1, 2}
        disc, cup = label >= 1, label == 2
        ring = disc & ~cup
        assert (extent(ring), disc.sum() > cup.sum()) == (extent(disc), True)  # the cup never touches the outline
        assert share[0] <= extent(disc)[0] / min(shape) <= share[1]
        assert 0.3 <= extent(cup)[0] / extent(disc)[0] <= 0.8
        red = image[..., 0].astype(float)
        field = image.max(axis=2) > 8
        assert red[disc].mean() > 1.15 * red[field & ~disc].mean()
        green = image[..., 1].astype(float)
        assert np.quantile(green[cup], 0.9) > np.quantile(green[ring], 0.75)


def test_photograph_has_a_round_field_on_black() -> None:
    image = fundus_phantom(0, view="full").image
    assert image[:40, :40].max() <= 8
    assert image[-40:, -40:].max() <= 8
    assert image[450, 20:980].max(axis=1).min() > 8


def test_own_size() -> None:
    assert fundus_phantom(0, size=(96, 128)).label.shape == (96, 128)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"view": "side"}, r"`view` must be one of \['crop', 'full'\], got 'side'"),
        ({"size": (32, 400)}, r"`size` must be two numbers >= 64, got \(32, 400\)"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        fundus_phantom(0, **arguments)  # type: ignore[arg-type]


def test_written_set(tmp_path: Path) -> None:
    folder = write_fundus_phantoms(tmp_path / "set", num=4, seed=3, num_test=1, num_full=1)
    with open(folder / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows] == ["Training"] * 3 + ["Test"]
    for row in rows:
        label = np.asarray(Image.open(folder / "roi" / "labels" / f"{row['case']}.png"))
        assert label.shape == (400, 400)
        assert (int(row["px_disc"]), int(row["px_cup"])) == ((label >= 1).sum(), (label == 2).sum())
    x, y = int(rows[0]["roi_x0"]), int(rows[0]["roi_y0"])
    for name in ("images", "labels"):  # the crop is a part of the photograph
        photograph = np.asarray(Image.open(folder / "full" / name / "phantom_0000.png"))
        crop = np.asarray(Image.open(folder / "roi" / name / "phantom_0000.png"))
        np.testing.assert_array_equal(photograph[y : y + 400, x : x + 400], crop)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_common_signature_and_prefix(tmp_path: Path) -> None:
    PHANTOM_TASKS["optic_disc_cup"](tmp_path / "short", 2, 5)
    (tmp_path / "long").mkdir()
    PHANTOM_TASKS["optic_disc_cup"](str(tmp_path / "long"), 3, 5)
    for path in (tmp_path / "short" / "roi").rglob("*.png"):
        assert path.read_bytes() == (tmp_path / "long" / path.relative_to(tmp_path / "short")).read_bytes()


def test_bad_number_of_photographs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`num_full` must be 0 to 4, got 5"):
        write_fundus_phantoms(tmp_path / "set", num=4, num_full=5)
