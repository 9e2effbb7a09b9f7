"""MONAI's resampling to a voxel size, for items with further entries."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import Spacingd

__all__ = ["SpacingOnlyd"]


class SpacingOnlyd(Spacingd):
    """MONAI's ``Spacingd`` that touches its keys alone.

    ``Spacingd`` updates each entry whose name begins with the key's as if it were meta data. Servers put other things
    there, such as the text ``image_path``, on which it fails.

    Args:
        args, kwargs: those of ``Spacingd``.
    """

    def __call__(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        own = {key: data[key] for key in self.key_iterator(dict(data))}
        return {**data, **super().__call__(own, lazy)}
