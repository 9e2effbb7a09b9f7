"""Data list of the left ventricle: ACDC, Sunnybrook (test alone), or a user's own volumes and slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_lsext.data.image_file import NIFTI_SUFFIXES

from .acdc import LEFT_VENTRICLE, acdc_datalist
from .image_folder import image_folder_part
from .sunnybrook import sunnybrook_datalist

__all__ = ["left_ventricle_datalist"]

SLICES = (None, "all", "object")


def left_ventricle_datalist(
    dataset_dir: str | Path,
    part: str = "train",
    fold: int | None = 0,
    num_folds: int = 5,
    seed: int = 0,
    num_images: int | None = None,
    slices: str | None = None,
    need_labels: bool = True,
) -> list[dict[str, Any]]:
    """One part of the data in a folder, by what lies in it; training, validation and test never share a patient.

    - ``training/``: ACDC, see :func:`acdc_datalist`.
    - ``link.csv``, ``nifti/`` or ``labels_png/``: Sunnybrook, all of it ``test``: nothing trains on it.
    - ``images/`` and ``labels/``: a user's own, see :func:`image_folder_part`; a case is taken for a patient.

    Args:
        dataset_dir: the folder.
        part: ``train``, ``val``, ``test``, or ``all`` of training and validation.
        fold: validation fold, 0 to ``num_folds`` - 1; None: ``train`` and ``val`` are both all of the training part.
        num_folds: number of folds, default 5.
        seed: seed of the folds and of the drawn slices.
        num_images: for ACDC's ``train`` alone: so many slices with a left ventricle instead of the volumes.
        slices: None (default): volumes; ``all``: one item for each slice of a NIfTI volume, its index under "slice"
            and its name under "case"; ``object``: only slices whose label has a left ventricle.
        need_labels: False: an image of a user's own without a label is an item without "label", in ``train`` alone.

    Returns:
        list of {"image", "label", "case"}, and "phase", "slice" where known.

    Raises:
        FileNotFoundError: for a missing folder or files, naming them.
        ValueError: for an unknown option, too few cases, or a part of Sunnybrook other than ``test``; for a label of
            a user's own that cannot be read, has another size than its image or no value of the ventricle.
    """
    if slices not in SLICES:
        raise ValueError(f"`slices` must be one of {list(SLICES)}, got {slices!r}")
    root = Path(dataset_dir)
    if not root.is_dir():
        raise FileNotFoundError(f"`dataset_dir` must be an existing folder, got {root}")
    if (root / "training").is_dir():
        items = acdc_datalist(root, part, fold, num_folds, seed, num_images)
    elif num_images is not None:
        raise ValueError(f"`num_images` is for ACDC's layout alone, got {num_images} for {root}")
    elif form := _sunnybrook_form(root):
        if part != "test":
            raise ValueError(f"Sunnybrook is an outside test: `part` must be 'test', got {part!r}")
        items = sunnybrook_datalist(root, form)
    else:
        items = list(image_folder_part(root, part, fold, num_folds, seed, need_labels=need_labels))
        _check_labels(items, part)
    return items if slices is None else [item for volume in items for item in _slices(volume, slices)]


def _check_labels(items: list[dict[str, Any]], part: str) -> None:
    """Refuse what would train a network on empty or shifted masks: the transforms take any other value for none."""
    empty = 0
    labelled = [item for item in items if "label" in item]
    for item in labelled:
        name = Path(item["label"]).name
        try:
            label, size = _voxels(item["label"]), _size(item["image"])
        except Exception as error:  # nibabel, gzip and Pillow raise what they like for a broken file
            why = f"cannot be read ({type(error).__name__})"
            raise ValueError(f"{name} in images or labels {why}: write it anew or remove the case") from error
        if _trimmed(label.shape) != size:
            got, expected = (" x ".join(map(str, shape)) for shape in (_trimmed(label.shape), size))
            raise ValueError(f"label {name} must have the size of its image, {expected}, got {got}: resample it")
        if not ((label == 1) | (label == LEFT_VENTRICLE)).any():
            empty += 1
            if label.any():
                shown = ", ".join(f"{value:g}" for value in np.unique(label)[:10])
                raise ValueError(
                    f"label {name} must hold 0 and, in the left ventricle, 1 (or ACDC's {LEFT_VENTRICLE}), got the "
                    f"values {shown}: change them in the file"
                )
    if part != "test" and labelled and empty == len(labelled):
        raise ValueError(f"all {empty} labels of the part {part!r} are empty: they must hold 1 in the left ventricle")


def _voxels(path: str) -> NDArray[Any]:
    if path.lower().endswith(NIFTI_SUFFIXES):
        return np.asanyarray(nib.nifti1.load(path).dataobj)
    with Image.open(path) as picture:
        return np.asarray(picture).swapaxes(0, 1)  # first axis: columns, as in a NIfTI file


def _size(path: str) -> tuple[int, ...]:
    if path.lower().endswith(NIFTI_SUFFIXES):
        return _trimmed(nib.nifti1.load(path).shape)
    with Image.open(path) as picture:
        return picture.size


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes of the three first axes at most, without a third of 1."""
    return tuple(shape[:2] if shape[2:3] in ((), (1,)) else shape[:3])


def _sunnybrook_form(root: Path) -> str | None:
    forms = {"labels_png": "jpeg", "nifti": "nifti", "link.csv": "dicom"}
    return next((form for name, form in forms.items() if (root / name).exists()), None)


def _slices(volume: dict[str, Any], which: str) -> list[dict[str, Any]]:
    """The slices of one labelled item; what is a slice already and what has no label stays."""
    if "slice" in volume or "label" not in volume or not str(volume["label"]).lower().endswith(NIFTI_SUFFIXES):
        return [volume]
    label = np.asanyarray(nib.nifti1.load(volume["label"]).dataobj)
    if label.ndim != 3:
        return [volume]
    ventricle = label == (LEFT_VENTRICLE if (label == LEFT_VENTRICLE).any() else 1)
    chosen = range(label.shape[2]) if which == "all" else np.flatnonzero(ventricle.any(axis=(0, 1)))
    return [{**volume, "slice": int(index), "case": f"{volume['case']}_slice{index:02d}"} for index in chosen]
