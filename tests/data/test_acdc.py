"""ACDC's list: parts never share a patient, drawn slices hold the ventricle and nest, faults are named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from monai_lsext.data.datalists import acdc_datalist

TRAINING = [f"patient{i:03d}" for i in range(1, 11)]
TEST = ["patient011", "patient012"]
PRESENT = {"01": [1, 2, 3], "09": [2, 3]}  # slices with the left ventricle, by frame


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("acdc")
    for split, patients in (("training", TRAINING), ("validation", TEST)):
        for patient in patients:
            folder = root / split / patient
            folder.mkdir(parents=True)
            (folder / f"{patient}_4d.nii.gz").touch()
            for frame, present in PRESENT.items():
                label = np.zeros((3, 4, 5), np.uint8)
                label[1, 1, 0] = 2  # myocardium alone is no left ventricle
                label[1, 2, present] = 3
                (folder / f"{patient}_frame{frame}.nii.gz").touch()
                nib.Nifti1Image(label, np.eye(4)).to_filename(folder / f"{patient}_frame{frame}_gt.nii.gz")
    return root


def patients(items: list[dict[str, Any]]) -> set[str]:
    return {item["case"].split("_")[0] for item in items}


def addresses(items: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(item["case"], item["slice"]) for item in items]


def test_items(shared: Path) -> None:
    items = acdc_datalist(shared, "test")
    folder = shared / "validation" / "patient011"
    assert items[:2] == [
        {
            "image": str(folder / f"patient011_frame{frame}.nii.gz"),
            "label": str(folder / f"patient011_frame{frame}_gt.nii.gz"),
            "case": f"patient011_frame{frame}",
            "patient": "patient011",
            "phase": phase,
        }
        for frame, phase in (("01", "ED"), ("09", "ES"))
    ]
    assert patients(items) == set(TEST)


@pytest.mark.parametrize("fold", range(5))
def test_parts_never_share_a_patient(shared: Path, fold: int) -> None:
    parts = {part: acdc_datalist(shared, part, fold, seed=3) for part in ("train", "val", "test", "all")}
    assert sorted([*patients(parts["train"]), *patients(parts["val"])]) == TRAINING
    assert [item["case"] for item in parts["all"]] == [f"{patient}_frame{f}" for patient in TRAINING for f in PRESENT]
    assert len(parts["val"]) == 4
    assert patients(parts["test"]) == set(TEST)
    assert patients(acdc_datalist(shared, "train", fold, seed=3, num_images=30)) <= patients(parts["train"])


def test_drawn_slices_nest_and_hold_the_ventricle(shared: Path) -> None:
    sets = [addresses(acdc_datalist(shared, seed=1, num_images=number)) for number in (1, 10, 40)]
    assert [len(set(drawn)) for drawn in sets] == [1, 10, 40]
    assert sets[0] == sets[1][:1]
    assert sets[1] == sets[2][:10]
    volumes = acdc_datalist(shared, seed=1)
    everyone = [(item["case"], k) for item in volumes for k in PRESENT[item["case"][-2:]]]
    assert sorted(sets[2]) == sorted(everyone)
    assert sets[1] != addresses(acdc_datalist(shared, fold=None, seed=2, num_images=10))


def test_info_file_names_diastole(shared: Path) -> None:
    info = shared / "validation" / "patient012" / "Info.cfg"
    info.write_text("ED: 9\nES: 1\nNbFrame: 20\n")
    try:
        phases = {item["case"]: item["phase"] for item in acdc_datalist(shared, "test")}
    finally:
        info.unlink()
    assert (phases["patient012_frame01"], phases["patient012_frame09"]) == ("ES", "ED")
    assert phases["patient011_frame01"] == "ED"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"part": "Test"}, r"`part` must be one of \['all', 'train', 'val', 'test'\], got 'Test'"),
        ({"fold": 5}, "`fold` must be 0 to 4, got 5"),
        ({"num_folds": 11}, "`num_folds` must be 2 to the number of cases, 10, got 11"),
        ({"num_images": 0}, "`num_images` must be >= 1 with part 'train' and None otherwise, got 0, 'train'"),
        ({"num_images": 3, "part": "val"}, "`num_images` must be >= 1 with part 'train' and None otherwise, got 3"),
        ({"num_images": 41}, "`num_images` must be at most the slices with a left ventricle, 40, got 41"),
    ],
)
def test_bad_options(shared: Path, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        acdc_datalist(shared, **arguments)


def test_faults_of_the_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected ACDC's folder training in .*, but there is none"):
        acdc_datalist(tmp_path)
    with pytest.raises(FileNotFoundError, match="expected ACDC's folder validation or testing in"):
        acdc_datalist(tmp_path, "test")
    (tmp_path / "testing").mkdir()
    with pytest.raises(FileNotFoundError, match="expected folders patientNNN in"):
        acdc_datalist(tmp_path, "test")
    (tmp_path / "testing" / "patient101").mkdir()
    with pytest.raises(FileNotFoundError, match=r"has no file patient101_frameMM.nii.gz"):
        acdc_datalist(tmp_path, "test")
    (tmp_path / "testing" / "patient101" / "patient101_frame01.nii").touch()
    with pytest.raises(FileNotFoundError, match=r"the label of patient101_frame01 is missing: .*frame01_gt.nii"):
        acdc_datalist(tmp_path, "test")


@pytest.mark.real_data
@pytest.mark.skipif("LSEXT_DATA" not in os.environ, reason="LSEXT_DATA is not set")
def test_real_data_set() -> None:
    root = Path(os.environ["LSEXT_DATA"]) / "acdc"
    assert [len(acdc_datalist(root, part)) for part in ("all", "train", "val", "test")] == [50, 40, 10, 20]
    for item in acdc_datalist(root, num_images=10):
        label = np.asanyarray(nib.load(item["label"]).dataobj)
        assert (label[..., item["slice"]] == 3).any()
