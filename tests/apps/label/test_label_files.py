"""Uploads, refinement and the split of labelled images, without a server."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from monai_lsext.apps.label.annotations import annotation
from monai_lsext.apps.label.errors import RequestError
from monai_lsext.apps.label.labels import case_of, check_image, check_name, label_file, label_values
from monai_lsext.apps.label.refine import refined_label
from monai_lsext.apps.label.studies import prepared_studies
from monai_lsext.apps.label.training import fine_tune, split
from monai_lsext.apps.segmentation import Segmentation
from monai_lsext.registry import BUNDLES, find_bundle

AFFINE = np.diag([2.0, 2.0, 5.0, 1.0])


def picture(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values.astype(np.uint8).T).save(path)
    return path


def volume(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.nifti1.Nifti1Image(values, affine), path)
    return path


def test_labels_take_the_form_of_their_image(tmp_path: Path) -> None:
    values = np.zeros((6, 4), dtype=np.uint8)
    values[1, 2] = 2
    image = picture(tmp_path / "a.png", values)
    flat = volume(tmp_path / "flat.nii.gz", values[..., None])
    for sent in (flat, image):
        suffix, content = label_file(sent, image)
        assert suffix == ".png"
        (tmp_path / "kept.png").write_bytes(content)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "kept.png")).T, values)
    suffix, content = label_file(image, flat)
    assert suffix == ".nii.gz"
    (tmp_path / "kept.nii.gz").write_bytes(content)
    kept = nib.nifti1.load(tmp_path / "kept.nii.gz")
    np.testing.assert_array_equal(np.asarray(kept.dataobj)[..., 0], values)
    np.testing.assert_array_equal(kept.affine, AFFINE)


def test_a_volumes_single_column_keeps_its_axes(tmp_path: Path) -> None:
    values = np.ones((1, 4, 3), dtype=np.uint8)
    path = volume(tmp_path / "a.nii", values)
    np.testing.assert_array_equal(label_values(path, case_of(path)), values)


def test_unfit_labels_are_sentences(tmp_path: Path) -> None:
    image = volume(tmp_path / "image.nii", np.zeros((4, 5, 6), dtype=np.int16))
    shape = case_of(image)
    cases = {
        "the label must have the image's size 4 x 5 x 6, got 4 x 5 x 7": np.zeros((4, 5, 7), dtype=np.uint8),
        "whole numbers 0 to 255, got 0 to 0.5": np.linspace(0, 0.5, 120).reshape(4, 5, 6).astype(np.float32),
        "whole numbers 0 to 255, got -1 to -1": np.full((4, 5, 6), -1, dtype=np.int16),
    }
    for sentence, values in cases.items():
        with pytest.raises(RequestError, match=sentence):
            label_values(volume(tmp_path / "label.nii", values), shape)
    moved = volume(tmp_path / "moved.nii", np.zeros((4, 5, 6), dtype=np.uint8), AFFINE + np.eye(4, k=3) * 9)
    with pytest.raises(RequestError, match="another affine"):
        label_values(moved, shape)
    (tmp_path / "half.nii").write_bytes(moved.read_bytes()[:400])
    with pytest.raises(RequestError, match="truncated or damaged"):
        label_values(tmp_path / "half.nii", shape)
    with pytest.raises(RequestError, match=r"NIfTI, PNG or TIFF by its name, got label\.xml"):
        label_values(tmp_path / "label.xml", shape)


def test_unfit_images_are_sentences(tmp_path: Path) -> None:
    whole = volume(tmp_path / "a.nii", np.zeros((40, 40, 4), dtype=np.int16))
    check_image(whole)
    (tmp_path / "half.nii").write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(RequestError, match="the image cannot be used: expected a whole NIfTI file, found less than"):
        check_image(tmp_path / "half.nii")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(RequestError, match="expected a PNG, JPEG or TIFF image, found something else"):
        check_image(tmp_path / "text.png")
    with pytest.raises(RequestError, match=r"must be NIfTI, PNG, JPEG or TIFF by its name, got a\.exe"):
        check_image("a.exe")
    with pytest.raises(RequestError, match=r"gone\.png cannot be read") as caught:
        case_of(tmp_path / "gone.png")
    assert caught.value.status == 404


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden", "a\\b"])
def test_names_stay_in_the_folder(name: str) -> None:
    with pytest.raises(RequestError, match="an image's name must not be empty, hidden or hold a slash"):
        check_name(name)


def rough_square() -> tuple[np.ndarray, np.ndarray]:
    """A disc, and a label of it with a ragged rim."""
    x, y = np.mgrid[:60, :60]
    distance = np.hypot(x - 30, y - 28)
    noise = np.random.default_rng(0).random((60, 60))
    return distance < 15, (distance < 12) | ((distance < 18) & (noise > 0.5))


def test_refine_smooths_and_keeps_values(tmp_path: Path) -> None:
    disc, rough = rough_square()
    image = picture(tmp_path / "a.png", 60 + 120 * disc)
    label = np.where(rough, 7, 0)
    label[50:58, 50:58] = 3
    refined = refined_label(label, str(image))
    assert sorted(np.unique(refined)) == [0, 3, 7]
    before, after = (float((disc & (values == 7)).sum() / (disc | (values == 7)).sum()) for values in (label, refined))
    assert before < 0.7
    assert after > 0.95
    assert ndimage.label(refined == 7)[1] == 1
    np.testing.assert_array_equal(refined_label(label * 0, str(image)), label * 0)
    with pytest.raises(ValueError, match="refine's options are"):
        refined_label(label, str(image), {"speed": 1})


def test_refine_takes_volumes(tmp_path: Path) -> None:
    disc, rough = rough_square()
    image = volume(tmp_path / "a.nii", np.repeat(np.where(disc, 100, 20)[..., None], 5, -1).astype(np.int16))
    label = np.repeat(rough[..., None], 5, -1).astype(np.int64)
    refined = refined_label(label, str(image), {"num_iter": 20})
    assert refined.shape == (60, 60, 5)
    middle = refined[..., 2] > 0
    assert (rough & disc).sum() / (rough | disc).sum() < 0.7
    assert (middle & disc).sum() / (middle | disc).sum() > 0.85


def test_annotation_has_one_contour_an_object() -> None:
    label_map = np.zeros((12, 9), dtype=np.int64)
    label_map[1:4, 1:4], label_map[7:10, 3:7], label_map[8, 4] = 1, 1, 2
    found = annotation(Segmentation(label_map), BUNDLES["racenet_optic_disc_cup"].regions)
    assert {part["label"]: len(part["contours"]) for part in found["elements"]} == {"optic disc": 2, "optic cup": 1}
    assert found["labels"]["optic cup"] == [41, 98, 255]
    (cup,) = found["elements"][1]["contours"]
    assert sorted(map(tuple, cup)) == [(7.5, 4.0), (8.0, 3.5), (8.0, 4.5), (8.5, 4.0)]
    numbers = np.where(label_map > 0, 1, 0)
    assert len(annotation(Segmentation(label_map, numbers), BUNDLES["racenet_nuclei"].regions)["elements"]) == 1


def test_split_holds_cases_back() -> None:
    items = [{"image": f"{index}.png", "label": f"{index}.png"} for index in range(10)]
    training, validation = split(items, 0.2, seed=1)
    assert (len(training), len(validation)) == (8, 2)
    assert {item["image"] for item in training}.isdisjoint(item["image"] for item in validation)
    assert split(items, 0.2, seed=1) == (training, validation)
    assert split(items[:1], 0.2, seed=0) == (items[:1], items[:1])
    with pytest.raises(ValueError, match="at least one labelled image, got none"):
        split([], 0.2, 0)
    with pytest.raises(ValueError, match=r"`val_split` must be 0 to 0\.9, got 1"):
        split(items, 1, 0)


def test_fine_tune_refuses_before_it_writes(tmp_path: Path) -> None:
    root = find_bundle("racenet_nuclei")
    with pytest.raises(ValueError, match="`max_epochs` must be >= 1, got 0"):
        fine_tune(root, root / "models/model.pt", [], tmp_path / "new", {"max_epochs": 0})
    with pytest.raises(ValueError, match="at least one labelled image"):
        fine_tune(root, root / "models/model.pt", [], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_studies_without_dicom_are_used_as_they_lie(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", np.zeros((4, 4)))
    assert prepared_studies(str(tmp_path), tmp_path / "app") == tmp_path.resolve()
    with pytest.raises(ValueError, match="studies must be an existing folder"):
        prepared_studies(str(tmp_path / "none"), tmp_path / "app")
