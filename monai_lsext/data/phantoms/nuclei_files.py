"""Phantoms of nuclei as files, in the layout of the Data Science Bowl's list."""

from __future__ import annotations

import csv
from pathlib import Path

from PIL import Image
from tqdm import trange

from .nuclei import nuclei_phantom
from .whole_folder import checked_num_test, whole_folder

__all__ = ["write_nuclei_phantoms"]

COLUMNS = ("name", "kind", "split", "rows", "cols", "n_nuclei", "px_foreground")


def write_nuclei_phantoms(
    output_dir: str | Path,
    num: int = 40,
    seed: int = 0,
    num_test: int | None = None,
    size: tuple[int, int] | None = None,
) -> Path:
    """Write ``images/colour/<name>.png``, ``labels/colour/<name>.png`` (16-bit instance ids) and ``index.csv``.

    The folder appears only when all is written. Case i is drawn with a seed made of ``seed`` and i, so that a
    longer list begins with the same pictures.

    Args:
        output_dir: a new or empty folder.
        num: number of cases, >= 2.
        seed: seed of the whole set, >= 0.
        num_test: the last cases have the split ``test``, the others ``train``; default a third.
        size: rows and columns in pixels, each >= 64; default that of :func:`nuclei_phantom`.

    Returns:
        the folder.

    Raises:
        ValueError: for a folder that holds something, or a number out of range.
    """
    num_test = checked_num_test(num, seed, num_test)
    with whole_folder(output_dir) as folder:
        for kind in ("images", "labels"):
            (folder / kind / "colour").mkdir(parents=True)
        rows: list[tuple[str | int, ...]] = []
        for index in trange(num, desc="nuclei phantoms", disable=None):
            phantom = nuclei_phantom(100_003 * seed + index, size)
            name = f"phantom_{index:04d}"
            Image.fromarray(phantom.image).save(folder / "images" / "colour" / f"{name}.png")
            Image.fromarray(phantom.instances).save(folder / "labels" / "colour" / f"{name}.png")
            split = "test" if index >= num - num_test else "train"
            counts = (int(phantom.instances.max()), int((phantom.instances > 0).sum()))
            rows.append((name, "colour", split, *phantom.instances.shape, *counts))
        with open(folder / "index.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    return Path(output_dir)
