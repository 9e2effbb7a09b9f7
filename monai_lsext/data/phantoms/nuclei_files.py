"""Phantoms of nuclei as files, in the layout of the Data Science Bowl's list."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from .nuclei import nuclei_phantom
from .whole_folder import write_phantoms

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

    Args:
        output_dir: a new or empty folder, which appears only when all is written.
        num: number of cases, >= 2.
        seed: seed of the whole set, >= 0; a longer list begins with the same cases.
        num_test: the last cases have the split ``test``, the others ``train``; default a third.
        size: rows and columns in pixels, each >= 64; default that of :func:`nuclei_phantom`.

    Returns:
        the folder.

    Raises:
        ValueError: for a folder that holds something, or a number out of range.
    """

    def write(folder: Path, index: int, seed: int, test: bool) -> tuple[object, ...]:
        phantom, name = nuclei_phantom(seed, size), f"phantom_{index:04d}"
        for kind, pixels in (("images", phantom.image), ("labels", phantom.instances)):
            (folder / kind / "colour").mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / kind / "colour" / f"{name}.png")
        counts = (int(phantom.instances.max()), int((phantom.instances > 0).sum()))
        return name, "colour", "test" if test else "train", *phantom.instances.shape, *counts

    return write_phantoms(output_dir, num, seed, num_test, COLUMNS, write)
