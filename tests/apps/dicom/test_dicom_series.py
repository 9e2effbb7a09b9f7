"""Series of a folder: found, described, chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import (
    CT,
    NAME,
    RTSTRUCT,
    SECONDARY_CAPTURE,
    SERIES_UID,
    UID_ROOT,
    numbers,
    position,
    slice_dataset,
    slices,
    write,
)

from monai_lsext.apps.dicom.cases import DicomInput, dicom_input
from monai_lsext.apps.dicom.choice import why_not
from monai_lsext.apps.dicom.series import scan
from monai_lsext.registry import BUNDLES, SeriesRule, bundle_info

ANY = bundle_info("unlisted", {"0": "background", "1": "cavity"})
AXIAL = [1, 0, 0, 0, 1, 0]


def test_series_are_told_apart_at_any_depth_and_other_files_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b", slices(numbers()))
    other = f"{UID_ROOT}.5.99"
    write(tmp_path / "a", slices(numbers((3, 2, 2)), SeriesInstanceUID=other, SOPClassUID=CT, Modality="CT"))
    (tmp_path / "README.txt").write_text("text")
    (tmp_path / "all.zip").write_bytes(b"PK\x03\x04" + b"0" * 200)
    contours = slice_dataset(numbers()[..., 0], SOPClassUID=RTSTRUCT, Modality="RTSTRUCT", Rows=None, Columns=None)
    write(tmp_path, [contours], prefix="RS")
    cut = (tmp_path / "a" / "b" / "IM0000").read_bytes()[:600]  # ends before the size of the image
    (tmp_path / "cut").write_bytes(cut)
    (tmp_path / "noise").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    outside = write(tmp_path.parent / f"{tmp_path.name}-outside", slices(numbers()))
    (tmp_path / "link").symlink_to(outside / "IM0000")
    (tmp_path / "linked").symlink_to(outside)
    (tmp_path / "again").symlink_to(tmp_path / "a" / "b" / "IM0000")

    found = scan(tmp_path)
    assert [(series.name, series.modality, len(series.frames)) for series in found.series] == [
        (f"series-{other[-12:]}", "CT", 2),
        (NAME, "MR", 5),
    ]
    assert found.series[1].description == f"MR, 5 images of 6 x 4, {SERIES_UID}"
    assert found.passed_over == {
        "RTSTRUCT objects": 1,
        "damaged DICOM files": 2,
        "other files": 2,
        "symbolic links": 2,
    }


def test_a_file_without_preamble_or_identifiers(tmp_path: Path) -> None:
    good = slice_dataset(numbers()[..., 0].T.copy())
    good.save_as(tmp_path / "bare", enforce_file_format=False)
    # what follows the preamble and the meta information: an implicit little endian data set
    content = (tmp_path / "bare").read_bytes()
    (tmp_path / "bare").write_bytes(content[content.index(b"\x08\x00\x05\x00") :])
    write(tmp_path, [slice_dataset(numbers()[..., 0], SeriesInstanceUID=None)], prefix="anonymous")
    found = scan(tmp_path)
    assert [len(series.frames) for series in found.series] == [1]
    assert found.passed_over == {"images without the identifiers of their study, series and instance": 1}


def test_names_cannot_leave_the_output_folder(tmp_path: Path) -> None:
    write(tmp_path, slices(numbers(), SeriesInstanceUID="1.2/../../../etc/x"))
    (series,) = scan(tmp_path).series
    assert series.name == "series-_.._.._etc_x"


@pytest.mark.parametrize(
    ("elements", "bundle", "reason"),
    [
        ({}, "edpcnn_left_ventricle", None),
        ({"Modality": "CT"}, "edpcnn_left_ventricle", "modality CT, expected MR"),
        ({"Modality": ""}, "edpcnn_left_ventricle", "modality not stated, expected MR"),
        ({"ImageType": ["DERIVED", "LOCALIZER"]}, "edpcnn_left_ventricle", "a localiser"),
        ({"SOPClassUID": SECONDARY_CAPTURE}, "edpcnn_left_ventricle", "a secondary capture"),
        ({}, "racenet_left_atrium", "5 slices, expected at least 16"),
        ({"Modality": "CT"}, "fcn_levelset_liver", "slices 53 degrees from axial, expected at most 30"),
        ({"ImageOrientationPatient": AXIAL}, "edpcnn_left_ventricle", "slices 71 degrees from short axis"),
        ({"ImageOrientationPatient": AXIAL, "Modality": "CT"}, "pnet_birnn_pancreas", None),
    ],
)
def test_a_bundle_takes_what_fits(tmp_path: Path, elements: dict, bundle: str, reason: str | None) -> None:
    short_axis = {"ImageOrientationPatient": [0.7, 0.7, 0.14142136, -0.1, 0.29, -0.95175627]}
    if bundle != "edpcnn_left_ventricle":
        short_axis = {}
    write(tmp_path, slices(numbers(), **{**short_axis, **elements}))
    (series,) = scan(tmp_path).series
    rule = BUNDLES[bundle].series
    assert rule is not None
    found = why_not(series, rule)
    assert found is None if reason is None else str(found).startswith(reason)


def test_a_scout_among_the_slices_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, slices(numbers()))
    scout = {
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        "ImageOrientationPatient": AXIAL,
        "Rows": 9,
        "Columns": 2,
    }
    write(tmp_path, [slice_dataset(numbers()[..., 0], 9, **scout)], prefix="scout")
    (case,) = DicomInput(scan(tmp_path), ANY).cases.values()
    assert len(case.frames) == 5
    assert case.warnings == ["localisers or screen captures among the images were left out: 1"]


def test_every_rule_is_of_a_known_plane_and_modality() -> None:
    for info in BUNDLES.values():
        modality = {"fundus photograph": "OP"}.get(info.modality, info.modality)
        assert (info.series is None) == (modality not in ("CT", "MR", "OP"))


def test_the_user_chooses_by_identifier(tmp_path: Path) -> None:
    write(tmp_path / "1", slices(numbers()))
    other = f"{UID_ROOT}.5.111111111111"
    write(tmp_path / "2", slices(numbers(), SeriesInstanceUID=other, Modality="CT"))
    found = dicom_input(str(tmp_path), BUNDLES["fcn_levelset_liver"], other)
    assert found is not None
    assert list(found.cases) == ["series-111111111111"]
    assert found.lines == [
        f"series-111111111111: CT, 5 images of 6 x 4, {other}: taken",
        f"{NAME}: MR, 5 images of 6 x 4, {SERIES_UID}: passed over: another series was asked for",
    ]
    both = dicom_input(str(tmp_path), ANY)
    assert both is not None
    assert list(both.cases) == ["series-111111111111", NAME]
    with pytest.raises(
        ValueError, match="no DICOM series fits fcn_levelset_liver: series-111111111111: another series"
    ):
        dicom_input(str(tmp_path), BUNDLES["fcn_levelset_liver"], "1.2.3")
    with pytest.raises(ValueError, match="the bundle takes no DICOM series but"):
        dicom_input(str(tmp_path), BUNDLES["racenet_nuclei"])


def test_two_series_of_one_name(tmp_path: Path) -> None:
    write(tmp_path / "1", slices(numbers()))
    write(tmp_path / "2", slices(numbers(), SeriesInstanceUID="1.2.123456789012"))
    with pytest.raises(ValueError, match=f"got two {NAME}: choose with --series .*123456789012 or .*123456789012"):
        DicomInput(scan(tmp_path), ANY)


def test_what_is_dicom_input(tmp_path: Path) -> None:
    folder = write(tmp_path / "dicom", slices(numbers()))
    assert dicom_input(str(folder / "IM0000"), ANY) is not None  # whatever its name
    (tmp_path / "text").write_text("text")
    assert dicom_input(str(tmp_path / "text"), ANY) is None
    assert dicom_input(str(tmp_path / "nothing"), ANY) is None
    with pytest.raises(ValueError, match="need a DICOM file or folder as input"):
        dicom_input(str(tmp_path / "text"), ANY, wanted=True)
    (tmp_path / "heart.nii.gz").write_bytes(b"")
    assert dicom_input(str(tmp_path), ANY) is None  # as before DICOM was read
    (folder / "heart.nii.gz").write_bytes(b"")
    with pytest.raises(ValueError, match="input folder holds DICOM and other images; choose"):
        dicom_input(str(folder), ANY)
    assert dicom_input(str(folder), ANY, SERIES_UID) is not None
    empty = tmp_path / "empty"
    empty.mkdir()
    assert dicom_input(str(empty), ANY) is None
    contours = slice_dataset(numbers()[..., 0], SOPClassUID=RTSTRUCT, Modality="RTSTRUCT", Rows=None)
    write(empty, [contours])
    with pytest.raises(ValueError, match="no DICOM series fits unlisted: 1 RTSTRUCT objects"):
        dicom_input(str(empty), ANY)


def test_slices_count_by_place(tmp_path: Path) -> None:
    """20 phases of one slice are one slice."""
    frames = [
        slice_dataset(np.zeros((4, 4), np.uint16), k, ImagePositionPatient=position(0), TriggerTime=k)
        for k in range(20)
    ]
    write(tmp_path, frames)
    (series,) = scan(tmp_path).series
    assert why_not(series, SeriesRule(min_slices=2)) == "1 slices, expected at least 2"
