"""The dispatcher of left-ventricle data, on phantoms in ACDC's layout and on a user's own folder."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_lsext.data.datalists import left_ventricle_datalist
from monai_lsext.data.phantoms import PHANTOM_TASKS


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("acdc") / "phantoms"
    PHANTOM_TASKS["left_ventricle"](folder, 6, 0)
    return folder


def write_volume(path: Path, label: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    nib.nifti1.Nifti1Image(label.astype(np.uint8), np.eye(4)).to_filename(path)


def own_folder(root: Path) -> Path:
    for index in range(8):
        label = np.zeros((6, 6, 3))
        label[2:4, 2:4, 1] = 1
        write_volume(root / "images" / f"case{index}.nii.gz", label)
        write_volume(root / "labels" / f"case{index}.nii.gz", label)
    return root


def test_slices_of_the_test_part_are_named_and_counted(phantoms: Path) -> None:
    volumes = left_ventricle_datalist(phantoms, "test")
    every = left_ventricle_datalist(phantoms, "test", slices="all")
    objects = left_ventricle_datalist(phantoms, "test", slices="object")
    labels = {v["case"]: np.asarray(nib.nifti1.load(v["label"]).dataobj) for v in volumes}
    assert len(every) == sum(label.shape[2] for label in labels.values())
    assert len({item["case"] for item in every}) == len(every)
    expected = [
        (case, z) for case, label in labels.items() for z in range(label.shape[2]) if (label[..., z] == 3).any()
    ]
    assert [(item["case"].rsplit("_slice", 1)[0], item["slice"]) for item in objects] == expected
    assert 0 < len(objects) < len(every)


def test_patients_of_the_parts_differ(phantoms: Path) -> None:
    parts = [left_ventricle_datalist(phantoms, part, num_folds=3) for part in ("train", "val", "test")]
    patients = [{item["case"].split("_")[0] for item in part} for part in parts]
    assert all(patients)
    assert not patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2]


def test_own_volumes_and_their_slices(tmp_path: Path) -> None:
    root = own_folder(tmp_path)
    cases = [{item["case"] for item in left_ventricle_datalist(root, part)} for part in ("train", "val", "test")]
    assert len(set.union(*cases)) == sum(map(len, cases)) == 8
    assert {item["slice"] for item in left_ventricle_datalist(root, "test", slices="object")} == {1}


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (255, r"label case\d\.nii\.gz must hold 0 and, in the left ventricle, 1 .*, got the values 0, 255: change"),
        (2, r"label case\d\.nii\.gz must hold .*1 \(or ACDC's 3\), got the values 0, 2: change them in the file$"),
        (0, r"all 4 labels of the part 'train' are empty: they must hold 1 in the left ventricle$"),
    ],
)
def test_labels_without_the_ventricle_are_refused(tmp_path: Path, factor: int, text: str) -> None:
    """The transforms would take each of them for an empty mask, and the training would learn nothing."""
    root = own_folder(tmp_path)
    for path in (root / "labels").iterdir():
        write_volume(path, factor * np.asarray(nib.nifti1.load(path).dataobj).astype(int))
    with pytest.raises(ValueError, match=text):
        left_ventricle_datalist(root)


def test_one_empty_label_among_others_and_acdc_values_pass(tmp_path: Path) -> None:
    root = own_folder(tmp_path)
    every = {part: left_ventricle_datalist(root, part) for part in ("train", "val", "test")}
    write_volume(Path(every["train"][0]["label"]), np.zeros((6, 6, 3)))
    write_volume(Path(every["train"][1]["label"]), np.full((6, 6, 3), 3))
    write_volume(Path(every["test"][0]["label"]), np.zeros((6, 6, 3)))
    assert {part: left_ventricle_datalist(root, part) for part in every} == every


def test_labels_of_another_size_or_torn_are_named(tmp_path: Path) -> None:
    root = own_folder(tmp_path)
    write_volume(root / "labels" / "case3.nii.gz", np.ones((6, 5, 3)))
    text = r"label case3\.nii\.gz must have the size of its image, 6 x 6 x 3, got 6 x 5 x 3: resample it$"
    with pytest.raises(ValueError, match=text):
        left_ventricle_datalist(root, fold=None) + left_ventricle_datalist(root, "test")
    path = root / "labels" / "case3.nii.gz"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(
        ValueError, match=r"case3\.nii\.gz in images or labels cannot be read \(.*Error\): write it anew"
    ):
        left_ventricle_datalist(root, fold=None) + left_ventricle_datalist(root, "test")


def test_labels_of_pictures_are_checked_too(tmp_path: Path) -> None:
    for index in range(8):
        for folder, value in (("images", 90), ("labels", 255)):
            (tmp_path / folder).mkdir(exist_ok=True)
            picture = np.zeros((5, 7), np.uint8)
            picture[1:3, 2:6] = value
            Image.fromarray(picture).save(tmp_path / folder / f"{index}.png")
    with pytest.raises(ValueError, match=r"label \d\.png must hold 0 and, .*, got the values 0, 255: change"):
        left_ventricle_datalist(tmp_path)
    for path in (tmp_path / "labels").iterdir():
        Image.fromarray((np.asarray(Image.open(path)) > 0).astype(np.uint8)).save(path)
    assert len(left_ventricle_datalist(tmp_path, fold=None)) == 6


@pytest.mark.parametrize(("marker", "form"), [("labels_png", "jpeg"), ("nifti", "nifti"), ("link.csv", "dicom")])
def test_nothing_trains_on_sunnybrook(tmp_path: Path, marker: str, form: str) -> None:
    (tmp_path / marker).mkdir()
    with pytest.raises(ValueError, match="Sunnybrook is an outside test: `part` must be 'test', got 'train'"):
        left_ventricle_datalist(tmp_path, "train")
    with pytest.raises((FileNotFoundError, IsADirectoryError)):
        left_ventricle_datalist(tmp_path, "test")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slices": "some"}, r"`slices` must be one of \[None, 'all', 'object'\], got 'some'"),
        ({"num_images": 3}, "`num_images` is for ACDC's layout alone, got 3"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        left_ventricle_datalist(own_folder(tmp_path), **options)
    with pytest.raises(FileNotFoundError, match="`dataset_dir` must be an existing folder"):
        left_ventricle_datalist(tmp_path / "gone")
