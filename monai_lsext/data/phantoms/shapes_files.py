"""Phantoms of touching shapes as files, in the layout of PASCAL VOC."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from .shapes import shapes_phantom
from .whole_folder import write_phantoms

__all__ = ["write_shapes_phantoms"]

COLUMNS = ("name", "split", "rows", "cols", "n_objects")
_JPEG_QUALITY = 95


def write_shapes_phantoms(
    output_dir: str | Path,
    num: int = 40,
    seed: int = 0,
    num_test: int | None = None,
    size: tuple[int, int] | None = None,
) -> Path:
    """Write ``JPEGImages``, ``SegmentationObject``, ``SegmentationClass``, their lists and ``index.csv``.

    Args:
        output_dir: a new or empty folder, which appears only when all is written.
        num: number of cases, >= 2.
        seed: seed of the whole set, >= 0; a longer list begins with the same cases.
        num_test: the last cases are in the list ``val``, the others in ``train``; default a third.
        size: rows and columns in pixels, each >= 64; default that of :func:`shapes_phantom`.

    Returns:
        the folder.

    Raises:
        ValueError: for a folder that holds something, or a number out of range.
    """

    def write(folder: Path, index: int, seed: int, test: bool) -> tuple[object, ...]:
        phantom, name, part = shapes_phantom(seed, size), f"phantom_{index:04d}", "val" if test else "train"
        files = {
            folder / "JPEGImages" / f"{name}.jpg": phantom.image,
            folder / "SegmentationObject" / f"{name}.png": phantom.instances.astype("uint8"),
            folder / "SegmentationClass" / f"{name}.png": phantom.classes,
        }
        for path, pixels in files.items():
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(path, quality=_JPEG_QUALITY)
        lists = folder / "ImageSets" / "Segmentation"
        lists.mkdir(parents=True, exist_ok=True)
        with open(lists / f"{part}.txt", "a", encoding="utf-8") as file:
            file.write(f"{name}\n")
        return name, part, *phantom.instances.shape, int(phantom.instances.max())

    return write_phantoms(output_dir, num, seed, num_test, COLUMNS, write)
