"""Data list of the left ventricle: ACDC, Sunnybrook (test alone), or a user's own volumes and slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

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
        ValueError: for an unknown option, too few cases, or a part of Sunnybrook other than ``test``.
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
    return items if slices is None else [item for volume in items for item in _slices(volume, slices)]


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
