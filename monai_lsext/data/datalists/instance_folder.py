"""A user's own objects: ``images/``, ``labels/`` with their ids and, where there are several classes, ``classes/``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .image_folder import image_folder_part

__all__ = ["instance_folder_part"]


def instance_folder_part(
    dataset_dir: str | Path,
    part: str = "train",
    fold: int | None = 0,
    num_folds: int = 5,
    seed: int = 0,
    test_fraction: float = 0.2,
) -> list[dict[str, Any]]:
    """One part of a folder of instance label maps, see :func:`image_folder_part`.

    Args:
        dataset_dir: folder with ``images`` and ``labels`` (instance ids) of the same names; with a folder ``classes``
            (class ids of the pixels, files named as the labels) the objects have those classes, without it class 1.
        part: as there.
        fold: as there.
        num_folds: as there.
        seed: as there.
        test_fraction: as there.

    Returns:
        list of {"image", "label", "case"}, for ``LoadInstancesd``.

    Raises:
        FileNotFoundError: for missing folders or files, naming them.
        ValueError: for an option out of range, or too few cases.
    """
    items: list[dict[str, Any]] = [*image_folder_part(dataset_dir, part, fold, num_folds, seed, test_fraction)]
    folder = Path(dataset_dir) / "classes"
    if not folder.is_dir():
        return items
    classes = {item["case"]: folder / Path(item["label"]).name for item in items}
    missing = sorted(case for case, path in classes.items() if not path.is_file())
    if missing:
        raise FileNotFoundError(f"{len(missing)} cases have no file in {folder}: {', '.join(missing[:5])}")
    return [{**item, "label": {"instances": item["label"], "classes": str(classes[item["case"]])}} for item in items]
