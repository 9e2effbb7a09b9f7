"""``predict`` on public DICOM series (folder named by LSEXT_DATA); SEG as dcmqi reads it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_readers import read_by_dcmqi
from stub_bundle import write_one_label_bundle

from monai_lsext.__main__ import main
from monai_lsext.apps.dicom.cases import DicomInput
from monai_lsext.apps.dicom.rtstruct import contours_mm
from monai_lsext.apps.dicom.series import scan
from monai_lsext.registry import bundle_info

DATA = Path(os.environ.get("LSEXT_DATA", "/nowhere")).absolute()
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not (DATA / "ibsi_sts").is_dir(), reason="LSEXT_DATA does not name a folder with ibsi_sts"),
]
PATIENT = "SCD0000101"  # name and identifier in one


def values(path: Path) -> np.ndarray:
    return np.asanyarray(nib.nifti1.load(path).dataobj)


def check_segs(output: Path, number: int) -> None:
    """Every SEG holds the voxels of the mask, on its grid."""
    masks = sorted(output.glob("*_seg.nii.gz"))
    assert len(masks) == number
    for path in masks:
        image = nib.nifti1.load(path)
        found = read_by_dcmqi(path.with_name(path.name.replace(".nii.gz", ".dcm")), image.affine, image.shape)
        np.testing.assert_array_equal(found, values(path))
        assert found.any()


def predict(bundle: str | Path, source: Path, output: Path) -> int:
    command = ["predict", "--bundle", str(bundle), "--input", str(source), "--output", str(output)]
    return main([*command, "--trust", "--seg", "--device", "cpu"])


def test_left_ventricle_of_a_cine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = DATA / "sunnybrook" / "dicoms" / PATIENT
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    for name, path in zip(np.random.default_rng(1).permutation(18), sorted(source.iterdir()), strict=True):
        shutil.copy(path, shuffled / f"{name}")
    for name, folder in (("out", source), ("again", shuffled)):
        assert predict("edpcnn_left_ventricle", folder, tmp_path / name) == 0
    check_segs(tmp_path / "out", 2)
    for path in (tmp_path / "out").glob("*_phase?_*"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    (fraction,) = (tmp_path / "out").glob("*_ejection_fraction.json")
    assert 0 < json.loads(fraction.read_text())["ejection_fraction_percent"] < 100
    (report, *_) = (tmp_path / "out").glob("*_phase1_report.json")
    assert json.loads(report.read_text())["warnings"][:3] == [
        "invalid values were emptied: AcquisitionDate, ContentDate, PatientBirthDate, SeriesDate, StudyDate",
        "identifiers have a component with a leading zero: kept, so that references are found",
        "the images state 9 frames of reference though they lie on one grid: one was generated",
    ]
    texts = [*capsys.readouterr(), *(path.name for path in (tmp_path / "out").iterdir())]
    texts += [path.read_text() for path in (tmp_path / "out").glob("*.json")]
    assert not [text for text in texts if PATIENT in text]


@pytest.mark.parametrize("patient", [PATIENT, "SCD0000201", "SCD0000401", "SCD0000501"])
def test_phases_are_those_of_the_data_set(patient: str) -> None:
    cases = DicomInput(scan(DATA / "sunnybrook" / "dicoms" / patient), bundle_info("any", {})).cases.values()
    for case, phase in zip(cases, ("ES", "ED"), strict=True):  # the trigger times of end systole are earlier
        volume = case.read()
        given = nib.nifti1.load(DATA / "sunnybrook" / "nifti" / f"{patient}_{phase}_img.nii.gz")
        np.testing.assert_array_equal(volume.values[..., ::-1], np.asanyarray(given.dataobj))
        flip = np.diag([1.0, 1, -1, 1])
        flip[2, 3] = given.shape[2] - 1
        np.testing.assert_allclose(volume.affine @ flip, given.affine, atol=0.02)


@pytest.mark.parametrize("name", ["CT", "MR_T1"])
def test_voxels_and_grid_are_those_of_the_nifti_file(name: str) -> None:
    (case,) = DicomInput(scan(DATA / "ibsi_sts/dicom/STS_002" / name), bundle_info("any", {})).cases.values()
    volume = case.read()
    given = nib.nifti1.load(DATA / "ibsi_sts" / "nifti" / "STS_002" / f"{name}_image.nii.gz")
    np.testing.assert_array_equal(volume.values, np.asanyarray(given.dataobj))
    np.testing.assert_allclose(volume.affine, given.affine, atol=1e-4)


@pytest.mark.parametrize("name", ["CT", "MR_T1"])
def test_contours_of_the_mask_lie_on_the_drawn_ones(name: str) -> None:
    """The radiologist's polygons, of which the data set's mask was made."""
    mask = nib.nifti1.load(DATA / "ibsi_sts" / "nifti" / "STS_002" / f"{name}_mask.nii.gz")
    (path,) = (DATA / "ibsi_sts" / "dicom" / "STS_002" / name / "mask").iterdir()
    drawn = [
        np.array(contour.ContourData, dtype=float).reshape(-1, 3)
        for contour in pydicom.dcmread(path).ROIContourSequence[0].ContourSequence
    ]
    distances_px = []
    for _, points in contours_mm(np.asanyarray(mask.dataobj) > 0, mask.affine):
        lines = [polygon for polygon in drawn if abs(polygon[0, 2] - points[0, 2]) < 0.5]
        assert lines
        distances_px.append(np.min([to_polygon(points, line) for line in lines], axis=0) / 0.976562)
    distances = np.concatenate(distances_px)
    assert distances.mean() <= 0.5
    assert np.percentile(distances, 95) <= 1


def to_polygon(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Distance of points [n, 3] to a closed line [m, 3]."""
    start, along = polygon, np.roll(polygon, -1, axis=0) - polygon
    length = np.maximum((along**2).sum(1), 1e-12)
    share = (((points[:, None] - start) * along).sum(-1) / length).clip(0, 1)
    return np.linalg.norm(points[:, None] - start - share[..., None] * along, axis=-1).min(1)


@pytest.mark.parametrize(("folder", "number"), [("ibsi_sts/dicom", 2), ("ct_dcmqi", 1)])
def test_seg_of_other_series(tmp_path: Path, folder: str, number: int) -> None:
    write_one_label_bundle(tmp_path / "slices", "slices")
    assert predict(tmp_path / "slices", DATA / folder, tmp_path / "out") == 0
    check_segs(tmp_path / "out", number)
