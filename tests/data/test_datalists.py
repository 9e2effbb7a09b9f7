"""Data lists: parts never share a case, folds are seeded, and a fault in the folder is named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_lsext.data.datalists import (
    cross_validation_part,
    drishti_gs1_datalist,
    drishti_gs1_label,
    image_folder_datalist,
    optic_disc_cup_datalist,
)

TRAINING = [f"c{i:02d}" for i in range(12)]
TEST = ["t0", "t1", "t2"]


@pytest.fixture
def drishti(tmp_path: Path) -> Path:
    """DRISHTI-GS1's layout with empty files; the first case has a photograph."""
    for case in TRAINING + TEST:
        for kind in ("images", "labels"):
            for view in ("roi", "full") if case == "c00" else ("roi",):
                path = tmp_path / view / kind / f"{case}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    rows = [f"{case},Training,9,4" for case in TRAINING] + [f"{case},Test,9,4" for case in TEST]
    (tmp_path / "index.csv").write_text("\n".join(["case,split,px_disc,px_cup", *rows]) + "\n")
    return tmp_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for i in range(10):
        (tmp_path / "images" / f"p{i}{'.jpg' if i % 2 else '.nii.gz'}").touch()
        (tmp_path / "labels" / f"p{i}.png").touch()
    (tmp_path / "images" / "notes.txt").touch()
    return tmp_path


def cases(items: list[dict[str, str]]) -> list[str]:
    return [item["case"] for item in items]


def test_splits_and_paths(drishti: Path) -> None:
    assert cases(drishti_gs1_datalist(drishti)) == TRAINING
    assert cases(drishti_gs1_datalist(drishti, "Test")) == TEST
    photographs = drishti_gs1_datalist(drishti, view="full")
    expected = {name: str(drishti / "full" / f"{name}s" / "c00.png") for name in ("image", "label")}
    assert photographs == [{**expected, "case": "c00"}]


@pytest.mark.parametrize("fold", range(5))
def test_folds_cover_training_once(drishti: Path, fold: int) -> None:
    parts = {
        part: cases(optic_disc_cup_datalist(drishti, part, fold, seed=1)) for part in ("train", "val", "test", "all")
    }
    assert sorted(parts["train"] + parts["val"]) == parts["all"] == TRAINING
    assert len(parts["val"]) in (2, 3)
    assert parts["test"] == TEST
    assert parts["val"] == cases(optic_disc_cup_datalist(drishti, "val", fold, seed=1))


def test_the_folds_are_a_partition() -> None:
    held_back = [item for fold in range(4) for item in cross_validation_part(range(11), "val", fold, 4, seed=2)]
    assert sorted(held_back) == list(range(11))
    assert held_back != [item for fold in range(4) for item in cross_validation_part(range(11), "val", fold, 4, seed=3)]


def test_without_a_fold_all_are_trained_on(drishti: Path) -> None:
    for part in ("train", "val"):
        assert cases(optic_disc_cup_datalist(drishti, part, fold=None)) == TRAINING


def test_own_folder(folder: Path) -> None:
    assert cases(image_folder_datalist(folder)) == [f"p{i}" for i in range(10)]
    parts = [cases(optic_disc_cup_datalist(folder, part, 0)) for part in ("train", "val", "test")]
    assert sorted(case for part in parts for case in part) == [f"p{i}" for i in range(10)]
    assert len(parts[2]) == 2
    for seed in range(4):  # the test images stay aside whatever the seed of the training is
        assert cases(optic_disc_cup_datalist(folder, "test", seed=seed)) == parts[2]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"split": "Val"}, r"`split` must be one of \['Training', 'Test'\], got 'Val'"),
        ({"view": "roi"}, r"`view` must be one of \['crop', 'full'\], got 'roi'"),
        ({"part": "test"}, "`part` must be 'all', 'train' or 'val', got 'test'"),
        ({"part": "val", "fold": 5}, "`fold` must be 0 to 4, got 5"),
        ({"part": "val", "fold": 0, "num_folds": 13}, "of cases, 12, got 13: add cases, or give `fold` None"),
        ({"split": "Test", "view": "full"}, "has no case of split 'Test' in view 'full'"),
    ],
)
def test_bad_options(drishti: Path, arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        drishti_gs1_datalist(drishti, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"part": "Test"}, r"`part` must be one of \['all', 'train', 'val', 'test'\], got 'Test'"),
        ({"test_fraction": 1.0}, "`test_fraction` must lie between 0 and 1, got 1.0"),
        ({"test_fraction": 0.01}, "has too few images to hold back 0.01 of them for the test: 10 with a label; add"),
    ],
)
def test_bad_options_of_the_task(folder: Path, arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        optic_disc_cup_datalist(folder, **arguments)  # type: ignore[arg-type]


def test_faults_of_a_drishti_folder_are_named(drishti: Path) -> None:
    (drishti / "roi" / "labels" / "c03.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 files listed in index.csv are missing: .*c03.png"):
        drishti_gs1_datalist(drishti)
    (drishti / "index.csv").write_text("case,split,px_disc,px_cup\nc00,Training,9,0\n")
    with pytest.raises(ValueError, match="the label of case c00 has no cup"):
        drishti_gs1_datalist(drishti)
    (drishti / "index.csv").write_text("name,split\n")
    with pytest.raises(ValueError, match="must have the columns case and split, missing: case"):
        drishti_gs1_datalist(drishti)
    (drishti / "index.csv").unlink()
    with pytest.raises(FileNotFoundError, match="expected DRISHTI-GS1's list of cases"):
        drishti_gs1_datalist(drishti)


def test_faults_of_an_own_folder_are_named(folder: Path) -> None:
    (folder / "labels" / "p3.tif").touch()
    with pytest.raises(ValueError, match=r"has two files of case p3: p3\.png and p3\.tif"):
        image_folder_datalist(folder)
    for path in (folder / "labels").glob("p3.*"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"1 cases have no label in .*: p3; .* same name: add it, or leave"):
        image_folder_datalist(folder)
    (folder / "labels" / "p3_seg.png").touch()
    with pytest.raises(FileNotFoundError, match=r"no label in .*: p3; .*: rename labels/p3_seg, or the other file$"):
        image_folder_datalist(folder)
    holds = r"images and labels with files of the same names, it holds notes\.txt, p0\..*, p3\.[a-z]+, \.\.\.$"
    with pytest.raises(FileNotFoundError, match=rf"expected a folder .*images, but there is none: .* {holds}"):
        image_folder_datalist(folder / "images")
    (folder / "images" / "images").mkdir()
    (folder / "images" / "images" / "p0.mha").touch()
    with pytest.raises(FileNotFoundError, match=r"holds no image \(.*\), but p0\.mha: convert these files$"):
        image_folder_datalist(folder / "images")
    with pytest.raises(FileNotFoundError, match="`dataset_dir` must be an existing folder, got"):
        optic_disc_cup_datalist(folder / "absent")


def test_label_from_softmaps() -> None:
    disc = np.array([[0, 128, 191, 255, 255, 0]], dtype=np.uint8)
    cup = np.array([[0, 0, 0, 128, 191, 255]], dtype=np.uint8)
    np.testing.assert_array_equal(drishti_gs1_label(disc, cup), [[0, 0, 1, 1, 2, 0]])


@pytest.mark.real_data
@pytest.mark.skipif("LSEXT_DATA" not in os.environ, reason="LSEXT_DATA is not set")
def test_real_data_set() -> None:
    root = Path(os.environ["LSEXT_DATA"]) / "drishti_gs1"
    assert [len(drishti_gs1_datalist(root, split)) for split in ("Training", "Test")] == [50, 25]
    item = drishti_gs1_datalist(root, view="full")[0]
    soft = [
        np.asarray(Image.open(root / "full" / "softmaps" / f"{item['case']}_{kind}segSoftmap.png"))
        for kind in ("OD", "cup")
    ]
    label = np.asarray(Image.open(item["label"]))
    np.testing.assert_array_equal(drishti_gs1_label(*soft), label)
