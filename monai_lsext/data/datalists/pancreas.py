"""Data list of the pancreas task: NIH Pancreas-CT, the decathlon's, or a user's own volumes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .decathlon import decathlon_cases
from .folds import cross_validation_part
from .listed_cases import ListedCases, index_has
from .nih_pancreas import NIH_SLICE_COLUMNS, nih_pancreas_cases, nih_pancreas_slices
from .volume_folder import volume_folder_datalist

__all__ = ["pancreas_datalist"]

PARTS = ("all", "train", "val", "test")
logger = logging.getLogger(__name__)


def pancreas_datalist(
    dataset_dir: str | Path,
    part: str = "train",
    fold: int | None = 0,
    num_folds: int = 5,
    seed: int = 0,
    test_fold: int | None = None,
    num_test_folds: int = 4,
) -> list[dict[str, Any]]:
    """One part of the data in a folder, by what lies in it; training, validation and test never share a patient.

    - folders ``PANCREAS_NNNN``: DICOM series of NIH Pancreas-CT, see :func:`nih_pancreas_cases`;
    - ``index.csv`` with a column ``file``: single slices of it, see :func:`nih_pancreas_slices`;
    - ``dataset.json``: the decathlon's layout, see :func:`decathlon_cases`;
    - else ``images/`` and ``labels/``, see :func:`volume_folder_datalist`, which also has its own split.

    The first three have no split of their own: all patients are cut into ``num_test_folds`` seeded folds, of which
    ``test_fold`` is the test part. The cases by which a training chooses its weights (``val``) are a fold of the rest.

    Args:
        dataset_dir: the folder.
        part: ``train``, ``val``, ``test``, or ``all`` of training and validation.
        fold: validation fold of the rest, 0 to ``num_folds`` - 1; None: ``train`` and ``val`` are both all of the rest.
        num_folds: number of validation folds, default 5; no more than there are patients are made.
        seed: seed of both kinds of folds.
        test_fold: 0 to ``num_test_folds`` - 1; None (default): fold 0, or the folder's own split where it has one.
        num_test_folds: number of test folds, default 4.

    Returns:
        list of {"image", "label", "case", "patient"}; the log says what was left out.

    Raises:
        FileNotFoundError: for missing folders or files, or when no case is left.
        ValueError: for an option out of range, or too few patients.
    """
    if part not in PARTS:
        raise ValueError(f"`part` must be one of {list(PARTS)}, got {part!r}")
    root = Path(dataset_dir)
    read = _reader(root)
    if read is None:
        return volume_folder_datalist(root, part, fold, num_folds, seed, test_fold, num_test_folds)
    cases = read(root)
    logger.info(f"{root.name}: {cases.summary()}")
    by_patient: dict[str, list[dict[str, Any]]] = {}
    for item in cases.items:
        by_patient.setdefault(item["patient"], []).append(item)
    patients, tested = list(by_patient.values()), test_fold or 0
    if part == "test":
        chosen = cross_validation_part(patients, "val", tested, num_test_folds, seed)
    else:
        rest = cross_validation_part(patients, "train", tested, num_test_folds, seed)
        chosen = cross_validation_part(rest, part, fold, min(num_folds, len(rest)), seed)
    return [item for patient in chosen for item in patient]


def _reader(root: Path) -> Callable[[Path], ListedCases] | None:
    """The function for the layout of a folder; None for images/ and labels/."""
    if index_has(root, NIH_SLICE_COLUMNS):
        return nih_pancreas_slices
    if (root / "dataset.json").is_file():
        return decathlon_cases
    if not (root / "images").is_dir() and any(root.rglob("PANCREAS_[0-9][0-9][0-9][0-9]")):
        return nih_pancreas_cases
    return None
