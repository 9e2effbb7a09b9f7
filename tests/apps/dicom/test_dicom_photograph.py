"""Fundus photographs in DICOM files: mask, SEG without a place in the patient, SR of the cup-to-disc ratio."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import NAME as CASE
from dicom_files import SERIES_UID, slice_dataset, write
from PIL import Image
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, OphthalmicPhotography8BitImageStorage
from stub_bundle import NAME, expected_labels, photograph, write_stub_bundle
from test_dicom_predict import run

from monai_lsext.apps.dicom.photograph import read_photograph
from monai_lsext.apps.dicom.series import scan

PLACES = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "FrameOfReferenceUID")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_stub_bundle(tmp_path / NAME)
    return tmp_path / NAME


def fundus(index: int = 0, **elements: Any) -> FileDataset:
    pixels = photograph(expected_labels())
    colours = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    kind = {"SOPClassUID": OphthalmicPhotography8BitImageStorage, "Modality": "OP", "NumberOfFrames": 1}
    values = {**kind, **colours, **dict.fromkeys(PLACES), "PixelData": pixels.tobytes()}
    return slice_dataset(pixels[..., 0], index, **{**values, **elements})


def find(container: Dataset, meaning: str) -> list[Dataset]:
    """Content items of this name, at any depth."""
    found = []
    for item in container.get("ContentSequence", []):
        names = [code.CodeMeaning for code in item.get("ConceptNameCodeSequence", [])]
        found += [item] * (names == [meaning]) + find(item, meaning)
    return found


def test_a_photograph_becomes_mask_seg_and_report(tmp_path: Path, bundle: Path) -> None:
    output = tmp_path / "out"
    assert run(bundle, write(tmp_path / "in", [fundus()]), output, "--seg", "--sr") == 0
    assert sorted(path.name for path in output.iterdir()) == [
        "run_report.json",
        *(f"{CASE}_{n}" for n in ("contours.geojson", "overlay.png", "report.json", "seg.dcm", "seg.png", "sr.dcm")),
    ]
    labels = expected_labels()
    np.testing.assert_array_equal(np.asarray(Image.open(output / f"{CASE}_seg.png")), labels)
    seg = pydicom.dcmread(output / f"{CASE}_seg.dcm")
    np.testing.assert_array_equal(seg.pixel_array, [labels == 1, labels == 2])
    assert "FrameOfReferenceUID" not in seg
    assert [segment.SegmentLabel for segment in seg.SegmentSequence] == ["optic disc rim", "optic cup"]
    for group in seg.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == f"{SERIES_UID}.1"
        assert source.ReferencedSOPClassUID == OphthalmicPhotography8BitImageStorage
    (instance,) = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert instance.ReferencedSOPClassUID == OphthalmicPhotography8BitImageStorage
    report = json.loads((output / f"{CASE}_report.json").read_text())
    assert report["dicom"]["sop_instance_uid"] == f"{SERIES_UID}.1"
    assert report["measurements"]["vertical_cup_to_disc_ratio"] == 0.25

    sr = pydicom.dcmread(output / f"{CASE}_sr.dcm")
    (ratio,) = find(sr, "Vertical cup-to-disc ratio")
    assert float(ratio.MeasuredValueSequence[0].NumericValue) == 0.25
    code = ratio.ConceptNameCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("VCDR", "99LSEXT")
    assert ratio.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == "{ratio}"
    references = [item.ReferencedSOPSequence[0] for item in find(sr, "Referenced Segmentation Frame")]
    assert [one.ReferencedSOPInstanceUID for one in references] == [seg.SOPInstanceUID] * 2
    assert [(one.ReferencedSegmentNumber, one.ReferencedFrameNumber) for one in references] == [(1, 1), (2, 2)]


def test_the_same_photograph_gives_the_same_bytes(tmp_path: Path, bundle: Path) -> None:
    for name in ("a", "b"):
        assert run(bundle, write(tmp_path / f"in{name}", [fundus()]), tmp_path / name, "--seg", "--sr") == 0
    for suffix in ("seg.dcm", "sr.dcm", "seg.png"):
        assert (tmp_path / "a" / f"{CASE}_{suffix}").read_bytes() == (tmp_path / "b" / f"{CASE}_{suffix}").read_bytes()


def test_both_eyes_of_a_series(tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = np.zeros((*expected_labels().shape, 3), dtype=np.uint8).tobytes()
    source = write(tmp_path / "in", [fundus(1), fundus(0, PixelData=nothing)])
    assert run(bundle, source, tmp_path / "out", "--seg", "--sr") == 0
    assert "taken, 2 photographs" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").glob("*.dcm")} == {
        f"{CASE}_image2_seg.dcm",
        f"{CASE}_image2_sr.dcm",
    }
    report = json.loads((tmp_path / "out" / f"{CASE}_image1_report.json").read_text())
    assert report["notes"] == ["nothing was found: no DICOM object was written"]


def test_compressed_colours(tmp_path: Path) -> None:
    buffer, pixels = io.BytesIO(), photograph(expected_labels())
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=100, subsampling=0)
    dataset = fundus(PhotometricInterpretation="YBR_FULL_422", PixelData=encapsulate([buffer.getvalue()]))
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset["PixelData"].is_undefined_length = True
    (series,) = scan(write(tmp_path, [dataset])).series
    found = read_photograph(series.frames[0])
    assert found.shape == (*pixels.shape[1::-1], 1)
    assert np.abs(found.pixels.astype(int) - pixels).max() < 12


def test_palettes(tmp_path: Path) -> None:
    stored = np.arange(40 * 48, dtype=np.uint16).reshape(40, 48) % 4
    table = np.array([[0, 10, 20, 255], [5, 15, 25, 35], [1, 2, 3, 4]], dtype=np.uint16)
    palette: dict[str, Any] = {}
    for colour, values in zip(("Red", "Green", "Blue"), table, strict=True):
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        palette[f"{colour}PaletteColorLookupTableData"] = (values << 8).tobytes()
    kind = {"PhotometricInterpretation": "PALETTE COLOR", "SamplesPerPixel": 1, "PlanarConfiguration": None}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": stored.astype(np.uint8).tobytes()}
    (series,) = scan(write(tmp_path, [fundus(**kind, **bits, **palette)])).series
    np.testing.assert_array_equal(read_photograph(series.frames[0]).pixels, np.moveaxis(table, 0, -1)[stored])


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2"}, "expected colours, found MONOCHROME2"),
        ({"NumberOfFrames": 2}, "a photograph of several frames is not read"),
        ({"PixelData": b"12"}, "its pixels are truncated or damaged"),
        (
            {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelData": bytes(40 * 48 * 6)},
            "expected 8 bits a colour, found 16",
        ),
    ],
)
def test_unfit_photographs(tmp_path: Path, elements: dict[str, Any], message: str) -> None:
    (series,) = scan(write(tmp_path, [fundus(**elements)])).series
    with pytest.raises(ValueError, match=message):
        read_photograph(series.frames[0])


def test_no_contours_in_the_patient(tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bundle, write(tmp_path / "in", [fundus()]), tmp_path / "out", "--rtstruct") == 2
    assert "`--rtstruct` needs slices with a place in the patient, photographs have none" in capsys.readouterr().err
