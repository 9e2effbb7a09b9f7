"""``predict`` on DICOM folders, by bundles whose masks are known exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_files import CT, NAME, SERIES_UID, UID_ROOT, position, slice_dataset, slices, write
from dicom_readers import read_by_dcmqi
from pydicom.dataset import FileDataset
from stub_bundle import box, save_volume, write_one_label_bundle

from monai_lsext.__main__ import main
from monai_lsext.registry import BUNDLES, BundleInfo, SeriesRule, bundle_info

SIZE = (20, 18, 5)
MASK = box(SIZE, (3, 12), (4, 9), (1, 4))


def grey(mask: np.ndarray = MASK) -> np.ndarray:
    """A volume that the stand-in segments into this mask."""
    return np.where(mask, 200, 40).astype(np.uint16)


def run(bundle: Path, source: Path, output: Path, *more: str) -> int:
    command = ["predict", "--bundle", str(bundle), "--input", str(source), "--output", str(output), "--trust", *more]
    return main(command)


def content(output: Path, name: str) -> dict[str, Any]:
    return json.loads((output / f"{name}.json").read_text())


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_one_label_bundle(tmp_path / "slices", "slices")
    return tmp_path / "slices"


def registered(monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    plain = bundle_info("unlisted", {"0": "background", "1": "cavity"})
    monkeypatch.setitem(BUNDLES, "slices", BundleInfo(**{**plain.__dict__, "name": "slices", **more}))


def test_a_series_becomes_mask_picture_report_and_seg(
    tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write(tmp_path / "in" / "deep", slices(grey())), tmp_path / "out"
    assert run(bundle, source.parent, output, "--seg") == 0
    assert sorted(path.name for path in output.iterdir()) == [
        "run_report.json",
        *(f"{NAME}_{name}" for name in ("contours.json", "overlay.png", "report.json", "seg.dcm", "seg.nii.gz")),
    ]
    mask = nib.nifti1.load(output / f"{NAME}_seg.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj), MASK)
    np.testing.assert_array_equal(read_by_dcmqi(output / f"{NAME}_seg.dcm", mask.affine, SIZE), MASK)
    report = content(output, f"{NAME}_report")
    assert report["measurements"]["cavity_volume_ml"] == pytest.approx(MASK.sum() * 1.5 * 0.75 * 5 / 1000, abs=1e-4)
    assert report["image"]["spacing_mm"] == pytest.approx([0.75, 1.5, 5])
    assert report["dicom"] == {
        "study_instance_uid": f"{UID_ROOT}.76",
        "series_instance_uid": SERIES_UID,
        "modality": "MR",
        "phase": None,
        "num_phases": 1,
    }
    assert capsys.readouterr().out == f"{NAME}: MR, 5 images of 20 x 18, {SERIES_UID}: taken\n"
    seg = pydicom.dcmread(output / f"{NAME}_seg.dcm")
    (algorithm,) = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("slices", "0.1.0")
    assert algorithm.AlgorithmParameters == f"weights_sha256={report['bundle']['weights_sha256']}"


def test_shuffled_files_give_identical_results(tmp_path: Path, bundle: Path) -> None:
    for seed in (0, 1):
        assert run(bundle, write(tmp_path / f"in{seed}", slices(grey()), seed), tmp_path / f"out{seed}", "--seg") == 0
    names = {path.name for path in (tmp_path / "out0").iterdir()} - {"run_report.json"}
    assert len(names) == 5
    assert all((tmp_path / "out0" / name).read_bytes() == (tmp_path / "out1" / name).read_bytes() for name in names)


def test_one_file(tmp_path: Path, bundle: Path) -> None:
    source = write(tmp_path / "in", slices(grey()[..., 1:2]))
    assert run(bundle, source / "IM0000", tmp_path / "out", "--seg") == 0
    mask = nib.nifti1.load(tmp_path / "out" / f"{NAME}_seg.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj), MASK[..., 1:2])
    found = read_by_dcmqi(tmp_path / "out" / f"{NAME}_seg.dcm", mask.affine, (*SIZE[:2], 1))
    np.testing.assert_array_equal(found, MASK[..., 1:2])


def cine() -> list[FileDataset]:
    """Two phases whose cavities hold 9 x 5 x 3 and 9 x 4 x 3 voxels."""
    datasets = []
    for phase, last in ((0, 9), (1, 8)):
        volume = grey(box(SIZE, (3, 12), (4, last), (1, 4)))
        for k in range(SIZE[2]):
            uid = f"{SERIES_UID}.{k + 1}.{phase + 1}"
            pixels = np.ascontiguousarray(volume[..., k].T)
            datasets.append(slice_dataset(pixels, k, SOPInstanceUID=uid, TriggerTime=400 * phase + 3 * k))
    return datasets


def test_phases_and_ejection_fraction(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(monkeypatch, measurements=("ejection_fraction",))
    output = tmp_path / "out"
    assert run(bundle, write(tmp_path / "in", cine()), output, "--seg") == 0
    for phase, last in ((1, 9), (2, 8)):
        mask = nib.nifti1.load(output / f"{NAME}_phase{phase}_seg.nii.gz")
        expected = box(SIZE, (3, 12), (4, last), (1, 4))
        np.testing.assert_array_equal(np.asanyarray(mask.dataobj), expected)
        np.testing.assert_array_equal(
            read_by_dcmqi(output / f"{NAME}_phase{phase}_seg.dcm", mask.affine, SIZE), expected
        )
        report = content(output, f"{NAME}_phase{phase}_report")
        assert (report["dicom"]["phase"], report["dicom"]["num_phases"]) == (phase, 2)
    found = content(output, f"{NAME}_ejection_fraction")
    assert found["ejection_fraction_percent"] == 20.0
    assert found["end_diastole"]["case"] == f"{NAME}_phase1"
    assert f"{SERIES_UID}: taken, 2 phases" in capsys.readouterr().out


def test_bad_series_do_not_stop_the_others(tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in" / "good", slices(grey()))
    faulty = slices(grey(), SeriesInstanceUID="1.2.3.111")
    write(tmp_path / "in" / "gap", [faulty[0], *faulty[2:]])
    cut = slices(grey(), SeriesInstanceUID="1.2.3.222")
    cut[1].PixelData = cut[1].PixelData[:100]
    write(tmp_path / "in" / "cut", cut)
    assert run(bundle, tmp_path / "in", tmp_path / "out", "--seg") == 3
    report = content(tmp_path / "out", "run_report")
    assert [done["case"] for done in report["done"]] == [NAME]
    reasons = {skipped["case"]: skipped["reason"] for skipped in report["skipped"]}
    assert reasons["series-1.2.3.111"].startswith("a slice is missing between")
    assert reasons["series-1.2.3.222"] == "image ...456789012.11: its pixels are truncated or damaged"
    assert not list((tmp_path / "out").glob("series-1.2.3*"))
    assert "skipped series-1.2.3.111: a slice is missing" in capsys.readouterr().err
    assert report["series"] == [
        "series-1.2.3.111: MR, 4 images of 20 x 18, 1.2.3.111: taken",
        "series-1.2.3.222: MR, 5 images of 20 x 18, 1.2.3.222: taken",
        f"{NAME}: MR, 5 images of 20 x 18, {SERIES_UID}: taken",
    ]


def test_repairs_are_warnings_of_the_report(tmp_path: Path, bundle: Path) -> None:
    datasets = slices(grey(), StudyDate="20120000", PatientBirthDate="00000000")
    for k, dataset in enumerate(datasets):
        dataset.FrameOfReferenceUID = f"{UID_ROOT}.9.{k}"
    assert run(bundle, write(tmp_path / "in", datasets), tmp_path / "out", "--seg") == 0
    warnings = [
        "invalid values were emptied: PatientBirthDate, StudyDate",
        "the images state 5 frames of reference though they lie on one grid: one was generated",
    ]
    assert content(tmp_path / "out", f"{NAME}_report")["warnings"] == warnings
    assert content(tmp_path / "out", "run_report")["done"][0]["warnings"] == warnings


def test_nothing_found_is_an_empty_mask_and_no_seg(tmp_path: Path, bundle: Path) -> None:
    source = write(tmp_path / "in", slices(grey(np.zeros(SIZE, dtype=bool))))
    assert run(bundle, source, tmp_path / "out", "--seg") == 0
    assert not (tmp_path / "out" / f"{NAME}_seg.dcm").exists()
    assert not np.asanyarray(nib.nifti1.load(tmp_path / "out" / f"{NAME}_seg.nii.gz").dataobj).any()
    report = content(tmp_path / "out", f"{NAME}_report")
    assert report["warnings"] == ["no cavity was found"]
    assert report["notes"] == ["nothing was found: no DICOM object was written"]


def test_probabilities_in_the_seg(tmp_path: Path, bundle: Path) -> None:
    source = write(tmp_path / "in", slices(grey()))
    assert run(bundle, source, tmp_path / "out", "--seg", "--fractional") == 0
    seg = pydicom.dcmread(tmp_path / "out" / f"{NAME}_seg.dcm")
    assert seg.SegmentationType == "FRACTIONAL"
    # sigmoid(20 v / 255 - 10) for v = 200 and 40, in steps of 1 / 255
    expected = [round(255 / (1 + np.exp(10 - 20 * value / 255))) for value in (40, 200)]
    assert np.unique(seg.pixel_array).tolist() == expected
    assert int((seg.pixel_array == expected[1]).sum()) == MASK.sum()


def test_options_that_do_not_go_together(tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "in", slices(grey()))
    assert run(bundle, source, tmp_path / "out", "--fractional") == 2
    assert "`--fractional` and `--sr` are about the SEG: add --seg" in capsys.readouterr().err
    nib.save(nib.nifti1.Nifti1Image(grey(), np.eye(4)), tmp_path / "heart.nii.gz")
    assert run(bundle, tmp_path / "heart.nii.gz", tmp_path / "out", "--seg") == 2
    assert "need a DICOM file or folder as input" in capsys.readouterr().err
    config = bundle / "configs/inference.yaml"
    config.write_text(
        config.read_text().replace("_target_: AsDiscreted", "_target_: AsDiscreted\n    _disabled_: true")
    )
    assert run(bundle, source, tmp_path / "out", "--seg", "--fractional") == 2
    assert "that makes its mask of a probability by AsDiscreted, got slices" in capsys.readouterr().err


def test_series_that_do_not_fit(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(monkeypatch, series=SeriesRule("CT", 3))
    write(tmp_path / "in" / "mr", slices(grey()))
    assert run(bundle, tmp_path / "in", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert f"no DICOM series fits slices: {NAME}: modality MR, expected CT" in error
    write(tmp_path / "in" / "ct", slices(grey(), Modality="CT", SOPClassUID=CT, SeriesInstanceUID="1.2.3.4"))
    assert run(bundle, tmp_path / "in", tmp_path / "out") == 0
    assert [path.name for path in (tmp_path / "out").glob("*.nii.gz")] == ["series-1.2.3.4_seg.nii.gz"]
    assert f"{NAME}: MR, 5 images of 20 x 18, {SERIES_UID}: passed over: modality MR" in capsys.readouterr().out
    assert run(bundle, tmp_path / "in", tmp_path / "mine", "--series", SERIES_UID) == 0
    assert [path.name for path in (tmp_path / "mine").glob("*.nii.gz")] == [f"{NAME}_seg.nii.gz"]


def test_the_patient_is_named_when_asked_for(tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "in", slices(grey()))
    assert run(bundle, source, tmp_path / "plain") == 0
    assert run(bundle, source, tmp_path / "named", "--keep-identity") == 0
    report = content(tmp_path / "named", f"{NAME}_report")
    assert report.pop("patient") == {
        "id": "PID-4711-X",
        "name": "Jägermeister^Wilhelmine",
        "birth_date": "19371224",
        "sex": "F",
    }
    plain = content(tmp_path / "plain", f"{NAME}_report")
    assert {**report, "made_from": ""} == {**plain, "made_from": ""}
    pictures = [(tmp_path / folder / f"{NAME}_overlay.png").read_bytes() for folder in ("plain", "named")]
    assert pictures[0] != pictures[1]
    save_volume(tmp_path / "volume.nii.gz", MASK)
    assert run(bundle, tmp_path / "volume.nii.gz", tmp_path / "out", "--keep-identity") == 2
    assert "needs a DICOM file or folder as input: other files name no patient" in capsys.readouterr().err


def test_what_the_bundle_gets_equals_the_file_of_the_same_grid(tmp_path: Path, bundle: Path) -> None:
    """A series and the NIfTI file of its grid and values give the same mask, grid and measurements."""
    assert run(bundle, write(tmp_path / "in", slices(grey())), tmp_path / "dicom") == 0
    mask = nib.nifti1.load(tmp_path / "dicom" / f"{NAME}_seg.nii.gz")
    image = nib.nifti1.Nifti1Image(grey().astype(np.int16), mask.affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / f"{NAME}.nii.gz")
    assert run(bundle, tmp_path / f"{NAME}.nii.gz", tmp_path / "nifti") == 0
    other = nib.nifti1.load(tmp_path / "nifti" / f"{NAME}_seg.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(other.dataobj), np.asanyarray(mask.dataobj))
    reports = [content(tmp_path / kind, f"{NAME}_report") for kind in ("dicom", "nifti")]
    assert reports[0]["measurements"] == reports[1]["measurements"]
    pictures = [(tmp_path / kind / f"{NAME}_overlay.png").read_bytes() for kind in ("dicom", "nifti")]
    assert pictures[0] == pictures[1]


def test_mixed_positions_of_two_stacks_are_refused(tmp_path: Path, bundle: Path) -> None:
    datasets = slices(grey())
    datasets[4].ImagePositionPatient = position(40)
    assert run(bundle, write(tmp_path / "in", datasets), tmp_path / "out") == 3
    (skipped,) = content(tmp_path / "out", "run_report")["skipped"]
    assert skipped["reason"].startswith("36 slices are missing between")
