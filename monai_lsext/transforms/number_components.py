"""Objects of a mask, numbered."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type, convert_to_numpy
from skimage.measure import label

__all__ = ["NumberComponentsd"]


class NumberComponentsd(MapTransform):
    """Map of instances of a mask: 0 background, 1 .. n its connected parts; the mask stays as it is.

    Points are joined by sides (in 2D: 4 neighbours), so that objects that meet at a corner alone are two.

    Args:
        keys: the one mask, usually ``pred``; values > 0.5 are inside.
        instances_key: item to write, default ``instances``.
        allow_missing_keys: MONAI's option, default False.

    Shape:
        mask [1, \\*S] -> instances [1, \\*S], float32 with the mask's meta data.

    Raises:
        ValueError: for more than one key, at construction; at a call for a mask with another number of channels.
    """

    def __init__(
        self, keys: KeysCollection, instances_key: str = "instances", allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"`keys` must be one item, got {self.keys}")
        self.instances_key = instances_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            mask = convert_to_numpy(d[key]) > 0.5
            if len(mask) != 1:
                raise ValueError(f"a mask must have 1 channel, got {len(mask)}")
            numbers = torch.from_numpy(label(mask[0], connectivity=1))[None]
            d[self.instances_key] = convert_to_dst_type(numbers, d[key], dtype=torch.float32)[0]
        return d
