"""Data Science Bowl 2018: nuclei in stained sections, in fluorescence and in bright field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .listed_cases import ListedCases, index_has, index_rows, require_files

__all__ = ["dsb2018_cases", "dsb2018_kind", "is_dsb2018"]

KINDS = ("colour", "fluorescence", "brightfield_grey")


def is_dsb2018(dataset_dir: str | Path) -> bool:
    """Whether a folder has one of the two layouts that :func:`dsb2018_cases` reads."""
    root = Path(dataset_dir)
    if (root / "index.csv").is_file():
        return index_has(root, ("name", "kind"))
    return any(root.glob("stage1_train/*/masks")) or any(root.glob("*/masks"))


def dsb2018_kind(path: str | Path) -> str:
    """``colour``; or, with three equal channels, ``fluorescence`` on dark and ``brightfield_grey`` on light ground.

    Args:
        path: a picture; the light ground has a mean above half of the range.
    """
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    if (pixels != pixels[..., :1]).any():
        return "colour"
    return "fluorescence" if pixels.mean() < 127.5 else "brightfield_grey"


def dsb2018_cases(dataset_dir: str | Path, kinds: Sequence[str] = ("colour",)) -> ListedCases:
    """Cases of the wanted kinds that have nuclei; an item has "image", "label", "case", "kind".

    Two layouts:

    - ``index.csv`` (columns ``name``, ``kind``; where given ``n_nuclei``, and ``split``, which goes into the item),
      with ``images/<kind>/<name>.png`` and ``labels/<kind>/<name>.png``, whose pixels are instance ids;
    - the data set's own, ``[stage1_train/]<id>/images/<id>.png`` and ``<id>/masks/*.png``, one nucleus a file: the
      "label" is the list of these files, and the kind is told by :func:`dsb2018_kind`.

    Args:
        dataset_dir: the folder.
        kinds: of ``colour`` (stained sections), ``fluorescence`` and ``brightfield_grey``; default the first.

    Raises:
        FileNotFoundError: for missing files, naming them.
        ValueError: for an unknown kind.

    Reference:
        Caicedo et al., Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl, Nature Methods
        2019.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        raise ValueError(f"`kinds` must be some of {list(KINDS)}, got {list(kinds)}")
    root = Path(dataset_dir)
    found = _indexed(root) if (root / "index.csv").is_file() else _original(root)
    items, left_out = [], {}
    for item, num_nuclei in found:
        if item["kind"] not in kinds:
            left_out[item["case"]] = f"{item['kind']} image"
        elif num_nuclei == 0:
            left_out[item["case"]] = "no nucleus"
        else:
            items.append(item)
    require_files(items)
    return ListedCases(items, left_out)


def _indexed(root: Path) -> list[tuple[dict[str, Any], int | None]]:
    found = []
    for row in index_rows(root):
        case, kind = row["name"], row["kind"]
        files = {name: str(root / f"{name}s" / kind / f"{case}.png") for name in ("image", "label")}
        split = {"split": row["split"]} if row.get("split") else {}
        count = int(row["n_nuclei"]) if row.get("n_nuclei") else None
        found.append(({**files, "case": case, "kind": kind, **split}, count))
    return found


def _original(root: Path) -> list[tuple[dict[str, Any], int | None]]:
    folder = root / "stage1_train" if (root / "stage1_train").is_dir() else root
    found: list[tuple[dict[str, Any], int | None]] = []
    for masks in sorted(folder.glob("*/masks")):
        case = masks.parent.name
        image = masks.parent / "images" / f"{case}.png"
        label = sorted(str(path) for path in masks.glob("*.png"))
        require_files([{"image": str(image), "label": label}])
        found.append(({"image": str(image), "label": label, "case": case, "kind": dsb2018_kind(image)}, len(label)))
    return found
