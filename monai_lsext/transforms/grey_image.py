"""One grey channel of a grey or a colour picture."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

__all__ = ["GreyImaged"]

_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


class GreyImaged(MapTransform):
    """Luminance ``0.299 R + 0.587 G + 0.114 B`` of a colour picture, with a note; a grey one passes.

    Args:
        keys: images to convert.
        allow_missing_keys: MONAI's option, default False.

    Shape:
        [1, \\*S] or [3, \\*S] -> [1, \\*S].

    Raises:
        ValueError: for another number of channels.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            image = d[key]
            if len(image) == 1:
                continue
            if len(image) != 3:
                raise ValueError(f"`{key}` must have 1 or 3 channels, got {len(image)}")
            if (image == image[:1]).all():
                d[key] = image[:1]
                continue
            weights = torch.tensor(_LUMINANCE, dtype=image.dtype, device=image.device)
            grey = (weights.view(3, *[1] * (image.ndim - 1)) * image).sum(0, keepdim=True)
            if isinstance(grey, MetaTensor):
                # one joined note, so that items of a batch collate
                grey.meta["notes"] = ["; ".join([*image.meta.get("notes", []), "colour picture read as its luminance"])]
            d[key] = grey
        return d
