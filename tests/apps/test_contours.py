"""Contours as files: polygons in voxels and in the patient, and the map of what the last steps do not agree on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from skimage.draw import polygon2mask
from stub_bundle import box, expected_labels, save_photograph, save_volume, write_one_label_bundle

from monai_lsext.__main__ import main

SIZE = (20, 16, 5)
OBLIQUE = np.array([[1.2, 0.3, 0.5, -31.7], [-0.2, 1.1, 1.9, 12.1], [0.05, -0.4, 7.7, 90.3], [0, 0, 0, 1]])


def predict(tmp_path: Path, form: str, image: Path, *more: str) -> Path:
    bundle, output = tmp_path / form, tmp_path / "out"
    if not bundle.exists():
        write_one_label_bundle(bundle, form)
    command = ["predict", "--bundle", str(bundle), "--input", str(image), "--output", str(output), "--trust", *more]
    assert main(command) == 0
    return output


def content(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def ring_with_a_hole() -> np.ndarray:
    mask = box(SIZE, (3, 12), (4, 11), (1, 4))
    mask[6:8, 6:9, 2] = False
    return mask


def rasterised(contours: list[dict[str, Any]]) -> np.ndarray:
    """Voxels whose centres lie in an odd number of a slice's rings."""
    mask = np.zeros(SIZE, dtype=bool)
    for contour in contours:
        for ring in contour["points_px"]:
            mask[..., contour["slice"]] ^= polygon2mask(SIZE[:2], ring)
    return mask


def test_polygons_of_a_volume_enclose_its_mask(tmp_path: Path) -> None:
    mask = ring_with_a_hole()
    save_volume(tmp_path / "heart.nii.gz", mask, OBLIQUE)
    found = content(predict(tmp_path, "slices", tmp_path / "heart.nii.gz") / "heart_contours.json")
    assert found["case"] == "heart"
    assert found["bundle"]["name"] == "slices"
    assert [(one["label"], one["slice"], len(one["points_px"])) for one in found["contours"]] == [
        ("cavity", 1, 1),
        ("cavity", 2, 2),
        ("cavity", 3, 1),
    ]
    np.testing.assert_array_equal(rasterised(found["contours"]), mask)
    for contour in found["contours"]:
        for ring_px, ring_mm in zip(contour["points_px"], contour["points_mm"], strict=True):
            assert ring_px[0] == ring_px[-1]
            for (i, j), (x, y, z) in zip(ring_px, ring_mm, strict=True):
                expected = OBLIQUE @ [i, j, contour["slice"], 1]
                # the file holds its affine in single precision
                assert (-x, -y, z) == pytest.approx(tuple(expected[:3]), abs=1e-4)


def test_without_a_known_unit_there_are_no_millimetres(tmp_path: Path) -> None:
    save_volume(tmp_path / "heart.nii.gz", ring_with_a_hole(), OBLIQUE, unit=None)
    found = content(predict(tmp_path, "slices", tmp_path / "heart.nii.gz") / "heart_contours.json")
    assert all("points_mm" not in contour for contour in found["contours"])
    save_volume(tmp_path / "heart.nii.gz", ring_with_a_hole(), np.diag([2000.0, 2000, 3000, 1]), unit="micron")
    found = content(predict(tmp_path, "slices", tmp_path / "heart.nii.gz") / "heart_contours.json")
    low = np.concatenate(found["contours"][0]["points_mm"]).min(0)
    np.testing.assert_allclose(low, [-2 * 11.5, -2 * 10.5, 3])


def test_photographs_get_the_regions_as_geojson(tmp_path: Path, bundle: Path) -> None:
    image = save_photograph(tmp_path / "eye.png")
    command = ["predict", "--bundle", str(bundle), "--input", str(image), "--output", str(tmp_path / "out"), "--trust"]
    assert main(command) == 0
    features = content(tmp_path / "out" / "eye_contours.geojson")["features"]
    labels = expected_labels()
    areas = [("optic disc", int((labels > 0).sum())), ("optic cup", int((labels == 2).sum()))]
    assert [(one["properties"]["label"], one["properties"]["area_px"]) for one in features] == areas
    rows, columns = np.nonzero(labels)
    assert features[0]["bbox"] == [columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5]


def test_uncertainty_is_where_the_last_steps_differ(tmp_path: Path) -> None:
    mask = ring_with_a_hole()
    save_volume(tmp_path / "heart.nii.gz", mask, OBLIQUE)
    output = predict(tmp_path, "settling_slices", tmp_path / "heart.nii.gz", "--uncertainty")
    found = nib.nifti1.load(output / "heart_uncertainty.nii.gz")
    np.testing.assert_allclose(found.affine, OBLIQUE, rtol=1e-6)
    assert found.get_data_dtype() == np.float32
    # 200 and 40 of 255 by the network, which found nothing before
    inside, outside = (1 / (1 + np.exp(10 - 20 * grey / 255)) - 1 / (1 + np.exp(10.0)) for grey in (200, 40))
    np.testing.assert_allclose(np.asanyarray(found.dataobj), np.where(mask, inside, outside), atol=1e-6)
    mask_file = nib.nifti1.load(output / "heart_seg.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(mask_file.dataobj), mask)
    # p_max = difference + sigmoid(-10)
    ranges = mask.sum() * inside + (~mask).sum() * outside
    spread = ranges / (ranges + mask.size / (1 + np.exp(10.0)))
    assert content(output / "heart_report.json")["step_spread"] == pytest.approx(spread, abs=1e-4)


def test_uncertainty_of_a_photograph_is_a_picture(tmp_path: Path) -> None:
    image = save_photograph(tmp_path / "eye.png")
    output = predict(tmp_path, "settling", image, "--uncertainty")
    found = np.asarray(Image.open(output / "eye_uncertainty.png"))
    np.testing.assert_array_equal(found > 127, expected_labels() > 0)
    assert found.max() > 250


def test_a_network_without_steps_has_no_uncertainty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_volume(tmp_path / "heart.nii.gz", ring_with_a_hole())
    write_one_label_bundle(tmp_path / "slices", "slices")
    command = ["predict", "--bundle", str(tmp_path / "slices"), "--input", str(tmp_path / "heart.nii.gz"), "--trust"]
    assert main([*command, "--output", str(tmp_path / "out"), "--uncertainty"]) == 2
    assert "`--uncertainty` needs a bundle whose network has steps of time, got slices" in capsys.readouterr().err
