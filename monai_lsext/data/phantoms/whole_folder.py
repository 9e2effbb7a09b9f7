"""What every writer of phantoms shares: checked numbers, a folder that appears only when whole, volumes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

__all__ = ["checked_num_test", "save_volume_mm", "whole_folder"]


@contextmanager
def whole_folder(output_dir: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside ``output_dir``; rename it to that when the block ends well, else remove it.

    Args:
        output_dir: a new or empty folder.

    Raises:
        ValueError: for a folder that holds something.
    """
    target = Path(output_dir)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"`output_dir` must be a new or empty folder, got {target}")
    part = target.absolute().with_name(f".{target.absolute().name}.tmp")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        if target.exists():
            target.rmdir()
        os.replace(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def checked_num_test(num: int, seed: int, num_test: int | None) -> int:
    """How many of ``num`` cases are for testing: ``num_test``, by default a third.

    Raises:
        ValueError: for a number out of range.
    """
    num_test = num // 3 if num_test is None else num_test
    if num < 2:
        raise ValueError(f"`num` must be >= 2, got {num}")
    if seed < 0:
        raise ValueError(f"`seed` must be >= 0, got {seed}")
    if not 0 <= num_test < num:
        raise ValueError(f"`num_test` must be 0 to {num - 1}, got {num_test}")
    return num_test


def save_volume_mm(path: Path, voxels: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """NIfTI file in a folder that is made where it is missing; the header states millimetres."""
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = nib.nifti1.Nifti1Image(voxels, affine)
    volume.header.set_xyzt_units("mm")
    volume.to_filename(path)
