"""Abdomen phantoms: Hounsfield units, one pancreas of a possible size, slices without contrast, seeds, files."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from monai_lsext.data.datalists import volume_folder_datalist
from monai_lsext.data.phantoms import PHANTOM_TASKS, AbdomenPhantom, abdomen_files, abdomen_phantom

SMALL = {"shape": (64, 48, 32), "spacing_mm": (5.0, 5.0, 4.0)}


def contrast(phantom: AbdomenPhantom, z: int) -> float:
    """Mean density inside the label over that of a ring around it, in one slice, where neither is gas or bone."""
    inside = phantom.label[..., z] > 0
    ring = ndimage.binary_dilation(inside, iterations=2) & ~ndimage.binary_dilation(inside)
    image = phantom.image[..., z]
    return float(np.median(image[inside]) - np.median(image[ring]))


@pytest.mark.parametrize("seed", range(4))
def test_one_curved_organ_of_a_possible_size(seed: int) -> None:
    phantom = abdomen_phantom(seed, **SMALL)
    assert phantom.image.dtype == np.int16
    assert set(np.unique(phantom.label)) == {0, 1}
    parts = ndimage.sum_labels(phantom.label, *ndimage.label(phantom.label)[:1], range(1, 9))
    assert parts.max() > 0.97 * phantom.label.sum()
    assert 25 < phantom.label.sum() * 100 / 1000 < 110
    extent = [np.ptp(places) * side for places, side in zip(np.nonzero(phantom.label), (5, 5, 4), strict=True)]
    assert extent[0] > 90
    head, tail = np.percentile(np.nonzero(phantom.label)[0], [95, 5])
    heights = [np.nonzero(phantom.label[x])[1].mean() for x in (int(head), int(tail))]
    assert heights[1] > heights[0] + 3  # the tail, on the left, lies higher


def test_hounsfield_units() -> None:
    image, label, _, _, dropped = abdomen_phantom(1, **SMALL)
    assert image.min() < -950
    assert image.max() > 250
    shown = np.delete(np.arange(32), dropped)
    pancreas = np.median(image[..., shown][label[..., shown] > 0])
    assert 75 < pancreas < 120
    body = image[8:-8, 8:-8]
    assert 0.2 < ((body > -130) & (body < -60)).mean() < 0.8  # fat
    assert (np.abs(body - pancreas) < 25).mean() - label.mean() > 0.05  # other tissue is as dense


@pytest.mark.parametrize("dropouts", [(), (1,), (2, 3)])
def test_contrast_is_lost_in_the_dropped_slices_alone(dropouts: tuple[int, ...]) -> None:
    phantom = abdomen_phantom(2, (64, 48, 48), (5.0, 5.0, 2.5), dropouts)
    runs = np.split(np.array(phantom.dropped), np.flatnonzero(np.diff(phantom.dropped) > 1) + 1)
    assert sorted(len(run) for run in runs if len(run)) == sorted(dropouts)
    shown = np.flatnonzero(phantom.label.any((0, 1)))
    assert all(shown[2] <= z <= shown[-3] for z in phantom.dropped)
    whole = abdomen_phantom(2, (64, 48, 48), (5.0, 5.0, 2.5), ())
    assert np.array_equal(whole.label, phantom.label)
    for z in phantom.dropped:
        assert contrast(phantom, z) < 0.5 * contrast(abdomen_phantom(2, (64, 48, 48), (5.0, 5.0, 2.5), ()), z)


def test_is_seeded() -> None:
    first, again, other = (abdomen_phantom(seed, **SMALL) for seed in (1, 1, 2))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.label, again.label)
    assert not np.array_equal(first.label, other.label)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (64, 48, 8)}, "`shape` must be three numbers >= 16"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "`spacing_mm` must be three numbers > 0"),
        ({"dropouts": (0,)}, r"`dropouts` must be numbers >= 1, got \[0\]"),
        ({**SMALL, "dropouts": (40,)}, r"`dropouts` must fit into the \d+ slices of the pancreas, got \[40\]"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        abdomen_phantom(0, **options)


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abdomen_files, "abdomen_phantom", lambda seed: abdomen_phantom(seed, **SMALL))
    folder = PHANTOM_TASKS["pancreas"](tmp_path / "phantoms", 3, 1)
    items = volume_folder_datalist(folder, "all") + volume_folder_datalist(folder, "test")
    assert [item["case"] for item in items] == ["phantom_0000", "phantom_0001", "phantom_0002"]
    image, label = (nib.nifti1.load(items[1][key]) for key in ("image", "label"))
    phantom = abdomen_phantom(100_003 + 1, **SMALL)
    assert np.array_equal(np.asarray(image.dataobj), phantom.image)
    assert np.array_equal(np.asarray(label.dataobj), phantom.label)
    assert nib.aff2axcodes(label.affine) == ("R", "A", "S")
    assert np.allclose(image.header.get_zooms(), (5, 5, 4))
    with open(folder / "index.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert abs(float(rows[1]["volume_ml"]) - phantom.label.sum() * 0.1) < 0.01
    assert tuple(int(z) for z in rows[1]["dropped_slices"].split()) == phantom.dropped
