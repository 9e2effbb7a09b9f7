"""Measurements as DICOM SR, as another program reads them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicom_files import NAME, PATIENT, SERIES_UID, write
from pydicom.sr.codedict import codes
from stub_bundle import write_one_label_bundle
from test_dicom_predict import SIZE, cine, content, grey, registered, run

from monai_lsext.registry import BUNDLES, Label, Region
from monai_lsext.registry import Code as RegistryCode


def read_by_dcmqi(path: Path) -> list[dict[str, Any]]:
    """The measurement groups of an SR by dcmqi."""
    program = Path(sys.executable).with_name("tid1500reader")
    if not program.exists():
        pytest.skip("dcmqi is not installed")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "report.json"
        command = [program, "--inputDICOM", path, "--outputMetadata", target]
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
        return json.loads(target.read_text())["Measurements"]


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    code = RegistryCode("87878005", "Left ventricle")
    region = Region("cavity", "left ventricle", (1,), (0, 230, 118), code)
    registered(
        monkeypatch,
        labels=(Label(1, "left ventricle", (0, 230, 118), code),),
        regions=(region,),
        measurements=("ejection_fraction",),
    )
    write_one_label_bundle(tmp_path / "slices", "slices")
    assert run(tmp_path / "slices", write(tmp_path / "in", cine()), tmp_path / "out", "--seg", "--sr") == 0
    return tmp_path / "out"


def test_volumes_and_ejection_fraction(output: Path, tmp_path: Path) -> None:
    volumes_ml = [voxels * 0.75 * 1.5 * 5 / 1000 for voxels in (9 * 5 * 3, 9 * 4 * 3)]
    for phase, volume_ml in enumerate(volumes_ml, 1):
        (group,) = read_by_dcmqi(output / f"{NAME}_phase{phase}_sr.dcm")
        seg = pydicom.dcmread(output / f"{NAME}_phase{phase}_seg.dcm")
        assert group["segmentationSOPInstanceUID"] == seg.SOPInstanceUID
        assert (group["ReferencedSegment"], group["SourceSeriesForImageSegmentation"]) == (1, SERIES_UID)
        assert group["Finding"]["CodeValue"] == "87878005"
        (item,) = group["measurementItems"]
        assert (item["quantity"]["CodeMeaning"], item["units"]["CodeValue"]) == ("Volume", "cm3")
        assert float(item["value"]) == pytest.approx(volume_ml, abs=1e-4)

    report = pydicom.dcmread(output / f"{NAME}_ejection_fraction_sr.dcm")
    assert (report.Modality, report.PatientID) == ("SR", PATIENT["PatientID"])
    referenced = {
        item.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert referenced == {pydicom.dcmread(path).SOPInstanceUID for path in output.glob("*_seg.dcm")}
    numbers = [found for found in _numbers(report) if found[0] != "118565006"]
    assert numbers == [(codes.LN.LeftVentricularEjectionFractionByMR.value, 20.0, "%")]
    assert [found[1] for found in _numbers(report) if found[0] == "118565006"] == pytest.approx(volumes_ml, abs=1e-4)

    # a second start gives the same bytes
    contents = {path: path.read_bytes() for path in output.glob("*.dcm")}
    assert len(contents) == 5
    assert run(tmp_path / "slices", tmp_path / "in", output, "--seg", "--sr") == 0
    assert {path: path.read_bytes() for path in output.glob("*.dcm")} == contents


def _numbers(item: pydicom.Dataset) -> list[tuple[str, float, str]]:
    found = []
    for child in item.get("ContentSequence", []):
        if child.ValueType == "NUM":
            value = child.MeasuredValueSequence[0]
            unit = value.MeasurementUnitsCodeSequence[0].CodeValue
            found.append((child.ConceptNameCodeSequence[0].CodeValue, float(value.NumericValue), unit))
        found += _numbers(child)
    return found


def test_nothing_found_in_one_phase_is_no_report_of_the_fraction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(monkeypatch, measurements=("ejection_fraction",))
    write_one_label_bundle(tmp_path / "slices", "slices")
    datasets = cine()
    for dataset in datasets[SIZE[2] :]:
        dataset.PixelData = (grey()[..., 0].T * 0 + 40).tobytes()
    assert run(tmp_path / "slices", write(tmp_path / "in", datasets), tmp_path / "out", "--seg", "--sr") == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.dcm")) == [
        f"{NAME}_phase1_seg.dcm",
        f"{NAME}_phase1_sr.dcm",
    ]
    assert content(tmp_path / "out", f"{NAME}_ejection_fraction")["ejection_fraction_percent"] == 100.0


def test_sr_needs_seg(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_one_label_bundle(tmp_path / "slices", "slices")
    assert run(tmp_path / "slices", write(tmp_path / "in", cine()), tmp_path / "out", "--sr") == 2
    assert "`--fractional` and `--sr` are about the SEG: add --seg" in capsys.readouterr().err


def test_codes_of_the_registry_stand_in_the_dictionary() -> None:
    """Every code is one that DICOM's own tables list."""
    from pydicom.sr._concepts_dict import concepts

    listed = {code for entries in concepts["SCT"].values() for code in entries}
    for info in BUNDLES.values():
        for named in (*info.labels, *info.regions):
            assert named.code is None or named.code.value in listed
