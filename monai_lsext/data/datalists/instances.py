"""Data list of objects with classes: PASCAL VOC, COCO, or a user's own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .coco import coco_datalist
from .folds import cross_validation_part
from .instance_folder import instance_folder_part
from .voc import voc_datalist

__all__ = ["instance_datalist"]

PARTS = ("all", "train", "val", "test")


def instance_datalist(
    dataset_dir: str | Path, part: str = "train", fold: int | None = 0, num_folds: int = 5, seed: int = 0
) -> list[dict[str, Any]]:
    """One part of a data set of objects; training, validation and test never share an image.

    What the folder holds decides how it is read:

    - ``ImageSets/Segmentation``: PASCAL VOC; its list ``val`` is the test;
    - ``instances_train*.json`` there or in ``annotations/``: COCO, images in ``train*/`` or ``images/train*/``, with
      the file's ending; ``instances_val*.json`` is the test;
    - else ``images/`` and ``labels/``, see :func:`instance_folder_part`; a fifth is the test.

    Args:
        dataset_dir: the folder.
        part: ``train``, ``val`` (taken out of training), ``all`` of these two, or ``test``.
        fold: validation fold, 0 to ``num_folds`` - 1; None: ``train`` and ``val`` are both all but the test.
        num_folds: number of folds, default 5.
        seed: seed of the folds.

    Returns:
        list of {"image", "label", "case"}, for ``LoadInstancesd``.

    Raises:
        FileNotFoundError: for missing folders or files, naming them.
        ValueError: for an option out of range, too few cases, or a file that is no COCO file.
    """
    if part not in PARTS:
        raise ValueError(f"`part` must be one of {list(PARTS)}, got {part!r}")
    root = Path(dataset_dir)
    if (root / "ImageSets" / "Segmentation").is_dir():
        items = voc_datalist(root, "val" if part == "test" else "train")
    elif _coco_files(root, "train"):
        items = _coco(root, "val" if part == "test" else "train")
    else:
        return instance_folder_part(root, part, fold, num_folds, seed)
    return items if part == "test" else cross_validation_part(items, part, fold, num_folds, seed)


def _coco_files(root: Path, part: str) -> list[Path]:
    return sorted(file for folder in (root, root / "annotations") for file in folder.glob(f"instances_{part}*.json"))


def _coco(root: Path, part: str) -> list[dict[str, Any]]:
    files = _coco_files(root, part)
    if len(files) != 1:
        raise FileNotFoundError(f"expected one file instances_{part}*.json in {root}, got {[f.name for f in files]}")
    name = files[0].stem.removeprefix("instances_")
    folder = root / "images" / name
    return coco_datalist(files[0], folder if folder.is_dir() else root / name)
