"""Folders of volumes: what is listed, what is left out and why, and parts that never share a patient."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_lsext.data.datalists import volume_folder_cases, volume_folder_datalist


def save(path: Path, shape: tuple[int, ...] = (3, 4, 5), shift: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.eye(4)
    affine[0, 3] = shift
    nib.nifti1.save(nib.nifti1.Nifti1Image(np.zeros(shape, np.uint8), affine), path)


def folder(root: Path, cases: list[str]) -> Path:
    for case in cases:
        for kind in ("images", "labels"):
            save(root / kind / f"{case}.nii.gz")
    return root


def names(items: list[dict]) -> list[str]:
    return [item["case"] for item in items]


def test_faults_are_left_out_with_their_reason(tmp_path: Path) -> None:
    folder(tmp_path, ["good", "small", "moved", "flat", "torn", "lonely"])
    save(tmp_path / "labels" / "small.nii.gz", (3, 4, 4))
    save(tmp_path / "labels" / "moved.nii.gz", shift=7)
    save(tmp_path / "images" / "flat.nii.gz", (3, 4))
    (tmp_path / "images" / "torn.nii.gz").write_text("nothing")
    (tmp_path / "labels" / "lonely.nii.gz").unlink()
    save(tmp_path / "labels" / "orphan.nii.gz")
    (tmp_path / "images" / ".hidden.nii.gz").write_text("")
    cases = volume_folder_cases(tmp_path)
    assert names(cases.items) == ["good"]
    assert cases.left_out == {
        "flat": "no volume",
        "lonely": "no label",
        "moved": "label in another place",
        "orphan": "no image",
        "small": "label of another size",
        "torn": "unreadable",
    }
    assert cases.summary() == (
        "1 of 7 cases used; left out: 1 (label in another place: moved), 1 (label of another size: small), "
        "1 (no image: orphan), 1 (no label: lonely), 1 (no volume: flat), 1 (unreadable: torn)"
    )


def test_nothing_usable_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    folder(tmp_path, ["a"])
    (tmp_path / "labels" / "a.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no volume with its label: 0 of 1 .*1 \(no label: a\); images"):
        volume_folder_cases(tmp_path)
    folder(tmp_path, ["b", "c", "d", "e"])
    for case in "bcde":
        (tmp_path / "labels" / f"{case}.nii.gz").rename(tmp_path / "labels" / f"{case}_seg.nii.gz")
    text = r"4 \(no image: b_seg, c_seg, d_seg, \.\.\.\), 5 \(no label: a, b, c, \.\.\.\)"
    with pytest.raises(FileNotFoundError, match=text + "; images and labels must hold NIfTI volumes of the same names"):
        volume_folder_cases(tmp_path)


def index(root: Path, rows: list[dict[str, str]]) -> None:
    with open(root / "index.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_index_gives_order_cases_and_the_last_third_as_test(tmp_path: Path) -> None:
    folder(tmp_path, [f"hippocampus_{i:03d}" for i in range(8)])
    order = [5, 1, 7, 0, 3, 6]
    index(tmp_path, [{"case": f"{i:03d}"} for i in order])
    assert volume_folder_cases(tmp_path).left_out == dict.fromkeys(
        ["hippocampus_002", "hippocampus_004"], "not in index.csv"
    )
    assert names(volume_folder_datalist(tmp_path, "all")) == [f"hippocampus_{i:03d}" for i in order[:4]]
    assert names(volume_folder_datalist(tmp_path, "test")) == [f"hippocampus_{i:03d}" for i in order[4:]]


def test_split_of_the_index_takes_the_whole_patient(tmp_path: Path) -> None:
    folder(tmp_path, list("abcde"))
    rows = [("a", "p", "test"), ("b", "q", "train"), ("c", "p", "train"), ("d", "r", "train"), ("e", "s", "test")]
    index(tmp_path, [dict(zip(("case", "patient", "split"), row, strict=True)) for row in rows])
    assert names(volume_folder_datalist(tmp_path, "test")) == ["a", "c", "e"]
    assert names(volume_folder_datalist(tmp_path, "all")) == ["b", "d"]


def test_patients_of_the_index_stay_together(tmp_path: Path) -> None:
    cases = [f"c{i:02d}" for i in range(24)]
    folder(tmp_path, cases)
    index(tmp_path, [{"case": case, "patient": f"p{i % 8}"} for i, case in enumerate(cases)])
    for test_fold in (None, 0, 3):
        parts = {p: volume_folder_datalist(tmp_path, p, test_fold=test_fold) for p in ("train", "val", "test")}
        patients = {part: {item["patient"] for item in items} for part, items in parts.items()}
        assert sum(len(items) for items in parts.values()) == 24
        assert sum(len(group) for group in patients.values()) == 8
        assert all(len(items) == 3 * len(patients[part]) for part, items in parts.items())


def test_training_and_validation_folders(tmp_path: Path) -> None:
    folder(tmp_path / "training", list("abcdef"))
    folder(tmp_path / "validation", ["x", "y"])
    assert names(volume_folder_datalist(tmp_path, "test")) == ["x", "y"]
    assert names(volume_folder_datalist(tmp_path, "train", fold=None)) == list("abcdef")
    both = [names(volume_folder_datalist(tmp_path, part, fold=1)) for part in ("train", "val")]
    assert sorted([*both[0], *both[1]]) == list("abcdef")


def test_test_folds_cover_all_patients_once(tmp_path: Path) -> None:
    folder(tmp_path / "training", list("abcdef"))
    folder(tmp_path / "validation", ["x", "y"])
    tested = [names(volume_folder_datalist(tmp_path, "test", test_fold=k)) for k in range(4)]
    assert [len(group) for group in tested] == [2, 2, 2, 2]
    assert sorted(name for group in tested for name in group) == [*"abcdef", "x", "y"]
    for k, group in enumerate(tested):
        rest = names(volume_folder_datalist(tmp_path, "all", test_fold=k))
        assert sorted(rest + group) == [*"abcdef", "x", "y"]


def test_own_folder_holds_back_a_fifth_whatever_the_seed(tmp_path: Path) -> None:
    folder(tmp_path, list("abcdefghij"))
    first, second = (names(volume_folder_datalist(tmp_path, "test", seed=seed)) for seed in (0, 1))
    assert first == second
    assert len(first) == 2
    assert not set(first) & set(names(volume_folder_datalist(tmp_path, "all")))


def test_a_patient_in_both_folders_is_refused(tmp_path: Path) -> None:
    folder(tmp_path / "training", ["a", "b"])
    folder(tmp_path / "validation", ["b"])
    with pytest.raises(ValueError, match="patients in both parts: b"):
        volume_folder_datalist(tmp_path)


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`part` must be one of .* got 'tests'"):
        volume_folder_datalist(tmp_path, "tests")
    with pytest.raises(FileNotFoundError, match="`dataset_dir` must be an existing folder"):
        volume_folder_datalist(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"expected a folder .*images, but there is none: .* it holds nothing$"):
        volume_folder_datalist(tmp_path)
    folder(tmp_path / "few", ["a"])
    with pytest.raises(ValueError, match=r"too few patients for a training and a test part, got [01] and [01]: add"):
        volume_folder_datalist(tmp_path / "few")
    folder(tmp_path / "training", ["a"])
    with pytest.raises(FileNotFoundError, match="expected a folder validation or testing or test in"):
        volume_folder_datalist(tmp_path)
