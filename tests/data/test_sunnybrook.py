"""Sunnybrook's list and reader: contours become masks, phases and faults are recognised, volumes lie in space."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from monai.transforms import LoadImaged
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from monai_lsext.data.datalists import sunnybrook_datalist
from monai_lsext.data.sunnybrook_reader import SunnybrookReader, contour_mask, read_contour

COLUMNS, ROWS = 9, 7
STEP_MM = (0.0, 0.0, -8.0)


def save_dicom(path: Path, position: tuple[float, ...], time_ms: float, value: int, **changed: Any) -> None:
    """One frame whose rows run backwards along the patient's y and whose columns run along x."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, MRImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    frame = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    frame.StudyDate = "00000000"  # as in the data set
    frame.ImagePositionPatient, frame.ImageOrientationPatient = list(position), [1, 0, 0, 0, -1, 0]
    frame.PixelSpacing, frame.SliceThickness, frame.TriggerTime = [1.5, 1.25], 8, time_ms
    frame.Rows, frame.Columns, frame.SamplesPerPixel = ROWS, COLUMNS, 1
    frame.PhotometricInterpretation, frame.PixelRepresentation = "MONOCHROME2", 1
    frame.BitsAllocated, frame.BitsStored, frame.HighBit = 16, 16, 15
    frame.PixelData = (value + np.arange(ROWS * COLUMNS, dtype=np.int16).reshape(ROWS, COLUMNS)).tobytes()
    for name, changed_value in changed.items():
        setattr(frame, name, changed_value)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.save_as(path, enforce_file_format=True)


def save_square(path: Path, side: int) -> None:
    """Contour half a pixel outside of ``side`` x ``side`` pixels from column 2, row 1."""
    x, y, far = 1.5, 0.5, side
    path.parent.mkdir(parents=True, exist_ok=True)
    corners = ((x, y), (x + far, y), (x + far, y + far), (x, y + far))
    path.write_text("".join(f"{column:.2f} {row:.2f}\n" for column, row in corners))


def contour(root: Path, number: int, original: str = "SC-HF-I-05") -> Path:
    return root / "contourfiles" / original / "i-contours" / f"IM-0001-{number:04d}-icontour-manual.txt"


@pytest.fixture
def dicom(tmp_path: Path) -> Path:
    """One patient with three slices in diastole (late) and two in systole, and one without any file."""
    (tmp_path / "link.csv").write_text("patient_id,original_id\nSCD01,SC-HF-I-5\nSCD02,SC-HF-I-6\n")
    for k, (systole, diastole) in enumerate([(8, 19), (28, 39), (48, 59)]):
        position = tuple(np.array([10.0, 20.0, 30.0]) + k * np.array(STEP_MM))
        for number, time_ms, side in ((systole, 280.0 + 3 * k, 2), (diastole, 690.0 + 5 * k, 4)):
            save_dicom(tmp_path / "dicoms" / "SCD01" / f"{number}.dcm", position, time_ms, number)
            if number != 48:  # the last slice has no ventricle in systole
                save_square(contour(tmp_path, number), side)
    outer = tmp_path / "contourfiles" / "SC-HF-I-05" / "o-contours" / "IM-0001-0019-ocontour-manual.txt"
    outer.parent.mkdir()
    outer.write_text("not read")
    return tmp_path


def load(item: dict[str, Any]) -> dict[str, Any]:
    return LoadImaged(["image", "label"], reader=["NibabelReader", SunnybrookReader()])(item)  # type: ignore[no-any-return]


def test_phases(dicom: Path) -> None:
    ed, es = sunnybrook_datalist(dicom)
    assert [(item["case"], item["phase"]) for item in (ed, es)] == [("SCD01_ED", "ED"), ("SCD01_ES", "ES")]
    assert [Path(path).name for path in ed["image"]] == ["19.dcm", "39.dcm", "59.dcm"]
    assert ed["label"] == ed["image"] + [str(contour(dicom, number)) for number in (19, 39, 59)]
    assert [Path(path).name for path in es["image"]] == ["8.dcm", "28.dcm"]


def test_one_phase_alone_is_diastole(dicom: Path) -> None:
    for number in (8, 28):
        contour(dicom, number).unlink()
    assert [(item["phase"], len(item["image"])) for item in sunnybrook_datalist(dicom)] == [("ED", 3)]


def test_volume_and_mask(dicom: Path) -> None:
    loaded = load(sunnybrook_datalist(dicom)[0])
    frame = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS).T
    np.testing.assert_array_equal(loaded["image"], np.stack([frame + 19, frame + 39, frame + 59], axis=-1))
    expected = np.zeros((COLUMNS, ROWS, 3))
    expected[2:6, 1:5] = 1
    np.testing.assert_array_equal(loaded["label"], expected)
    # columns 1.25 mm along x, rows -1.5 mm along y, LPS to RAS
    affine = [[-1.25, 0, 0, -10], [0, 1.5, 0, -20], [0, 0, -8, 30], [0, 0, 0, 1]]
    for key in ("image", "label"):
        np.testing.assert_allclose(loaded[key].affine, affine)
        assert "00000000" not in str(loaded[key].meta)


def test_rescaled_intensities_and_one_slice(dicom: Path) -> None:
    path = dicom / "one.dcm"
    save_dicom(path, (0, 0, 0), 0, 5, RescaleSlope=2, RescaleIntercept=-1)
    image = load({"image": str(path), "label": [str(path), str(contour(dicom, 19))]})["image"]
    assert image.shape == (COLUMNS, ROWS, 1)
    assert image[1, 0, 0] == 2 * 6 - 1
    np.testing.assert_allclose(image.affine[:, 2], [0, 0, -8, 0])  # x cross -y in LPS


@pytest.mark.parametrize(
    ("points", "pixels"),
    [
        ([(2, 1), (4, 1), (4, 3), (2, 3)], {(c, r) for c in (2, 3, 4) for r in (1, 2, 3)}),  # centres on the contour
        ([(1.6, 0.6), (3.4, 0.6), (3.4, 2.4), (1.6, 2.4)], {(2, 1), (3, 1), (2, 2), (3, 2)}),
        ([(-3, -3), (1.2, -3), (1.2, 0.7), (-3, 0.7)], {(0, 0), (1, 0)}),  # cut at the image's border
    ],
)
def test_contour_is_filled_by_pixel_centres(points: list[tuple[float, float]], pixels: set[tuple[int, int]]) -> None:
    mask = contour_mask(np.array(points, dtype=float), (COLUMNS, ROWS))
    assert {(int(c), int(r)) for c, r in np.argwhere(mask)} == pixels


@pytest.mark.parametrize(
    "text", ["", "1 2\n3 4\n", "1 2\n3 4\nfive 6\n", "1 2\n3 4\n5\n", "1 2\n3 4\n5 nan\n", "1\n2\n3\n"]
)
def test_bad_contour_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(
        ValueError, match=r"c\.txt: expected at least 3 lines with column and row, found something else"
    ):
        read_contour(tmp_path / "c.txt")


@pytest.mark.parametrize(
    ("position", "changed", "text"),
    [
        ((10, 20, 9), {}, "frames must be evenly spaced, got steps of 8.0, 13.0 mm"),
        (
            (10, 20, 14),
            {"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]},
            "frames must have one orientation, got several",
        ),
        ((10, 20, 14), {"Rows": 8}, "frames must have one size, got 9x7 and 9x8"),
    ],
)
def test_frames_that_make_no_volume(dicom: Path, position: tuple[int, ...], changed: dict[str, Any], text: str) -> None:
    save_dicom(dicom / "dicoms" / "SCD01" / "59.dcm", position, 700, 59, **changed)
    reader = SunnybrookReader()
    with pytest.raises(ValueError, match=text):
        reader.get_data(reader.read(sunnybrook_datalist(dicom)[0]["image"]))


def test_reader_refuses_other_files(dicom: Path) -> None:
    item = sunnybrook_datalist(dicom)[0]
    with pytest.raises(ValueError, match=r"expected \.dcm frames and \*-icontour-manual\.txt files, got a\.nii\.gz"):
        SunnybrookReader().read(dicom / "a.nii.gz")
    with pytest.raises(ValueError, match="expected one contour for each of 3 frames, got 2"):
        SunnybrookReader().read(item["label"][:-1])


def test_faults_of_the_folder_are_named(dicom: Path) -> None:
    with pytest.raises(ValueError, match=r"`form` must be one of \['dicom', 'nifti', 'jpeg'\], got 'png'"):
        sunnybrook_datalist(dicom, "png")
    with pytest.raises(FileNotFoundError, match="holds no case of Sunnybrook in the form 'jpeg'"):
        sunnybrook_datalist(dicom, "jpeg")
    folder = dicom / "dicoms" / "SCD01"
    save_dicom(folder / "IM-0001-0019.dcm", (0, 0, 0), 0, 0)
    with pytest.raises(ValueError, match="SCD01 has two DICOM files of number 19; keep one series"):
        sunnybrook_datalist(dicom)
    (folder / "IM-0001-0019.dcm").unlink()
    frame = pydicom.dcmread(folder / "19.dcm")
    del frame.TriggerTime
    frame.save_as(folder / "19.dcm")
    with pytest.raises(ValueError, match="SCD01: expected a trigger time in the DICOM file of number 19, found none"):
        sunnybrook_datalist(dicom)
    (folder / "19.dcm").unlink()
    with pytest.raises(FileNotFoundError, match="SCD01 has a contour, but no DICOM file, of number 19"):
        sunnybrook_datalist(dicom)
    (dicom / "link.csv").unlink()
    with pytest.raises(FileNotFoundError, match="expected Sunnybrook's list of patients at"):
        sunnybrook_datalist(dicom)


def test_nifti_and_jpeg_forms(tmp_path: Path) -> None:
    names = ("nifti/SCD01_ES_img.nii.gz", "nifti/SCD01_ES_lab.nii.gz", "nifti/SCD01_ED_img.nii.gz")
    for name in (*names, "images/SC-N-03/0007.jpg", "labels_png/SC-N-03/0007.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    image, label = (
        str(tmp_path / name / f"SC-N-03/0007.{suffix}") for name, suffix in (("images", "jpg"), ("labels_png", "png"))
    )
    assert sunnybrook_datalist(tmp_path, "jpeg") == [{"image": image, "label": label, "case": "SC-N-03_0007"}]
    with pytest.raises(FileNotFoundError, match=r"the label of SCD01_ED is missing: expected .*SCD01_ED_lab.nii.gz"):
        sunnybrook_datalist(tmp_path, "nifti")
    (tmp_path / "nifti" / "SCD01_ED_lab.nii.gz").touch()
    cases = [(item["case"], item["phase"]) for item in sunnybrook_datalist(tmp_path, "nifti")]
    assert cases == [("SCD01_ED", "ED"), ("SCD01_ES", "ES")]


@pytest.mark.real_data
@pytest.mark.skipif("LSEXT_DATA" not in os.environ, reason="LSEXT_DATA is not set")
def test_real_contours_equal_the_published_masks() -> None:
    root = Path(os.environ["LSEXT_DATA"]) / "sunnybrook"
    derived = {item["case"]: item for item in sunnybrook_datalist(root, "nifti")}
    items = sunnybrook_datalist(root)
    assert {item["case"] for item in items} == set(derived)
    for item in items:
        ours, theirs = load(item), load(derived[item["case"]])
        np.testing.assert_array_equal(ours["image"], theirs["image"])
        np.testing.assert_array_equal(ours["label"], theirs["label"] == 1)
        np.testing.assert_allclose(ours["image"].affine, theirs["image"].affine, atol=1e-4)
    assert len(sunnybrook_datalist(root.with_name("sunnybrook_jpeg"), "jpeg")) > 100
