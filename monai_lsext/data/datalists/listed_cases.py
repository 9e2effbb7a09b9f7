"""What a folder gives: the cases to use, and those left out with the reason."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["ListedCases", "index_has", "index_rows", "require_files"]


class ListedCases(NamedTuple):
    """Cases of a folder.

    Args:
        items: MONAI data list, a dict with "case" for each case that is used.
        left_out: name of each case that is not -> reason in a few words.
    """

    items: list[dict[str, Any]]
    left_out: dict[str, str]

    def summary(self) -> str:
        """One line: how many are used of how many, and how many were left out for each reason."""
        total = len(self.items) + len(self.left_out)
        reasons = [f"{number} ({reason})" for reason, number in sorted(Counter(self.left_out.values()).items())]
        return f"{len(self.items)} of {total} cases used" + (f"; left out: {', '.join(reasons)}" if reasons else "")


def index_has(root: Path, columns: Sequence[str]) -> bool:
    """Whether the folder has an ``index.csv`` with these columns."""
    path = root / "index.csv"
    if not path.is_file():
        return False
    with open(path, newline="", encoding="utf-8") as file:
        return set(columns) <= set(next(csv.reader(file), []))


def index_rows(root: Path) -> list[dict[str, str]]:
    """The rows of ``index.csv``."""
    with open(root / "index.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def require_files(items: Iterable[dict[str, Any]]) -> None:
    """Check that the image and the label of each item are there.

    Raises:
        FileNotFoundError: naming the first of the missing files.
    """
    named = [path for item in items for key in ("image", "label") for path in _as_list(item[key])]
    missing = [path for path in named if not Path(path).is_file()]
    if missing:
        raise FileNotFoundError(f"{len(missing)} listed files are missing: {', '.join(missing[:5])}")


def _as_list(paths: str | list[str]) -> list[str]:
    return [paths] if isinstance(paths, str) else paths
