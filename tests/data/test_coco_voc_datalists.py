"""COCO files, PASCAL VOC and folders of instance maps as data lists; every fault its sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_lsext.data.datalists import (
    coco_categories,
    coco_datalist,
    instance_datalist,
    instance_folder_part,
    voc_datalist,
)
from monai_lsext.data.phantoms import write_shapes_phantoms

SQUARE = [[1, 1, 3, 1, 3, 3]]


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def content() -> dict[str, Any]:
    return {
        "images": [
            {"id": 7, "file_name": "b.jpg", "height": 4, "width": 6},
            {"id": 5, "file_name": "a.jpg", "height": 5, "width": 3},
        ],
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 13, "name": "stop sign"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "segmentation": SQUARE, "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 1, "segmentation": {"size": [4, 6], "counts": [24]}, "iscrowd": 1},
            {"id": 3, "image_id": 7, "category_id": 13, "segmentation": SQUARE},
        ],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    touch(tmp_path / "images" / "a.jpg", tmp_path / "images" / "b.jpg")
    return tmp_path


def coco(folder: Path, data: Any, **options: Any) -> list[dict[str, Any]]:
    (folder / "instances.json").write_text(data if isinstance(data, str) else json.dumps(data))
    return coco_datalist(folder / "instances.json", folder / "images", **options)


def test_coco(folder: Path) -> None:
    items = coco(folder, content())
    assert items == [
        {
            "image": str(folder / "images" / "b.jpg"),
            "label": {
                "objects": [{"segmentation": SQUARE, "class": 3}, {"segmentation": SQUARE, "class": 2}],
                "size": [4, 6],
            },
            "case": "b",
        },
        {"image": str(folder / "images" / "a.jpg"), "label": {"objects": [], "size": [5, 3]}, "case": "a"},
    ]
    assert coco_categories(folder / "instances.json") == ["person", "stop sign", "toothbrush"]


def test_some_categories_in_an_order_of_their_own(folder: Path) -> None:
    items = coco(folder, content(), categories=["toothbrush", "person"])
    assert items[0]["label"]["objects"] == [{"segmentation": SQUARE, "class": 1}]


def changed(part: str, index: int, **values: Any) -> dict[str, Any]:
    data = content()
    data[part][index].update(values)
    return data


def without_segmentation() -> dict[str, Any]:
    data = content()
    del data["annotations"][0]["segmentation"]
    return data


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        (
            changed("images", 0, file_name="c.jpg"),
            {},
            FileNotFoundError,
            r"1 of 2 images of instances\.json are missing",
        ),
        (
            changed("annotations", 2, category_id=2),
            {},
            ValueError,
            r"annotation 3 has category id 2, but the categories are \[1, 13, 90\]",
        ),
        (changed("annotations", 0, image_id=9), {}, ValueError, "annotation 1 is of image 9, not in the file"),
        (without_segmentation(), {}, ValueError, r"instances\.json: annotation 1 has no segmentation"),
        (content(), {"categories": ["cat"]}, ValueError, r"`categories` must be some of \['person', .*, got \['cat'\]"),
        ({"images": []}, {}, ValueError, "must be a COCO file of instances, but has no annotations, categories"),
        ("<html>", {}, ValueError, r"instances\.json must be a COCO file, got one that is not JSON"),
    ],
)
def test_faults_of_a_coco_file(folder: Path, data: Any, options: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        coco(folder, data, **options)


def test_a_missing_coco_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected a COCO file .*none\.json, but there is none"):
        coco_datalist(tmp_path / "none.json", tmp_path)


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_000032\n2007_000039\n")
    (lists / "val.txt").write_text("\n")
    for case in ("2007_000032", "2007_000039"):
        touch(tmp_path / "JPEGImages" / f"{case}.jpg")
        touch(*[tmp_path / f"Segmentation{kind}" / f"{case}.png" for kind in ("Object", "Class")])
    return tmp_path


def test_voc(voc: Path) -> None:
    items = voc_datalist(voc)
    assert items[1] == {
        "image": str(voc / "JPEGImages" / "2007_000039.jpg"),
        "label": {
            "instances": str(voc / "SegmentationObject" / "2007_000039.png"),
            "classes": str(voc / "SegmentationClass" / "2007_000039.png"),
        },
        "case": "2007_000039",
    }
    assert len(items) == 2


def test_faults_of_voc(voc: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected the list of `part` 'test' in .*test\.txt"):
        voc_datalist(voc, "test")
    with pytest.raises(ValueError, match=r"val\.txt names no image"):
        voc_datalist(voc, "val")
    (voc / "SegmentationObject" / "2007_000032.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 files of part 'train' are missing: .*2007_000032\.png"):
        voc_datalist(voc)


def test_a_folder_of_instance_maps(tmp_path: Path) -> None:
    names = [f"p{n}" for n in range(6)]
    touch(*[tmp_path / kind / f"{name}.png" for name in names for kind in ("images", "labels")])
    one = instance_folder_part(tmp_path, "train", None)
    assert all(item["label"] == str(tmp_path / "labels" / f"{item['case']}.png") for item in one)
    touch(*[tmp_path / "classes" / f"{name}.png" for name in names])
    several = instance_folder_part(tmp_path, "train", None)
    assert [item["case"] for item in several] == [item["case"] for item in one]
    assert several[0]["label"] == {
        "instances": one[0]["label"],
        "classes": str(tmp_path / "classes" / f"{one[0]['case']}.png"),
    }
    (tmp_path / "classes" / f"{one[0]['case']}.png").unlink()
    with pytest.raises(FileNotFoundError, match=f"1 cases have no file in .*classes: {one[0]['case']}"):
        instance_folder_part(tmp_path, "train", None)


def written(root: Path, part: str, names: list[str]) -> None:
    """A COCO file of that part, its images in a folder of the same ending."""
    images = [{"id": i, "file_name": f"{name}.jpg", "height": 4, "width": 6} for i, name in enumerate(names)]
    data = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "person"}]}
    (root / f"instances_{part}.json").write_text(json.dumps(data))
    touch(*(root / "images" / part / f"{name}.jpg" for name in names))


def cases(root: Path, part: str, **options: Any) -> list[str]:
    return sorted(item["case"] for item in instance_datalist(root, part, **options))


def test_parts_of_coco_share_no_image(tmp_path: Path) -> None:
    written(tmp_path, "train2017", [f"a{i}" for i in range(10)])
    written(tmp_path, "val2017", ["b0", "b1"])
    assert cases(tmp_path, "test") == ["b0", "b1"]
    train, val = cases(tmp_path, "train", fold=3), cases(tmp_path, "val", fold=3)
    assert (len(train), len(val)) == (8, 2)
    assert sorted(train + val) == cases(tmp_path, "all") == [f"a{i}" for i in range(10)]
    (tmp_path / "instances_train2014.json").touch()
    with pytest.raises(FileNotFoundError, match=r"expected one file instances_train\*.json .*train2014.*train2017"):
        cases(tmp_path, "train")
    with pytest.raises(ValueError, match=r"`part` must be one of \['all', 'train', 'val', 'test'\], got 'dev'"):
        cases(tmp_path, "dev")


def test_parts_of_voc_and_of_an_own_folder(tmp_path: Path) -> None:
    voc = write_shapes_phantoms(tmp_path / "voc", num=8, num_test=3, size=(64, 64))
    assert cases(voc, "test") == [f"phantom_{i:04d}" for i in (5, 6, 7)]
    assert cases(voc, "all") == sorted(cases(voc, "train") + cases(voc, "val"))
    assert len(cases(voc, "val")) == 1
    touch(*(tmp_path / "own" / kind / f"{i}.png" for i in range(10) for kind in ("images", "labels")))
    parts = [cases(tmp_path / "own", part) for part in ("train", "val", "test")]
    assert [len(part) for part in parts] == [6, 2, 2]
    assert len(set().union(*parts)) == 10
