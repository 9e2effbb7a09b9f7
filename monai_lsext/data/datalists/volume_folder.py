"""Folders of NIfTI volumes and their labels: public sets of that form and a user's own, split by patient."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.data import partition_dataset

from .folds import cross_validation_part
from .listed_cases import ListedCases, folder_files, index_has, index_rows

__all__ = ["pair_fault", "volume_folder_cases", "volume_folder_datalist"]

PARTS = ("all", "train", "val", "test")
TEST_FOLDERS = ("validation", "testing", "test")
SUFFIXES = (".nii.gz", ".nii")
logger = logging.getLogger(__name__)


def volume_folder_cases(folder: str | Path) -> ListedCases:
    """Pairs of ``images/<case>.nii.gz`` and ``labels/<case>.nii.gz``, and what was left out and why.

    An ``index.csv`` beside them with a column ``case`` (the file's name, or what follows its last ``_``) gives the
    order and the cases to use, a column ``patient`` whose they are, a column ``split`` which are for testing. Without
    it the order is that of the names, and every case is a patient of its own. Left out is what has no image or no
    label, cannot be read, is no volume, or whose image and label have different sizes or places (affines).

    Args:
        folder: has ``images`` and ``labels``; other than NIfTI files are ignored.

    Returns:
        items {"image", "label", "case", "patient"}, and "split" where the index has it.

    Raises:
        FileNotFoundError: for a missing folder, or when no case is left, with the reasons.
    """
    root = Path(folder)
    images, labels = _by_case(root / "images"), _by_case(root / "labels")
    order = sorted(set(images) | set(labels))
    rows: dict[str, dict[str, str]] = {}
    left_out: dict[str, str] = {}
    if index_has(root, ["case"]):
        short = {name.rsplit("_", 1)[-1]: name for name in order}
        rows = {short.get(row["case"], row["case"]): row for row in index_rows(root)}
        left_out = {case: "not in index.csv" for case in order if case not in rows}
        order = list(rows)
    items = []
    for case in order:
        reason = pair_fault(images.get(case), labels.get(case))
        if reason:
            left_out[case] = reason
        else:
            row = rows.get(case, {})
            known = {"case": case, "patient": row.get("patient") or case}
            split = {"split": row["split"]} if "split" in row else {}
            items.append({"image": str(images[case]), "label": str(labels[case]), **known, **split})
    cases = ListedCases(items, left_out)
    if not items:
        raise FileNotFoundError(
            f"{root} holds no volume with its label: {cases.summary()}; images and labels must hold NIfTI volumes of "
            "the same names and on the same grids"
        )
    return cases


def volume_folder_datalist(
    dataset_dir: str | Path,
    part: str = "train",
    fold: int | None = 0,
    num_folds: int = 5,
    seed: int = 0,
    test_fold: int | None = None,
    num_test_folds: int = 4,
) -> list[dict[str, Any]]:
    """One part of a folder of volumes; training, validation and test never share a patient.

    The test part is

    - the folder ``validation``, ``testing`` or ``test`` where there is one beside ``training``, as in the 2018 atrial
      challenge;
    - else the patients of whom ``index.csv`` has a case with ``test`` in its column ``split``;
    - else, where it has no such column, the last third of its patients;
    - else a fifth of the patients, drawn once, the same for every ``seed``;
    - with ``test_fold`` that fold of all patients, for cross-validation.

    Args:
        dataset_dir: ``images`` and ``labels``, or ``training`` and a test folder that each hold these.
        part: ``train``, ``val``, ``test``, or ``all`` of training and validation.
        fold: validation fold of the rest, 0 to ``num_folds`` - 1; None: ``train`` and ``val`` are both all of the rest.
        num_folds: number of validation folds, default 5; no more than there are patients are made.
        seed: seed of both kinds of folds.
        test_fold: 0 to ``num_test_folds`` - 1, or None (default): the folder's own split.
        num_test_folds: number of test folds, default 4.

    Returns:
        list of {"image", "label", "case", "patient"}; the log says what was left out.

    Raises:
        FileNotFoundError: for missing folders, or when no case is left.
        ValueError: for an option out of range, or too few patients.

    Reference:
        Xiong et al., A global benchmark of algorithms for segmenting the left atrium from late gadolinium-enhanced
        cardiac magnetic resonance imaging, Medical Image Analysis 2021.
    """
    if part not in PARTS:
        raise ValueError(f"`part` must be one of {list(PARTS)}, got {part!r}")
    root = Path(dataset_dir)
    if not root.is_dir():
        raise FileNotFoundError(f"`dataset_dir` must be an existing folder, got {root}")
    rest, test = _split(root)
    if test_fold is not None:
        everyone = sorted(rest + test, key=lambda patient: patient[0]["case"])
        rest = cross_validation_part(everyone, "train", test_fold, num_test_folds, seed)
        test = cross_validation_part(everyone, "val", test_fold, num_test_folds, seed)
    if not rest or not test:
        raise ValueError(
            f"{root} has too few patients for a training and a test part, got {len(rest)} and {len(test)}: add volumes"
        )
    chosen = test if part == "test" else cross_validation_part(rest, part, fold, min(num_folds, len(rest)), seed)
    return [item for patient in chosen for item in patient]


def _split(root: Path) -> tuple[list[list[dict[str, Any]]], list[list[dict[str, Any]]]]:
    """Cases by patient: for training and validation, and for the test."""
    if (root / "training").is_dir():
        named = next((root / name for name in TEST_FOLDERS if (root / name).is_dir()), None)
        if named is None:
            raise FileNotFoundError(f"expected a folder {' or '.join(TEST_FOLDERS)} in {root}, but there is none")
        rest, test = _patients(root / "training"), _patients(named)
        shared = {group[0]["patient"] for group in rest} & {group[0]["patient"] for group in test}
        if shared:
            raise ValueError(f"{root}: patients in both parts: {', '.join(sorted(shared)[:5])}")
        return rest, test
    patients = _patients(root)
    if index_has(root, ["case"]):
        if index_has(root, ["split"]):
            test = [group for group in patients if any(item["split"] == "test" for item in group)]
            return [group for group in patients if group not in test], test
        cut = len(patients) - len(patients) // 3
        return patients[:cut], patients[cut:]
    rest, test = partition_dataset(patients, ratios=[0.8, 0.2], shuffle=True)
    return list(rest), list(test)


def _patients(folder: Path) -> list[list[dict[str, Any]]]:
    cases = volume_folder_cases(folder)
    logger.info(f"{folder.name}: {cases.summary()}")
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in cases.items:
        groups.setdefault(item["patient"], []).append(item)
    return list(groups.values())


def _by_case(folder: Path) -> dict[str, Path]:
    found = {}
    for path in folder_files(folder):
        suffix = next((end for end in SUFFIXES if path.name.endswith(end)), None)
        if suffix is not None:
            found[path.name.removesuffix(suffix)] = path
    return found


def pair_fault(image: Path | None, label: Path | None) -> str | None:
    """Why a pair cannot be used, from the headers alone."""
    if image is None or label is None:
        return "no image" if image is None else "no label"
    try:
        headers = [nib.nifti1.load(path) for path in (image, label)]
    except (OSError, nib.filebasedimages.ImageFileError):
        return "unreadable"
    if any(_ndim(header.shape) != 3 for header in headers):
        return "no volume"
    if headers[0].shape[:3] != headers[1].shape[:3]:
        return "label of another size"
    if not np.allclose(headers[0].affine, headers[1].affine, atol=1e-3):
        return "label in another place"
    return None


def _ndim(shape: Sequence[int]) -> int:
    return 3 if len(shape) > 3 and max(shape[3:]) == 1 else len(shape)
