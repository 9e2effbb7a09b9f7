"""CPM15: nuclei in sections of brain tumours, from the challenge on computational precision medicine of 2015."""

from __future__ import annotations

from pathlib import Path

from .listed_cases import ListedCases, index_has, index_rows, require_files

__all__ = ["cpm15_cases", "is_cpm15"]


def is_cpm15(dataset_dir: str | Path) -> bool:
    """Whether a folder has the layout that :func:`cpm15_cases` reads."""
    return index_has(Path(dataset_dir), ("name", "magnification"))


def cpm15_cases(dataset_dir: str | Path) -> ListedCases:
    """Cases with nuclei; an item has "image", "label", "case" and the magnification as "kind".

    The folder holds ``index.csv`` (columns ``name``, ``magnification`` and, where given, ``n_nuclei``),
    ``images/<name>.png`` and ``labels/<name>.png``, whose pixels are instance ids.

    Args:
        dataset_dir: the folder.

    Raises:
        FileNotFoundError: for missing files, naming them.

    Reference:
        Vu et al., Methods for segmentation and classification of digital microscopy tissue images, Frontiers in
        Bioengineering and Biotechnology 2019.
    """
    root = Path(dataset_dir)
    items, left_out = [], {}
    for row in index_rows(root):
        if row.get("n_nuclei") == "0":
            left_out[row["name"]] = "no nucleus"
            continue
        files = {name: str(root / f"{name}s" / f"{row['name']}.png") for name in ("image", "label")}
        items.append({**files, "case": row["name"], "kind": row["magnification"]})
    require_files(items)
    return ListedCases(items, left_out)
