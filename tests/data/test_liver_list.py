"""Liver: phantoms as pictures, and the list of slices by patient."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_lsext.data.datalists import liver_datalist
from monai_lsext.data.phantoms import abdomen_phantom, write_liver_phantoms


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_liver_phantoms(tmp_path_factory.mktemp("liver") / "data", num=10, seed=3, num_test=2)


def test_the_liver_is_what_its_neighbours_leave_of_it() -> None:
    phantom = abdomen_phantom(4)
    liver, pancreas = phantom.liver > 0, phantom.label > 0
    volume_ml = liver.sum() * np.prod(phantom.spacing_mm) / 1000
    assert 500 < volume_ml < 1500
    assert not (liver & pancreas).any()
    assert np.argwhere(liver)[:, 0].mean() > 0.6 * liver.shape[0]  # on the right
    inner = phantom.image[liver]
    assert 90 < np.median(inner) < 125
    assert np.mean(np.abs(inner - np.median(inner)) < 60) > 0.95


def test_pictures_show_the_right_on_the_left_and_the_back_below(folder: Path) -> None:
    names = sorted(path.name for path in (folder / "images").iterdir())
    assert names == [f"phantom_{k:04d}.png" for k in range(10)]
    for name in names:
        image, label = (np.asarray(Image.open(folder / kind / name)) for kind in ("images", "labels"))
        assert image.shape == label.shape == (96, 128)
        assert set(np.unique(label)) == {0, 1}
        columns = np.argwhere(label)[:, 1]
        assert columns.mean() < 64
        spine = image[64:, 48:80]
        assert spine.max() == 255  # bone, in the lower half
        assert abs(np.median(image[label > 0]) - 255 * 208 / 340) < 25


def test_parts_share_no_patient_and_are_the_same_for_every_seed(folder: Path) -> None:
    parts = {part: liver_datalist(folder, part, fold=1, seed=5) for part in ("train", "val", "test", "all")}
    patients = {part: {item["patient"] for item in items} for part, items in parts.items()}
    assert [len(parts[part]) for part in ("test", "val", "train", "all")] == [2, 2, 6, 8]
    assert patients["train"] | patients["val"] == patients["all"]
    assert not patients["test"] & patients["all"]
    assert liver_datalist(folder, "test", seed=9) == parts["test"]
    assert patients["test"] == {"patient_0008", "patient_0009"}  # by the column split
    first = parts["train"][0]
    assert Path(first["image"]).stem == Path(first["label"]).stem == first["case"]


def test_without_a_split_a_fifth_of_the_patients_is_for_testing(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    index = tmp_path / "data" / "index.csv"
    index.write_text("\n".join(",".join(line.split(",")[:2]) for line in index.read_text().split("\n")))
    test = liver_datalist(tmp_path / "data", "test")
    assert len(test) == 2
    assert liver_datalist(tmp_path / "data", "test", seed=4) == test
    assert len(liver_datalist(tmp_path / "data", "all")) == 8


def test_own_folder_with_missing_labels(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for k in range(10):
        for kind in ("images", "labels"):
            if kind == "images" or k < 7:
                (tmp_path / kind / f"{k}.png").write_bytes((folder / kind / f"phantom_{k:04d}.png").read_bytes())
    with pytest.raises(FileNotFoundError, match="3 cases have no label"):
        liver_datalist(tmp_path)
    train, val, test = (liver_datalist(tmp_path, part, need_labels=False) for part in ("train", "val", "test"))
    assert {item["case"] for item in train if "label" not in item} == {"7", "8", "9"}
    assert all("label" in item for item in val + test)
    assert len(train) + len(val) + len(test) == 10


def test_bad_arguments(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`part` must be one of"):
        liver_datalist(folder, "training")
    with pytest.raises(FileNotFoundError, match="`dataset_dir` must be an existing folder"):
        liver_datalist(tmp_path / "none")
    (tmp_path / "index.csv").write_text("slice,patient\na,1\nb,2\nc,3\nd,4\ne,5\nf,6\n")
    with pytest.raises(FileNotFoundError, match="listed files are missing"):
        liver_datalist(tmp_path, fold=None)
