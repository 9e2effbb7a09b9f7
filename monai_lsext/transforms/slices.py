"""One slice of a volume, at random or of a given number."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from torch import Tensor

__all__ = ["RandSliced", "SelectSliced", "take_slice"]


def take_slice(volume: Tensor, index: int) -> Tensor:
    """Slice ``index`` along the last axis; the affine's origin moves to that slice.

    Shape:
        [C, W, H, D] -> [C, W, H]

    Raises:
        ValueError: for a tensor with other axes, or an index that is not in 0 to D - 1.
    """
    if volume.ndim != 4:
        raise ValueError(f"a volume must have shape [C, W, H, D], got {tuple(volume.shape)}")
    if not 0 <= index < volume.shape[-1]:
        raise ValueError(f"`index` must be 0 to {volume.shape[-1] - 1}, got {index}")
    taken = volume[..., index]
    if isinstance(taken, MetaTensor):
        affine = taken.affine.clone()
        affine[:3, 3] += index * affine[:3, 2]
        taken.affine = affine
    return taken


class SelectSliced(MapTransform):
    """The slice that the item names; an item that names none and a 2D image [C, W, H] pass.

    Args:
        keys: volumes [C, W, H, D].
        slice_key: entry with the index along the last axis, default ``slice``.
        allow_missing_keys: MONAI's option, default False.

    Raises:
        ValueError: as :func:`take_slice`, naming the key.
    """

    def __init__(self, keys: KeysCollection, slice_key: str = "slice", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.slice_key = slice_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if self.slice_key in d:
            for key in self.key_iterator(d):
                if d[key].ndim != 3:
                    d[key] = _take(d[key], int(d[self.slice_key]), key)
        return d


class RandSliced(Randomizable, MapTransform):
    """One random slice of a volume, the same for all keys; 2D images [C, W, H] pass.

    Args:
        keys: volumes [C, W, H, D] of one depth.
        object_key: item that is > 0 on the object, e.g. ``label``; None (default): every slice is equally likely.
        object_prob: probability, 0 to 1, that the slice is drawn among those with the object, otherwise among all;
            default 1. A volume without the object gives any slice.
        allow_missing_keys: MONAI's option, default False.

    Raises:
        ValueError: at construction for ``object_prob`` out of range; at a call as :func:`take_slice`, and for keys of
            several depths.
    """

    def __init__(
        self,
        keys: KeysCollection,
        object_key: str | None = None,
        object_prob: float = 1.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if not 0 <= object_prob <= 1:
            raise ValueError(f"`object_prob` must be 0 to 1, got {object_prob}")
        self.object_key = object_key
        self.object_prob = object_prob
        self.index = 0

    def randomize(self, data: Mapping[Hashable, Any]) -> None:
        """Draw ``index`` for the volumes of an item."""
        depths = {int(data[key].shape[-1]) for key in self.key_iterator(dict(data)) if data[key].ndim == 4}
        if len(depths) > 1:
            raise ValueError(f"the volumes must have one depth, got {sorted(depths)}")
        likely = list(range(depths.pop()))
        if self.R.random_sample() < self.object_prob and self.object_key is not None:
            present = (torch.as_tensor(data[self.object_key]) > 0).flatten(0, -2).any(dim=0)
            likely = torch.nonzero(present).flatten().tolist() or likely
        self.index = likely[self.R.randint(len(likely))]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        volumes = [key for key in self.key_iterator(d) if d[key].ndim != 3]
        if any(d[key].ndim == 4 for key in volumes):
            self.randomize(d)
        for key in volumes:
            d[key] = _take(d[key], self.index, key)
        return d


def _take(volume: Tensor, index: int, key: Hashable) -> Tensor:
    try:
        return take_slice(volume, index)
    except ValueError as error:
        raise ValueError(f"`{key}`: {error}") from error
