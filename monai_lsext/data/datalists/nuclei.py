"""Data list of the nuclei task, from public data sets or a user's own images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.data import partition_dataset_classes
from PIL import Image

from monai_lsext.data.image_file import NIFTI_SUFFIXES

from .cpm15 import cpm15_cases, is_cpm15
from .dsb2018 import dsb2018_cases, is_dsb2018
from .folds import cross_validation_part
from .image_folder import image_folder_datalist
from .listed_cases import ListedCases

__all__ = ["nuclei_cases", "nuclei_datalist"]

PARTS = ("all", "train", "val", "test", "every")
logger = logging.getLogger(__name__)


def nuclei_cases(dataset_dir: str | Path, kinds: Sequence[str] = ("colour",)) -> ListedCases:
    """All pictures with nuclei in a folder, and what was left out and why.

    What the folder holds decides how it is read: Data Science Bowl 2018 (:func:`dsb2018_cases`), CPM15
    (:func:`cpm15_cases`), or ``images/`` and ``labels/`` of the same names, whose labels are 0 where there is no
    nucleus. There is no patient in these lists.

    Args:
        dataset_dir: the folder.
        kinds: wanted of Data Science Bowl 2018, see there; default stained sections alone.

    Raises:
        FileNotFoundError: for a missing folder or files, naming them.
        ValueError: for an unknown kind, a label that is no grey picture, or when no case is left.
    """
    root = Path(dataset_dir)
    if not root.is_dir():
        raise FileNotFoundError(f"`dataset_dir` must be an existing folder, got {root}")
    cases = dsb2018_cases(root, kinds) if is_dsb2018(root) else cpm15_cases(root) if is_cpm15(root) else _own(root)
    if not cases.items:
        raise ValueError(f"{root} has no case to use: {cases.summary()}")
    return cases


def nuclei_datalist(
    dataset_dir: str | Path,
    part: str = "train",
    fold: int | None = 0,
    num_folds: int = 5,
    seed: int = 0,
    test_fraction: float = 0.25,
    kinds: Sequence[str] = ("colour",),
) -> list[dict[str, Any]]:
    """One part of the images in a folder; training, validation and test never share an image.

    Test are the images whose "split" is ``test`` where the list has splits, else a random ``test_fraction`` of each
    kind, the same for every ``seed``. The folds lie in the rest. What was left out goes to the log.

    Args:
        dataset_dir: see :func:`nuclei_cases`.
        part: ``train``, ``val``, ``test``, ``all`` of training and validation, or ``every`` image (a test on another
            data set than that of the training).
        fold: validation fold, 0 to ``num_folds`` - 1; None: ``train`` and ``val`` are both all but the test.
        num_folds: number of folds, default 5.
        seed: seed of the folds.
        test_fraction: share that is held back, 0 < share < 1, default 0.25.
        kinds: see :func:`nuclei_cases`.

    Returns:
        list of {"image", "label", "case"}; a "label" that is a list of files has one nucleus in each.

    Raises:
        FileNotFoundError: for a missing folder or files, naming them.
        ValueError: for an unknown option, or too few cases.
    """
    if part not in PARTS:
        raise ValueError(f"`part` must be one of {list(PARTS)}, got {part!r}")
    if not 0 < test_fraction < 1:
        raise ValueError(f"`test_fraction` must lie between 0 and 1, got {test_fraction}")
    cases = nuclei_cases(dataset_dir, kinds)
    if cases.left_out:
        logger.warning("%s: %s", dataset_dir, cases.summary())
    items = cases.items
    if part == "every":
        return _paths(items)
    if "split" in items[0]:
        training, test = ([item for item in items if (item["split"] == "test") is wanted] for wanted in (False, True))
    else:
        strata = [item.get("kind", "") for item in items]
        training, test = partition_dataset_classes(items, strata, [1 - test_fraction, test_fraction], shuffle=True)
    if not training or not test:
        raise ValueError(f"{dataset_dir} has too few images to hold back {test_fraction} of them for the test")
    chosen = test if part == "test" else cross_validation_part(training, part, fold, num_folds, seed)
    return _paths(chosen)


def _paths(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: item[key] for key in ("image", "label", "case")} for item in items]


def _own(root: Path) -> ListedCases:
    items, left_out = [], {}
    for item in image_folder_datalist(root):
        if _has_nucleus(item["label"]):
            items.append({**item})
        else:
            left_out[item["case"]] = "no nucleus"
    return ListedCases(items, left_out)


def _has_nucleus(label: str) -> bool:
    if label.lower().endswith(NIFTI_SUFFIXES):
        return bool((np.asanyarray(nib.nifti1.load(label).dataobj) > 0).any())
    with Image.open(label) as picture:
        # of a colour picture or a palette, "greater than 0" would say nothing of nuclei
        if len(picture.getbands()) > 1 or picture.mode == "P":
            raise ValueError(f"label {Path(label).name} must be a grey picture, 0 without nucleus, got {picture.mode}")
        return bool((np.asarray(picture) > 0).any())
