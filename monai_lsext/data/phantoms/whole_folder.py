"""What every writer of phantoms shares: a folder that appears only when whole, its cases and index, volumes."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from tqdm import trange

__all__ = ["save_volume_mm", "whole_folder", "write_phantoms"]


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


def write_phantoms(
    output_dir: str | Path,
    num: int,
    seed: int,
    num_test: int | None,
    columns: Sequence[str],
    write_case: Callable[[Path, int, int, bool], Sequence[object]],
) -> Path:
    """Write a set of phantoms and its ``index.csv``; the folder appears only when all is written.

    Case i is drawn with a seed made of ``seed`` and i, so that a longer list begins with the same cases.

    Args:
        output_dir: a new or empty folder.
        num: number of cases, >= 2.
        seed: seed of the whole set, >= 0.
        num_test: so many of the last cases are the test part; default a third.
        columns: header of ``index.csv``.
        write_case: writes one case, given the folder, its index, its seed and whether it is for testing; its row.

    Returns:
        the folder.

    Raises:
        ValueError: for a folder that holds something, or a number out of range.
    """
    num_test = num // 3 if num_test is None else num_test
    if num < 2:
        raise ValueError(f"`num` must be >= 2, got {num}")
    if seed < 0:
        raise ValueError(f"`seed` must be >= 0, got {seed}")
    if not 0 <= num_test < num:
        raise ValueError(f"`num_test` must be 0 to {num - 1}, got {num_test}")
    with whole_folder(output_dir) as folder:
        cases = trange(num, desc="phantoms", disable=None)
        rows = [write_case(folder, index, 100_003 * seed + index, index >= num - num_test) for index in cases]
        with open(folder / "index.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([columns, *rows])
    return Path(output_dir)


def save_volume_mm(path: Path, voxels: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """NIfTI file in a folder that is made where it is missing; the header states millimetres."""
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = nib.nifti1.Nifti1Image(voxels, affine)
    volume.header.set_xyzt_units("mm")
    volume.to_filename(path)
