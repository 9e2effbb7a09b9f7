"""Fundus phantoms as files, in the layout of DRISHTI-GS1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from .fundus import FundusPhantom, fundus_phantom
from .whole_folder import write_phantoms

__all__ = ["write_fundus_phantoms"]

CROP_SIDE = 400
COLUMNS = ("case", "split", "rows", "cols", "roi_x0", "roi_y0", "px_disc", "px_cup")


def _cut(photograph: FundusPhantom) -> tuple[FundusPhantom, int, int]:
    """Square about the disc, moved inside the photograph, and its first column and row."""
    rows, columns = np.nonzero(photograph.label)
    middle = ((columns.min() + columns.max()) // 2, (rows.min() + rows.max()) // 2)
    limits = (photograph.label.shape[1] - CROP_SIDE, photograph.label.shape[0] - CROP_SIDE)
    x, y = (int(np.clip(m - CROP_SIDE // 2, 0, limit)) for m, limit in zip(middle, limits, strict=True))
    window = (slice(y, y + CROP_SIDE), slice(x, x + CROP_SIDE))
    return FundusPhantom(photograph.image[window], photograph.label[window]), x, y


def _save(folder: Path, case: str, phantom: FundusPhantom) -> None:
    for name, pixels in (("images", phantom.image), ("labels", phantom.label)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{case}.png")


def write_fundus_phantoms(
    output_dir: str | Path, num: int = 40, seed: int = 0, num_test: int | None = None, num_full: int = 0
) -> Path:
    """Write crops around the disc (``roi/``), ``index.csv`` and, if wanted, whole photographs (``full/``).

    Args:
        output_dir: a new or empty folder, which appears only when all is written.
        num: number of cases, >= 2.
        seed: seed of the whole set, >= 0; a longer list begins with the same cases.
        num_test: the last cases are the Test part, the others Training; default a third.
        num_full: the first cases that also get a whole photograph, from which their crop is cut; 0 to ``num``.

    Returns:
        the folder.

    Raises:
        ValueError: for a folder that holds something, or a number out of range.
    """
    if not 0 <= num_full <= num:
        raise ValueError(f"`num_full` must be 0 to {num}, got {num_full}")

    def write(folder: Path, index: int, seed: int, test: bool) -> tuple[object, ...]:
        case = f"phantom_{index:04d}"
        x, y = 0, 0
        if index < num_full:
            picture = fundus_phantom(seed, view="full")
            _save(folder / "full", case, picture)
            phantom, x, y = _cut(picture)
        else:
            phantom = picture = fundus_phantom(seed)
        _save(folder / "roi", case, phantom)
        areas = (int((phantom.label >= 1).sum()), int((phantom.label == 2).sum()))
        return case, "Test" if test else "Training", *picture.label.shape, x, y, *areas

    return write_phantoms(output_dir, num, seed, num_test, COLUMNS, write)
