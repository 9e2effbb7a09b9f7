"""Phantoms of single objects as files: pictures and masks of the same names."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from .single_object import object_phantom
from .whole_folder import write_phantoms

__all__ = ["write_object_phantoms"]

COLUMNS = ("case", "split", "rows", "cols", "px_object")


def write_object_phantoms(
    output_dir: str | Path,
    num: int = 40,
    seed: int = 0,
    num_test: int | None = None,
    size: tuple[int, int] | None = None,
) -> Path:
    """Write ``images/<case>.png``, ``labels/<case>.png`` (1: the object) and ``index.csv``.

    Args:
        output_dir: a new or empty folder, which appears only when all is written.
        num: number of cases, >= 2.
        seed: seed of the whole set, >= 0; a longer list begins with the same cases.
        num_test: the last cases have the split ``test``, the others ``train``; default a third.
        size: rows and columns in pixels, each >= 32; default that of :func:`object_phantom`.

    Returns:
        the folder.

    Raises:
        ValueError: for a folder that holds something, or a number out of range.
    """

    def write(folder: Path, index: int, seed: int, test: bool) -> tuple[object, ...]:
        phantom, name = object_phantom(seed, size), f"phantom_{index:04d}"
        for kind, pixels in (("images", phantom.image), ("labels", phantom.mask)):
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder / kind / f"{name}.png")
        return name, "test" if test else "train", *phantom.mask.shape, int(phantom.mask.sum())

    return write_phantoms(output_dir, num, seed, num_test, COLUMNS, write)
