"""Windows around objects and who is alone in them, on labels drawn by hand; the list of single objects."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_lsext.data.datalists import single_object_datalist
from monai_lsext.data.object_windows import ObjectWindow, lonely_objects, object_window
from monai_lsext.data.phantoms import PHANTOM_TASKS, object_phantom, write_object_phantoms


def drawn(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (60, 80)) -> np.ndarray:
    """Label map with object i in the box (rows from, to, columns from, to), to excluded."""
    ids = np.zeros(size, np.uint16)
    for number, (top, bottom, left, right) in enumerate(boxes, 1):
        ids[top:bottom, left:right] = number
    return ids


@pytest.mark.parametrize(
    ("box", "context", "expected"),
    [
        ((20, 30, 40, 46), 2.0, ObjectWindow((15, 33), 20)),
        ((20, 31, 40, 46), 2.0, ObjectWindow((14, 32), 22)),  # centre 25.5: 25.5 - 11 = 14.5 becomes 14
        ((20, 30, 40, 46), 1.25, ObjectWindow((18, 36), 13)),
        ((0, 10, 2, 8), 2.0, ObjectWindow((-5, -5), 20)),
        ((20, 30, 40, 46), 1.0, ObjectWindow((20, 38), 10)),
    ],
)
def test_window_of_a_box(box: tuple[int, int, int, int], context: float, expected: ObjectWindow) -> None:
    assert object_window(drawn(box) > 0, context) == expected


def test_window_of_nothing() -> None:
    with pytest.raises(ValueError, match="`mask` must have a pixel, got none"):
        object_window(np.zeros((4, 4), bool))


def test_who_is_alone() -> None:
    boxes = [
        (20, 30, 20, 30),  # window 15..35: free
        (20, 30, 60, 70),  # window 55..75 of 80: free
        (4, 14, 40, 50),  # window begins at row -1
        (50, 55, 10, 15),  # small, but it does not reach into a window
    ]
    chosen, left_out = lonely_objects(drawn(*boxes))
    assert chosen == [1, 2]
    assert dict(left_out) == {"at the border": 1, "below 10 px": 1}
    neighbour = drawn(*boxes)
    neighbour[34, 34] = 9  # the last pixel of the first window
    assert lonely_objects(neighbour)[0] == [2]
    assert lonely_objects(neighbour)[1]["not alone in the window"] == 1
    neighbour[34, 34], neighbour[35, 35] = 0, 9  # one beyond it
    assert lonely_objects(neighbour)[0] == [1, 2]
    assert lonely_objects(drawn(*boxes), smallest_px=11)[0] == []
    assert lonely_objects(drawn(*boxes), context=1.5)[0] == [1, 2, 3]


def dsb2018(root: Path, ids: np.ndarray, num: int = 12) -> Path:
    """Pictures with one label, of three kinds, in the layout with a list."""
    kinds = ("colour", "fluorescence", "brightfield_grey")
    rows = []
    for index in range(num):
        kind, name = kinds[index % 3], f"p{index:02d}"
        for folder, pixels in (("images", (ids > 0).astype(np.uint8) * 200), ("labels", ids)):
            (root / folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / folder / kind / f"{name}.png")
        rows.append((name, kind, int(ids.max())))
    with open(root / "index.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([("name", "kind", "n_nuclei"), *rows])
    return root


FOUR = drawn((10, 20, 10, 20), (10, 20, 50, 60), (40, 50, 10, 20), (40, 50, 50, 60), size=(64, 80))


def test_nuclei_of_all_kinds_are_split_by_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dsb2018(tmp_path, FOUR)
    parts = {part: single_object_datalist(tmp_path, part, fold=1, seed=3) for part in ("train", "val", "test", "all")}
    pictures = {part: {item["picture"] for item in items} for part, items in parts.items()}
    assert pictures["train"] | pictures["val"] == pictures["all"]
    assert not pictures["train"] & pictures["val"]
    assert not pictures["all"] & pictures["test"]
    assert len(pictures["all"] | pictures["test"]) == 12
    assert len({Path(item["image"]).parent.name for item in parts["test"]}) == 3
    for items in parts.values():
        assert len({item["case"] for item in items}) == len(items) == 4 * len({item["picture"] for item in items})
    with caplog.at_level(logging.INFO):
        few = single_object_datalist(tmp_path, "test", seed=8, most=3)
    assert len(few) == 3 * len(pictures["test"])
    assert {item["picture"] for item in few} == pictures["test"]
    assert f"{len(few)} objects used; left out: {len(pictures['test'])} (beyond 3 of a picture)" in caplog.text
    again = single_object_datalist(tmp_path, "test", seed=9, most=3)
    assert [item["case"] for item in few] == [item["case"] for item in again]


def test_a_file_for_each_nucleus(tmp_path: Path) -> None:
    """The label of an item is its own mask; the others decide whether it is alone."""
    near = FOUR.copy()
    near[25:28, 10:13] = 5  # beside the windows of the first and the third object: rows 5..25 and 35..55
    near[24, 24] = 6  # in the first one's
    for index in range(8):
        folder = tmp_path / "stage1_train" / f"p{index}"
        for name in ("images", "masks"):
            (folder / name).mkdir(parents=True)
        Image.fromarray((near > 0).astype(np.uint8) * 90).convert("RGB").save(folder / "images" / f"p{index}.png")
        for number in range(1, 7):
            Image.fromarray((near == number).astype(np.uint8) * 255).save(folder / "masks" / f"m{number}.png")
    items = single_object_datalist(tmp_path, "all")
    first = [item for item in items if item["picture"] == items[0]["picture"]]
    assert [Path(item["label"]).name for item in first] == ["m2.png", "m3.png", "m4.png"]
    assert {item["object"] for item in items} == {255}


def acdc(root: Path) -> Path:
    for index in range(1, 7):
        label = np.zeros((40, 50, 4), np.uint8)
        label[10:25, 10:25, 1], label[12:22, 12:22, 1] = 2, 3
        label[12:21, 12:15, 2] = 3  # nine pixels long
        label[2:22, 12:15, 3] = 3
        patient = root / ("training" if index < 6 else "validation") / f"patient{index:03d}"
        patient.mkdir(parents=True)
        for suffix in ("", "_gt"):
            volume = nib.nifti1.Nifti1Image(label, np.eye(4))
            volume.to_filename(patient / f"patient{index:03d}_frame01{suffix}.nii.gz")
    return root


def test_slices_of_the_left_ventricle(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        items = single_object_datalist(acdc(tmp_path), "test")
    assert [(item["case"], item["slice"], item["object"], item["picture"]) for item in items] == [
        ("patient006_frame01_slice01", 1, 3, "patient006"),
        ("patient006_frame01_slice03", 3, 3, "patient006"),
    ]
    assert "2 objects used; left out: 1 (below 10 px), 1 (slice without the cavity)" in caplog.text
    parts = [{item["picture"] for item in single_object_datalist(tmp_path, part, 0)} for part in ("train", "val")]
    assert sorted(len(part) for part in parts) == [1, 4]
    assert not parts[0] & parts[1]


def test_own_pictures_are_whole(tmp_path: Path) -> None:
    data = write_object_phantoms(tmp_path / "set", num=12, num_test=3, size=(32, 40))
    test = single_object_datalist(data, "test")
    assert [item["case"] for item in test] == ["phantom_0009", "phantom_0010", "phantom_0011"]
    assert all("object" not in item and item["picture"] == item["case"] for item in test)
    rest = [item["case"] for part in ("train", "val") for item in single_object_datalist(data, part, 2)]
    assert sorted(rest) == [f"phantom_{index:04d}" for index in range(9)]
    (data / "index.csv").unlink()
    assert len(single_object_datalist(data, "test")) == 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"context": 0.9}, r"`context` must be >= 1, got 0\.9"),
        ({"most": 0}, "`most` must be >= 1, got 0"),
        ({"part": "Test"}, "`part` must be one of"),
        ({"part": "test", "smallest_px": 30}, "has no object to use in the part 'test'; left out: .*below 30 px"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        single_object_datalist(dsb2018(tmp_path, FOUR), **options)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="`dataset_dir` must be an existing folder"):
        single_object_datalist(tmp_path / "none")


def test_phantoms() -> None:
    bright = 0
    for seed in range(24):
        image, mask = object_phantom(seed)
        assert (image.shape, image.dtype, mask.dtype) == ((96, 96), np.uint8, np.uint8)
        assert np.unique(mask).tolist() == [0, 1]
        assert mask[44:52, 44:52].mean() > 0.9  # the middle
        window = object_window(mask > 0)
        assert min(window.start) > -20
        assert max(window.start) + window.side < 116
        difference = image[mask > 0].mean() - image[mask == 0].mean()
        assert abs(difference) > 20
        bright += difference > 0
    assert 6 <= bright <= 18
    assert object_phantom(5).image.tobytes() == object_phantom(5).image.tobytes() != object_phantom(6).image.tobytes()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"seed": -1}, "`seed` must be >= 0, got -1"),
        ({"seed": 0, "size": (31, 40)}, r"`size` must be two numbers >= 32, got \(31, 40\)"),
    ],
)
def test_bad_phantoms(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        object_phantom(**arguments)


def test_written_phantoms(tmp_path: Path) -> None:
    folder = PHANTOM_TASKS["object"](tmp_path / "set", 3, 4)
    with open(folder / "index.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["split"] for row in rows] == ["train", "train", "test"]
    for index, row in enumerate(rows):
        phantom = object_phantom(400_012 + index)
        for kind, pixels in (("images", phantom.image), ("labels", phantom.mask)):
            np.testing.assert_array_equal(np.asarray(Image.open(folder / kind / f"{row['case']}.png")), pixels)
        assert int(row["px_object"]) == phantom.mask.sum()
