"""Atrium phantoms as files: a folder of NIfTI volumes with ``images``, ``labels`` and ``index.csv``."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from tqdm import trange

from .atrium import atrium_phantom
from .whole_folder import checked_num_test, save_volume_mm, whole_folder

__all__ = ["write_atrium_phantoms"]

COLUMNS = ("case", "split", "volume_ml")


def write_atrium_phantoms(output_dir: str | Path, num: int = 12, seed: int = 0, num_test: int | None = None) -> Path:
    """Write ``images/<case>.nii.gz``, ``labels/<case>.nii.gz`` and ``index.csv``.

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
        for index in trange(num, desc="atrium phantoms", disable=None):
            case, phantom = f"phantom_{index:04d}", atrium_phantom(100_003 * seed + index)
            affine = np.diag([phantom.spacing_mm] * 3 + [1.0])
            save_volume_mm(folder / "images" / f"{case}.nii.gz", phantom.image, affine)
            save_volume_mm(folder / "labels" / f"{case}.nii.gz", phantom.label, affine)
            split = "test" if index >= num - num_test else "train"
            rows.append((case, split, round(float(phantom.label.sum()) * phantom.spacing_mm**3 / 1000, 2)))
        with open(folder / "index.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    return Path(output_dir)
