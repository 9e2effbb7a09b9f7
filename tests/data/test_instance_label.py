"""Instance labels: each form by hand, loaded by the transform; every bad label its sentence."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged
from PIL import Image

from monai_lsext.data.datalists import coco_categories, coco_datalist, voc_datalist
from monai_lsext.data.instance_label import decode_segmentation, read_instance_label
from monai_lsext.transforms import LoadInstancesd

IDS = np.array([[0, 1, 1], [3, 3, 0]])


def saved(path: Path, pixels: np.ndarray, dtype: Any = np.uint8) -> str:
    Image.fromarray(pixels.astype(dtype)).save(path)
    return str(path)


def drawn(*objects: tuple[Any, int], size: tuple[int, int] = (4, 6)) -> dict[str, Any]:
    return {"objects": [{"segmentation": s, "class": k} for s, k in objects], "size": list(size)}


def test_a_file_of_ids(tmp_path: Path) -> None:
    label = read_instance_label(saved(tmp_path / "a.png", 300 * IDS, np.uint16))
    assert np.array_equal(label, np.stack([300 * IDS.T, IDS.T > 0]))
    nib.nifti1.Nifti1Image(IDS[..., None].astype(np.int16), np.eye(4)).to_filename(tmp_path / "a.nii.gz")
    assert np.array_equal(read_instance_label(str(tmp_path / "a.nii.gz"))[0], IDS)


def test_ids_lie_on_the_image(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", 40 * IDS)
    load = Compose([LoadImaged("image"), EnsureChannelFirstd("image"), LoadInstancesd("label")])
    item = load({"image": path, "label": path})
    assert torch.equal(item["image"][0], item["label"][0])
    assert item["label"].dtype == torch.float32


def test_a_file_for_each_object(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{n}.png", 255 * (n == IDS)) for n in (3, 1)]
    label = read_instance_label(paths)
    assert np.array_equal(label[0], np.array([[0, 2, 2], [1, 1, 0]]).T)


def test_voc_palette_and_void(tmp_path: Path) -> None:
    paths = {}
    for name, pixels in (("instances", [[1, 255, 2], [0, 255, 2]]), ("classes", [[15, 255, 3], [0, 255, 255]])):
        picture = Image.fromarray(np.array(pixels, np.uint8), mode=None).convert("P")
        picture.putdata(np.array(pixels).flatten().tolist())
        picture.save(tmp_path / f"{name}.png")
        paths[name] = str(tmp_path / f"{name}.png")
    label = read_instance_label(paths)
    assert label[0].T.tolist() == [[1, 0, 2], [0, 0, 0]]
    assert label[1].T.tolist() == [[15, 0, 3], [0, 0, 0]]


def test_void_is_told_by_the_class_so_that_an_object_may_have_the_number_255(tmp_path: Path) -> None:
    ids = saved(tmp_path / "i.png", np.array([[254, 255, 256]]), np.uint16)
    label = read_instance_label({"instances": ids, "classes": saved(tmp_path / "k.png", np.array([[1, 1, 255]]))})
    assert label[:, :, 0].tolist() == [[254, 255, 0], [1, 1, 0]]


def test_coco_polygons_runs_and_strings() -> None:
    rle = pytest.importorskip("pycocotools.mask")
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    square = [[2, 1, 5, 1, 5, 3, 2, 3]]
    runs = {"size": [4, 6], "counts": [9, 2, 2, 2, 2, 2, 5]}  # down the columns
    coded = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    for segmentation in (square, runs, coded, {**coded, "counts": coded["counts"].decode()}):
        assert np.array_equal(decode_segmentation(segmentation, (4, 6)), mask)


def test_the_smaller_object_lies_above() -> None:
    pytest.importorskip("pycocotools")
    small, large = [[2, 1, 4, 1, 4, 3, 2, 3]], [[0, 0, 6, 0, 6, 4, 0, 4]]
    for order in ((small, large), (large, small)):
        kinds = {id(small): 5, id(large): 7}
        label = read_instance_label(drawn(*[(s, kinds[id(s)]) for s in order]))
        assert label.shape == (2, 6, 4)
        assert (label[:, 2:4, 1:3] == np.array([2, 5])[:, None, None]).all()
        assert (label[:, 0] == np.array([1, 7])[:, None]).all()


def test_no_objects_and_an_object_without_pixels(caplog: pytest.LogCaptureFixture) -> None:
    assert not read_instance_label(drawn()).any()
    pytest.importorskip("pycocotools")
    with caplog.at_level(logging.WARNING):
        label = read_instance_label(drawn(({"size": [4, 6], "counts": [24]}, 3)))
    assert not label.any()
    assert "an object of class 3 without any pixel is left out" in caplog.text


def test_bad_labels(tmp_path: Path) -> None:
    a, b = saved(tmp_path / "a.png", IDS == 1), saved(tmp_path / "b.png", IDS > 0)
    small = saved(tmp_path / "s.png", IDS[:1])
    colour = saved(tmp_path / "c.png", np.zeros((2, 3, 3)))
    cases: list[tuple[Any, str]] = [
        ([a, b], r"objects must not overlap, but a\.png and b\.png share 2 pixels"),
        ([a, small], r"label a\.png must have the size of the other files, got \(3, 1\) and \(3, 2\)"),
        ({"instances": a, "classes": small}, r"label s\.png must have the size of the other files"),
        (colour, r"label c\.png must be a grey or palette picture, got RGB"),
        ({"instances": a}, "a label must be a file, a list of files, or a dict of a data list here"),
        ([], "a label must be a file"),
    ]
    for label, message in cases:
        with pytest.raises(ValueError, match=message):
            read_instance_label(label)


def test_runs_of_another_size() -> None:
    pytest.importorskip("pycocotools")
    with pytest.raises(ValueError, match=r"runs must have the image's size \(4, 6\), got \(5, 6\)"):
        decode_segmentation({"size": [5, 6], "counts": [30]}, (4, 6))


@pytest.mark.parametrize("polygons", [[[1, 1, 3, 3]], [[1, 1, 3, 1, 3, 3, 9]], [1, 1, 3, 1, 3, 3], "abc", None])
def test_bad_polygons(polygons: Any) -> None:
    pytest.importorskip("pycocotools")
    with pytest.raises(ValueError, match=r"a segmentation must be runs, or polygons \[x1, y1, .*, got "):
        decode_segmentation(polygons, (4, 6))


def test_no_polygon_is_no_pixel() -> None:
    pytest.importorskip("pycocotools")
    mask = decode_segmentation([], (4, 6))
    assert mask.shape == (4, 6)
    assert not mask.any()


def test_the_transform_names_the_case(tmp_path: Path) -> None:
    a, classes = saved(tmp_path / "a.png", IDS), saved(tmp_path / "k.png", 3 * (IDS > 0))
    item = {"label": {"instances": a, "classes": classes}, "case": "left"}
    with pytest.raises(ValueError, match="case left: class ids must be 1 to 2, got 3 for instance 1"):
        LoadInstancesd("label", num_classes=2)(item)
    assert LoadInstancesd("label", num_classes=3)(item)["label"].meta["filename_or_obj"] == "left"
    with pytest.raises(ValueError, match="`num_classes` must be >= 1, got 0"):
        LoadInstancesd("label", num_classes=0)


@pytest.mark.real_data
@pytest.mark.skipif("LSEXT_DATA" not in os.environ, reason="LSEXT_DATA is not set")
def test_coco_subset() -> None:
    pytest.importorskip("pycocotools")
    root = Path(os.environ["LSEXT_DATA"]) / "coco_subset"
    for part, count in (("train", 16), ("val", 8)):
        file = root / f"instances_{part}2017.json"
        items = coco_datalist(file, root / "images" / f"{part}2017")
        load = LoadInstancesd("label", num_classes=len(coco_categories(file)))
        labels = [load(item)["label"] for item in items]
        assert len(labels) == count
        assert sum(int(len(label[0].unique()) - 1) for label in labels) > 40


def test_shapes_are_written_in_vocs_layout(tmp_path: Path) -> None:
    from monai_lsext.data.phantoms import shapes_phantom, write_shapes_phantoms

    folder = write_shapes_phantoms(tmp_path / "set", num=3, seed=2, num_test=1, size=(64, 72))
    train, val = (voc_datalist(folder, part) for part in ("train", "val"))
    assert [item["case"] for item in train + val] == [f"phantom_{n:04d}" for n in range(3)]
    phantom = shapes_phantom(200_008, (64, 72))
    label = LoadInstancesd("label", num_classes=2)(val[0])["label"]
    assert np.array_equal(label, np.stack([phantom.instances.T, phantom.classes.T]))
