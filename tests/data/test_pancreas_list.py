"""Pancreas data: NIH's DICOM layout, single slices, the decathlon's layout; folds never share a patient."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pancreas_ct import write_label, write_patient, write_series
from PIL import Image

from monai_lsext.data.datalists import decathlon_cases, nih_pancreas_cases, pancreas_datalist

PARTS = ("train", "val", "test")


def names(items: list[dict]) -> list[str]:
    return [item["case"] for item in items]


def slices(root: Path, patients: int) -> Path:
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
    rows = [(f"P{patient}-{index}.jpg", f"P{patient}") for patient in range(patients) for index in range(3)]
    for name, _ in rows:
        Image.new("L", (4, 4)).save(root / "images" / name)
        Image.new("L", (4, 4)).save(root / "labels" / name.replace(".jpg", ".png"))
    with open(root / "index.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([("file", "patient"), *rows])
    return root


def test_nih_series_and_what_is_left_out(tmp_path: Path) -> None:
    write_patient(tmp_path, 1)
    write_patient(tmp_path, 12)
    series = tmp_path / "Pancreas-CT"
    for number in (2, 3, 4):
        write_series(series / f"PANCREAS_{number:04d}" / "a", np.zeros((2, 2, 2), np.int16))
    write_series(series / "PANCREAS_0003" / "b", np.zeros((2, 2, 2), np.int16))
    write_label(tmp_path / "labels" / "label0003.nii.gz", np.zeros((2, 2, 2)), np.eye(4))
    write_label(tmp_path / "labels" / "label0004.nii.gz", np.zeros((2, 2, 3)), np.eye(4))
    (series / "PANCREAS_0005").mkdir()
    cases = nih_pancreas_cases(tmp_path)
    assert names(cases.items) == ["PANCREAS_0001", "PANCREAS_0012"]
    assert cases.items[1]["image"] == str(series / "PANCREAS_0012" / "study" / "series")
    assert cases.items[1]["label"].endswith("label0012.nii.gz")
    assert cases.left_out == {
        "PANCREAS_0002": "no label",
        "PANCREAS_0003": "several series",
        "PANCREAS_0004": "label with another number of slices",
        "PANCREAS_0005": "no DICOM file",
    }


def test_nih_layout_is_found_by_its_folders(tmp_path: Path) -> None:
    for number in range(1, 9):
        write_patient(tmp_path, number, (2, 2, 2))
    tested = [names(pancreas_datalist(tmp_path, "test", test_fold=fold)) for fold in range(4)]
    assert sorted(name for group in tested for name in group) == [f"PANCREAS_{n:04d}" for n in range(1, 9)]
    assert [len(group) for group in tested] == [2] * 4


def test_slices_of_a_patient_stay_together_in_every_fold(tmp_path: Path) -> None:
    slices(tmp_path, 12)
    tested = []
    for fold in range(4):
        parts = {part: pancreas_datalist(tmp_path, part, fold=1, seed=5, test_fold=fold) for part in PARTS}
        patients = {part: {item["patient"] for item in items} for part, items in parts.items()}
        assert [len(patients[part]) for part in PARTS] == [7, 2, 3]
        assert len(set().union(*patients.values())) == 12
        assert all(len(items) == 3 * len(patients[part]) for part, items in parts.items())
        tested += sorted(patients["test"])
    assert len(set(tested)) == 12
    assert pancreas_datalist(tmp_path, "test") == pancreas_datalist(tmp_path, "test", test_fold=0)
    whole = names(pancreas_datalist(tmp_path, "all", test_fold=2))
    assert names(pancreas_datalist(tmp_path, "train", None, test_fold=2)) == whole
    assert names(pancreas_datalist(tmp_path, "test", seed=1)) != names(pancreas_datalist(tmp_path, "test", seed=0))


def test_a_missing_slice_is_named(tmp_path: Path) -> None:
    slices(tmp_path, 4)
    (tmp_path / "labels" / "P2-1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 listed files are missing: .*P2-1.png"):
        pancreas_datalist(tmp_path)


def test_decathlon(tmp_path: Path) -> None:
    entries = []
    for case in ("pancreas_001", "pancreas_004", "pancreas_005", "pancreas_006", "torn"):
        entries.append({"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"})
        for kind in ("imagesTr", "labelsTr"):
            write_label(tmp_path / kind / f"{case}.nii.gz", np.zeros((2, 3, 4)), np.eye(4))
    (tmp_path / "labelsTr" / "torn.nii.gz").unlink()
    (tmp_path / "dataset.json").write_text(
        json.dumps({"training": entries, "test": ["./imagesTs/pancreas_002.nii.gz"]})
    )
    cases = decathlon_cases(tmp_path)
    assert cases.left_out == {"torn": "no label"}
    assert names(cases.items) == ["pancreas_001", "pancreas_004", "pancreas_005", "pancreas_006"]
    assert nib.nifti1.load(cases.items[0]["label"]).shape == (2, 3, 4)
    parts = [names(pancreas_datalist(tmp_path, part, test_fold=3)) for part in PARTS]
    assert sorted(name for part in parts for name in part) == names(cases.items)
    for content in ("{}", "[]"):
        (tmp_path / "dataset.json").write_text(content)
        with pytest.raises(ValueError, match=r'must have a list "training" of entries .* nnU-Net, remove it, name'):
            decathlon_cases(tmp_path)
    (tmp_path / "dataset.json").write_text("<html>")
    with pytest.raises(ValueError, match=r"dataset\.json must be JSON, got Expecting value"):
        decathlon_cases(tmp_path)


def test_own_folder_is_read_as_any_folder_of_volumes(tmp_path: Path) -> None:
    for case in "abcdef":
        for kind in ("images", "labels"):
            write_label(tmp_path / kind / f"{case}.nii.gz", np.zeros((2, 3, 4)), np.eye(4))
    parts = [names(pancreas_datalist(tmp_path, part)) for part in PARTS]
    assert sorted(name for part in parts for name in part) == list("abcdef")


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`part` must be one of .* got 'tests'"):
        pancreas_datalist(tmp_path, "tests")
    with pytest.raises(FileNotFoundError, match="`dataset_dir` must be an existing folder"):
        pancreas_datalist(tmp_path / "none")
    (tmp_path / "PANCREAS_0001").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no DICOM series .*1 \(no DICOM file: PANCREAS_0001\)"):
        pancreas_datalist(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"expected the decathlon's list at"):
        decathlon_cases(tmp_path)
