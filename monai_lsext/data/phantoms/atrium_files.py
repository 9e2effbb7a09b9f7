"""Atrium phantoms as files: a folder of NIfTI volumes with ``images``, ``labels`` and ``index.csv``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .atrium import atrium_phantom
from .whole_folder import save_volume_mm, write_phantoms

__all__ = ["write_atrium_phantoms"]

COLUMNS = ("case", "split", "volume_ml")


def write_atrium_phantoms(output_dir: str | Path, num: int = 12, seed: int = 0, num_test: int | None = None) -> Path:
    """Write ``images/<case>.nii.gz``, ``labels/<case>.nii.gz`` and ``index.csv``.

    Args:
        output_dir: a new or empty folder, which appears only when all is written.
        num: number of cases, >= 2.
        seed: seed of the whole set, >= 0; a longer list begins with the same cases.
        num_test: the last cases have the split ``test``, the others ``train``; default a third.

    Returns:
        the folder.

    Raises:
        ValueError: for a folder that holds something, or a number out of range.
    """
    return write_phantoms(output_dir, num, seed, num_test, COLUMNS, _write)


def _write(folder: Path, index: int, seed: int, test: bool) -> tuple[object, ...]:
    case, phantom = f"phantom_{index:04d}", atrium_phantom(seed)
    affine = np.diag([phantom.spacing_mm] * 3 + [1.0])
    save_volume_mm(folder / "images" / f"{case}.nii.gz", phantom.image, affine)
    save_volume_mm(folder / "labels" / f"{case}.nii.gz", phantom.label, affine)
    volume_ml = float(phantom.label.sum()) * phantom.spacing_mm**3 / 1000
    return case, "test" if test else "train", round(volume_ml, 2)
