"""A new folder that appears only when all of it is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_folder"]


@contextmanager
def whole_folder(output_dir: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside ``output_dir``; rename it to that when the block ends well, else remove it.

    Args:
        output_dir: a new or empty folder.

    Raises:
        ValueError: for a folder that holds something.
    """
    target = Path(output_dir)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"`output_dir` must be a new or empty folder, got {target}")
    part = target.absolute().with_name(f".{target.absolute().name}.tmp")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        if target.exists():
            target.rmdir()
        os.replace(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
