"""Abdomen phantoms as files: a folder of NIfTI volumes with ``images``, ``labels`` and ``index.csv``."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
from tqdm import trange

from .abdomen import abdomen_phantom
from .whole_folder import checked_num_test, save_volume_mm, whole_folder

__all__ = ["write_abdomen_phantoms"]

COLUMNS = ("case", "split", "volume_ml", "dropped_slices")


def write_abdomen_phantoms(output_dir: str | Path, num: int = 12, seed: int = 0, num_test: int | None = None) -> Path:
    """Write ``images/<case>.nii.gz`` (HU), ``labels/<case>.nii.gz`` and ``index.csv``.

    The folder appears only when all is written. Case i is drawn with a seed made of ``seed`` and i, so that a
    longer list begins with the same volumes.

    Args:
        output_dir: a new or empty folder.
        num: number of cases, >= 2.
        seed: seed of the whole set, >= 0.
        num_test: the last cases have the split ``test``, the others ``train``; default a third.

    Returns:
        the folder.

    Raises:
        ValueError: for a folder that holds something, or a number out of range.
    """
    num_test = checked_num_test(num, seed, num_test)
    with whole_folder(output_dir) as folder:
        rows = []
        for index in trange(num, desc="abdomen phantoms", disable=None):
            case, phantom = f"phantom_{index:04d}", abdomen_phantom(100_003 * seed + index)
            affine = np.diag([*phantom.spacing_mm, 1.0])
            save_volume_mm(folder / "images" / f"{case}.nii.gz", phantom.image, affine)
            save_volume_mm(folder / "labels" / f"{case}.nii.gz", phantom.label, affine)
            split = "test" if index >= num - num_test else "train"
            volume_ml = float(phantom.label.sum()) * math.prod(phantom.spacing_mm) / 1000
            rows.append((case, split, round(volume_ml, 2), " ".join(map(str, phantom.dropped))))
        with open(folder / "index.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    return Path(output_dir)
