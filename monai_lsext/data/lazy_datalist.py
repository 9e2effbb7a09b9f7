"""A data list that is read when it is first used, not when the config is parsed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["LazyDatalist"]


class LazyDatalist(Sequence[dict[str, Any]]):
    """Items of ``read(*args, **kwargs)``, read once, at the first use.

    MONAI's tools build a whole workflow only to ask for its properties, often where there is no data. So a list
    that cannot be read has length 1, and the error is raised when its item is asked for: at the first batch.

    Args:
        read: gives the list of {"image": .., "label": ..}.
        args: its positional arguments.
        kwargs: its keyword arguments.
    """

    def __init__(self, read: Callable[..., list[dict[str, Any]]], *args: Any, **kwargs: Any) -> None:
        self._read = lambda: read(*args, **kwargs)
        self._items: list[dict[str, Any]] | None = None

    def __getitem__(self, index: Any) -> Any:
        if self._items is None:
            self._items = self._read()
        return self._items[index]

    def __len__(self) -> int:
        try:
            self[:0]
        except (OSError, ValueError):
            return 1
        return len(self._items or [])
