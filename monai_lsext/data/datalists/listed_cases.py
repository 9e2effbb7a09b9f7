"""What a folder gives: the cases to use, and those left out with the reason."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["ListedCases", "folder_files", "index_has", "index_rows", "require_files", "some_of"]


class ListedCases(NamedTuple):
    """Cases of a folder.

    Args:
        items: MONAI data list, a dict with "case" for each case that is used.
        left_out: name of each case that is not -> reason in a few words.
    """

    items: list[dict[str, Any]]
    left_out: dict[str, str]

    def summary(self) -> str:
        """One line: how many are used of how many, and how many and which were left out for each reason."""
        total = len(self.items) + len(self.left_out)
        by_reason: dict[str, list[str]] = {}
        for case, reason in self.left_out.items():
            by_reason.setdefault(reason, []).append(case)
        reasons = [f"{len(cases)} ({reason}: {some_of(cases)})" for reason, cases in sorted(by_reason.items())]
        return f"{len(self.items)} of {total} cases used" + (f"; left out: {', '.join(reasons)}" if reasons else "")


def some_of(names: Sequence[str], number: int = 3) -> str:
    """The first names of a list, for a message."""
    return ", ".join(names[:number]) + (", ..." if len(names) > number else "")


def folder_files(folder: Path) -> list[Path]:
    """What lies in ``images`` or ``labels``, sorted, without hidden files.

    Raises:
        FileNotFoundError: when there is no such folder, with what it takes and what lies beside.
    """
    if folder.is_dir():
        return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    root = folder.parent
    if not root.is_dir():
        raise FileNotFoundError(f"`dataset_dir` must be an existing folder, got {root}")
    there = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    raise FileNotFoundError(
        f"expected a folder {folder}, but there is none: {root} must hold the folders images and labels with files of "
        f"the same names, it holds {some_of(there, 5) or 'nothing'}"
    )


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
