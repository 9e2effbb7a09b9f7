"""Data list of the liver: single slices listed with their patients, or a user's own slices and volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.data import partition_dataset

from .folds import cross_validation_part
from .image_folder import image_folder_part
from .listed_cases import index_has, index_rows, require_files

__all__ = ["liver_datalist"]

PARTS = ("all", "train", "val", "test")
TEST_SHARE = 0.2


def liver_datalist(
    dataset_dir: str | Path,
    part: str = "train",
    fold: int | None = 0,
    num_folds: int = 5,
    seed: int = 0,
    need_labels: bool = True,
) -> list[dict[str, Any]]:
    """One part of the data in a folder; training, validation and test never share a patient.

    - ``index.csv`` with columns ``slice`` and ``patient``: slices ``images/<slice>.png``, ``labels/<slice>.png``; the
      column ``split`` names those of the test part (``test``), without it a fifth of the patients, the same for
      every seed.
    - ``images/`` and ``labels/``: a user's own, see :func:`image_folder_part`; a case is taken for a patient.

    Args:
        dataset_dir: the folder.
        part: ``train``, ``val``, ``test``, or ``all`` of training and validation.
        fold: validation fold, 0 to ``num_folds`` - 1; None: ``train`` and ``val`` are both all of the training part.
        num_folds: number of folds, default 5.
        seed: seed of the folds.
        need_labels: False: an image of a user's own without a label is an item without "label", in ``train`` alone.

    Returns:
        list of {"image", "label", "case"}, with "patient" where known.

    Raises:
        FileNotFoundError: for a missing folder or files, naming them.
        ValueError: for an unknown part, or too few patients.
    """
    if part not in PARTS:
        raise ValueError(f"`part` must be one of {list(PARTS)}, got {part!r}")
    root = Path(dataset_dir)
    if not root.is_dir():
        raise FileNotFoundError(f"`dataset_dir` must be an existing folder, got {root}")
    if not index_has(root, ("slice", "patient")):
        return list(image_folder_part(root, part, fold, num_folds, seed, need_labels=need_labels))
    rows = index_rows(root)
    patients = sorted({row["patient"] for row in rows})
    if index_has(root, ("split",)):
        test = sorted({row["patient"] for row in rows if row["split"] == "test"})
        training = [patient for patient in patients if patient not in test]
    else:
        training, test = partition_dataset(patients, ratios=[1 - TEST_SHARE, TEST_SHARE], shuffle=True)
    chosen = set(test if part == "test" else cross_validation_part(training, part, fold, num_folds, seed))
    items = [
        {**{key: str(root / f"{key}s" / f"{row['slice']}.png") for key in ("image", "label")}, **_names(row)}
        for row in rows
        if row["patient"] in chosen
    ]
    require_files(items)
    return items


def _names(row: dict[str, str]) -> dict[str, str]:
    return {"case": row["slice"], "patient": row["patient"]}
