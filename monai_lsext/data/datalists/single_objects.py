"""Data list of single objects: lonely nuclei, slices of the left ventricle, or a user's own pictures of one object."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_lsext.data.object_windows import lonely_objects

from .acdc import LEFT_VENTRICLE, acdc_datalist
from .dsb2018 import KINDS, is_dsb2018
from .folds import cross_validation_part
from .image_folder import image_folder_datalist, image_folder_part
from .listed_cases import index_has, index_rows
from .nuclei import nuclei_datalist

__all__ = ["single_object_datalist"]

logger = logging.getLogger(__name__)


def single_object_datalist(
    dataset_dir: str | Path,
    part: str = "train",
    fold: int | None = 0,
    num_folds: int = 5,
    seed: int = 0,
    context: float = 2.0,
    most: int = 10,
    smallest_px: int = 10,
) -> list[dict[str, Any]]:
    """One part of the objects in a folder, by what lies in it; no two parts share a picture or a patient.

    - ``training/``: ACDC, see :func:`acdc_datalist`: one item for each slice with the left ventricle's cavity.
    - Data Science Bowl 2018, all three kinds, see :func:`nuclei_datalist`: one item for each nucleus that is alone in
      its window, see :func:`lonely_objects`; in the log how many were left out and why.
    - ``images/`` and ``labels/``: whole pictures; the object is where the label is > 0. An ``index.csv`` with the
      columns ``case`` and ``split`` says which are for testing; otherwise see :func:`image_folder_part`.

    Args:
        dataset_dir: the folder.
        part: ``train``, ``val``, ``test``, or ``all`` of training and validation.
        fold: validation fold, 0 to ``num_folds`` - 1; None: ``train`` and ``val`` are both all but the test.
        num_folds: number of folds, default 5.
        seed: seed of the folds.
        context: side of the window of a nucleus by the longer side of its box, >= 1, default 2.
        most: nuclei of one picture at most, >= 1, default 10; the same for every ``seed``.
        smallest_px: least longer side of an object's box, default 10; not for whole pictures.

    Returns:
        list of {"image", "label", "case", "picture"}, for :class:`ObjectWindowd` with "object", the value of the
        object in its label, and of a volume "slice". "picture" names the picture or the patient.

    Raises:
        FileNotFoundError: for a missing folder or files, naming them.
        ValueError: for an option out of range, too few cases, or a part without any object.
    """
    if context < 1:
        raise ValueError(f"`context` must be >= 1, got {context}")
    if most < 1:
        raise ValueError(f"`most` must be >= 1, got {most}")
    root = Path(dataset_dir)
    if not root.is_dir():
        raise FileNotFoundError(f"`dataset_dir` must be an existing folder, got {root}")
    left_out = Counter[str]()
    if (root / "training").is_dir():
        items = _ventricles(acdc_datalist(root, part, fold, num_folds, seed), smallest_px, left_out)
    elif is_dsb2018(root):
        pictures = nuclei_datalist(root, part, fold, num_folds, seed, kinds=KINDS)
        items = [item for picture in pictures for item in _nuclei(picture, context, most, smallest_px, left_out)]
    else:
        items = [{**item, "picture": item["case"]} for item in _own(root, part, fold, num_folds, seed)]
    reasons = ", ".join(f"{number} ({reason})" for reason, number in sorted(left_out.items()))
    if reasons:
        logger.info("%s, %s: %d objects used; left out: %s", root.name, part, len(items), reasons)
    if not items:
        raise ValueError(f"{root} has no object to use in the part {part!r}; left out: {reasons}")
    return items


def _own(root: Path, part: str, fold: int | None, num_folds: int, seed: int) -> list[dict[str, str]]:
    if not index_has(root, ("case", "split")):
        return image_folder_part(root, part, fold, num_folds, seed)
    test = {row["case"] for row in index_rows(root) if row["split"] == "test"}
    cases = image_folder_datalist(root)
    if part == "test":
        return [item for item in cases if item["case"] in test]
    return cross_validation_part([item for item in cases if item["case"] not in test], part, fold, num_folds, seed)


def _ventricles(volumes: list[dict[str, Any]], smallest_px: int, left_out: Counter[str]) -> list[dict[str, Any]]:
    items = []
    for volume in volumes:
        label = np.asanyarray(nib.nifti1.load(volume["label"]).dataobj)
        for index in range(label.shape[2]):
            cavity = np.argwhere(label[..., index] == LEFT_VENTRICLE)
            if not len(cavity):
                left_out["slice without the cavity"] += 1
            elif (np.ptp(cavity, axis=0) + 1).max() < smallest_px:
                left_out[f"below {smallest_px} px"] += 1
            else:
                files = {key: volume[key] for key in ("image", "label")}
                names = {"case": f"{volume['case']}_slice{index:02d}", "picture": volume["patient"]}
                items.append({**files, **names, "slice": index, "object": LEFT_VENTRICLE})
    return items


def _nuclei(
    picture: dict[str, Any], context: float, most: int, smallest_px: int, left_out: Counter[str]
) -> list[dict[str, Any]]:
    """The lonely nuclei of one picture; where each has a file of its own, that is its label."""
    label, case = picture["label"], picture["case"]
    planes = [_pixels(path) for path in (label if isinstance(label, list) else [label])]
    ids = planes[0].astype(np.int64)
    if isinstance(label, list):
        ids = np.max([(plane > 0) * np.int64(number) for number, plane in enumerate(planes, 1)], axis=0)
    chosen, others = lonely_objects(ids, context, smallest_px)
    if len(chosen) > most:
        others[f"beyond {most} of a picture"] += len(chosen) - most
        rng = np.random.default_rng(zlib.crc32(case.encode()))
        chosen = sorted(rng.choice(chosen, most, replace=False).tolist())
    left_out += others
    items = []
    for number in chosen:
        item = {"image": picture["image"], "label": label, "case": f"{case}_{number:04d}", "picture": case}
        own = {"object": number}
        if isinstance(label, list):
            own = {"label": label[number - 1], "object": int(planes[number - 1].max())}
        items.append({**item, **own})
    return items


def _pixels(path: str) -> NDArray[np.integer]:
    with Image.open(path) as picture:
        return np.asarray(picture)
