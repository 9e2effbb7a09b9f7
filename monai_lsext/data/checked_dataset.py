"""Data set of a cohort in which a bad case becomes a sentence instead of an end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from monai.data import Dataset

from monai_lsext.data.image_file import case_name

__all__ = ["CheckedDataset", "error_sentence", "root_cause"]

# MONAI wraps what went wrong in these, once for each level of the config and of the transforms
_WRAPPERS = ("Failed to evaluate", "Failed to instantiate", "applying transform")


def root_cause(error: BaseException) -> BaseException:
    """The exception beneath MONAI's wrappers; the exception itself where there is none."""
    while str(error).startswith(_WRAPPERS) and error.__cause__ is not None:
        error = error.__cause__
    return error


def error_sentence(error: BaseException, path: str | None = None, length: int = 300) -> str:
    """One line on what went wrong: the message beneath MONAI's wrappers, see :func:`root_cause`.

    Args:
        error: as caught.
        path: the case's file; where the message names it in full, its name alone is left.
        length: of the line at most, characters.
    """
    error = root_cause(error)
    text = str(error) or "no message"
    if path is not None:
        text = text.replace(str(path), Path(path).name)
    # our own checks raise these two with a sentence; elsewhere the type tells more than the message
    if not isinstance(error, (ValueError, TypeError)):
        text = f"{type(error).__name__}: {text}"
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3] + "..."


class CheckedDataset(Dataset):
    """MONAI's ``Dataset`` whose item is ``{"case": name, "error": sentence}`` where the transform raises.

    Args:
        data: list of items {"image": path, ...}, with "case" where the case has a name of its own.
        transform: as for ``Dataset``.

    Note:
        For batches of one: an item with an error does not collate with others.
    """

    def _transform(self, index: int) -> Any:
        item = self.data[index]
        try:
            return self.transform(item)
        except Exception as error:  # a transform can fail in any way; the cohort goes on
            path = item.get("image")
            path = str(path) if isinstance(path, (str, os.PathLike)) else None
            case = item.get("case") or (case_name(path) if path is not None else f"item {index}")
            return {"case": case, "error": error_sentence(error, path)}
