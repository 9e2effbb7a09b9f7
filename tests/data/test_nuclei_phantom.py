"""Phantoms of nuclei: the same seed gives the same bytes, nuclei are blue and may touch, files tell the truth."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label as components

from monai_lsext.data.datalists import nuclei_datalist
from monai_lsext.data.phantoms import nuclei_phantom, write_nuclei_phantoms


def contacts(instances: np.ndarray) -> int:
    """Number of pairs of nuclei that share a border."""
    pairs = [
        np.stack([a.ravel(), b.ravel()], axis=1)
        for a, b in ((instances[1:], instances[:-1]), (instances[:, 1:], instances[:, :-1]))
    ]
    both = np.sort(np.concatenate(pairs), axis=1)
    both = both[(both[:, 0] > 0) & (both[:, 0] != both[:, 1])]
    return len(np.unique(both, axis=0))


def test_same_seed_same_bytes() -> None:
    first, second, other = (nuclei_phantom(seed, (96, 128)) for seed in (7, 7, 8))
    assert first.image.tobytes() == second.image.tobytes()
    assert first.instances.tobytes() == second.instances.tobytes()
    assert first.image.tobytes() != other.image.tobytes()


def test_nuclei() -> None:
    touching = 0
    for seed in range(8):
        image, instances = nuclei_phantom(seed)
        assert (image.shape, image.dtype) == ((256, 256, 3), np.uint8)
        assert (instances.shape, instances.dtype) == ((256, 256), np.uint16)
        assert np.unique(instances).tolist() == list(range(instances.max() + 1))
        assert 0.03 < (instances > 0).mean() < 0.4
        nuclei, between = (image[mask].mean(axis=0) for mask in (instances > 0, instances == 0))
        assert nuclei[0] < between[0] - 15  # haematoxylin takes away the red, eosin does not
        pairs = contacts(instances)
        assert components(instances > 0)[1] <= instances.max() - min(pairs, 1)
        touching += pairs
    assert touching >= 40


def test_own_size() -> None:
    phantom = nuclei_phantom(0, (64, 96))
    assert (phantom.image.shape, phantom.instances.shape) == ((64, 96, 3), (64, 96))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"seed": -1}, "`seed` must be >= 0, got -1"),
        ({"seed": 0, "size": (64, 63)}, r"`size` must be two numbers >= 64, got \(64, 63\)"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        nuclei_phantom(**arguments)  # type: ignore[arg-type]


def test_written_set(tmp_path: Path) -> None:
    folder = write_nuclei_phantoms(tmp_path / "set", num=4, seed=3, num_test=1, size=(64, 80))
    with open(folder / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows] == ["train"] * 3 + ["test"]
    for index, row in enumerate(rows):
        label = np.asarray(Image.open(folder / "labels" / "colour" / f"{row['name']}.png"))
        assert label.shape == (64, 80)
        np.testing.assert_array_equal(label, nuclei_phantom(300_009 + index, (64, 80)).instances)
        assert (int(row["n_nuclei"]), int(row["px_foreground"])) == (label.max(), (label > 0).sum())
    assert [item["case"] for item in nuclei_datalist(folder, "test")] == ["phantom_0003"]
