"""Atrium phantoms: one connected structure with thin veins, seeded, and files as the challenge has them."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from monai_lsext.data.datalists import volume_folder_datalist
from monai_lsext.data.phantoms import PHANTOM_TASKS, atrium_phantom


@pytest.mark.parametrize("seed", range(4))
def test_one_structure_of_a_possible_size_with_thin_veins_on_both_sides(seed: int) -> None:
    phantom = atrium_phantom(seed, (60, 48, 32), 1.9)
    assert phantom.image.dtype == np.int16
    assert set(np.unique(phantom.label)) == {0, 1}
    assert ndimage.label(phantom.label, np.ones((3, 3, 3)))[1] == 1
    assert 25 < phantom.label.sum() * 1.9**3 / 1000 < 90
    # what an opening by a ball of 8 mm takes away are veins and appendage; some reach far to either side
    body = ndimage.distance_transform_edt(phantom.label, sampling=1.9) > 8
    body = ndimage.distance_transform_edt(~body, sampling=1.9) <= 8
    thin = (phantom.label > 0) & ~body
    assert 0.01 < thin.sum() / phantom.label.sum() < 0.35
    centre = ndimage.center_of_mass(phantom.label)[0]
    sides = 1.9 * (np.nonzero(thin)[0] - centre)
    assert sides.min() < -22
    assert sides.max() > 22


def test_blood_is_brighter_and_intensities_are_scaled() -> None:
    image, label, _ = atrium_phantom(3)
    assert abs(float(image.mean())) < 1
    assert abs(float(image.std()) - 32) < 1
    assert image[label > 0].mean() > image[label == 0].mean() + 25


def test_is_seeded() -> None:
    first, again, other = (atrium_phantom(seed, (32, 32, 24), 3.0) for seed in (1, 1, 2))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.label, again.label)
    assert not np.array_equal(first.label, other.label)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (88, 72, 8)}, "`shape` must be three numbers >= 24"),
        ({"spacing_mm": 0}, "`spacing_mm` must be > 0, got 0"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        atrium_phantom(0, **options)


def test_files(tmp_path: Path) -> None:
    folder = PHANTOM_TASKS["left_atrium"](tmp_path / "phantoms", 3, 1)
    items = volume_folder_datalist(folder, "all") + volume_folder_datalist(folder, "test")
    assert [item["case"] for item in items] == ["phantom_0000", "phantom_0001", "phantom_0002"]
    image, label = (nib.nifti1.load(items[1][key]) for key in ("image", "label"))
    phantom = atrium_phantom(100_003 + 1)
    assert np.array_equal(np.asarray(image.dataobj), phantom.image)
    assert np.array_equal(np.asarray(label.dataobj), phantom.label)
    assert nib.aff2axcodes(label.affine) == ("R", "A", "S")
    assert np.allclose(image.header.get_zooms(), 1.25)
    with open(folder / "index.csv", newline="") as stream:
        volumes = [float(row["volume_ml"]) for row in csv.DictReader(stream)]
    assert abs(volumes[1] - phantom.label.sum() * 1.25**3 / 1000) < 0.01
