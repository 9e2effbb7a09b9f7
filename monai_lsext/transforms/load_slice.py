"""Images loaded as a whole, or one slice of a volume."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import LoadImaged

from .slices import take_slice

__all__ = ["LoadSliced"]


class LoadSliced(LoadImaged):
    """MONAI's ``LoadImaged``; where an item names a slice, what follows sees a 2D image.

    Args:
        keys: files to load.
        reader: see ``LoadImaged``.
        slice_key: entry with the index along the last axis of a volume, default ``slice``.
        kwargs: see ``LoadImaged``.

    Shape:
        a file of [W, H, D] -> [W, H] where the item names a slice; any other as ``LoadImaged`` gives it.

    Raises:
        ValueError: for an index that is not in 0 to D - 1, and for a file without slices of which one is named.
    """

    def __init__(self, keys: Any, reader: Any = None, slice_key: str = "slice", **kwargs: Any) -> None:
        super().__init__(keys, reader, **kwargs)
        self.slice_key = slice_key

    def __call__(self, data: Mapping[Hashable, Any], reader: Any = None) -> dict[Hashable, Any]:
        d: dict[Hashable, Any] = super().__call__(data, reader)
        if self.slice_key in d:
            for key in self.key_iterator(d):
                d[key] = take_slice(d[key][None], int(d[self.slice_key]))[0]
        return d
