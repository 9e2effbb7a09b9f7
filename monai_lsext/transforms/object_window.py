"""The square window around one object of a label map."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import BorderPad, MapTransform, SpatialCrop
from torch import Tensor

from monai_lsext.data.object_windows import object_window

__all__ = ["ObjectWindowd"]


class ObjectWindowd(MapTransform):
    """Makes the label a mask of one object and crops to the square around it; whole pictures pass.

    - An item that names an object: the label is 1 where it has that value, and all keys are cropped to the window of
      :func:`monai_lsext.data.object_windows.object_window`. Outside the picture its edge goes on.
    - Any other item: the label, where there is one, is 1 where any of its channels is > 0; nothing is cropped.

    Args:
        keys: image and label, [C, W, H] of one size.
        label_key: the label, default ``label``.
        object_key: entry with the object's value in the label, default ``object``.
        context: side of the window by the longer side of the object's box, >= 1, default 2.
        allow_missing_keys: MONAI's option, default False.

    Raises:
        ValueError: at construction for ``context`` < 1; at a call for an object that the label does not hold, and for
            keys of several sizes.
    """

    def __init__(
        self,
        keys: KeysCollection,
        label_key: str = "label",
        object_key: str = "object",
        context: float = 2.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if context < 1:
            raise ValueError(f"`context` must be >= 1, got {context}")
        self.label_key = label_key
        self.object_key = object_key
        self.context = context

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if self.object_key not in d:
            if self.label_key in d:
                d[self.label_key] = (d[self.label_key] > 0).any(0, keepdim=True).float()
            return d
        value = int(d[self.object_key])
        mask = (d[self.label_key] == value).any(0, keepdim=True)
        if not mask.any():
            case = f" of {d['case']}" if "case" in d else ""
            raise ValueError(f"`{self.label_key}`{case} must have a pixel of object {value}, got none")
        d[self.label_key] = mask.float()
        sizes = sorted({tuple(d[key].shape[1:]) for key in self.key_iterator(d)} | {tuple(mask.shape[1:])})
        if len(sizes) > 1:
            raise ValueError(f"image and label must have one size, got {sizes[0]} and {sizes[1]}")
        window = object_window(np.asarray(mask)[0], self.context)
        for key in self.key_iterator(d):
            d[key] = _cropped(d[key], window.start, window.side)
        return d


def _cropped(image: Tensor, start: tuple[int, ...], side: int) -> Tensor:
    size = image.shape[1:]
    before = [max(-first, 0) for first in start]
    after = [max(first + side - length, 0) for first, length in zip(start, size, strict=True)]
    if any(before + after):
        border = [pixels for pair in zip(before, after, strict=True) for pixels in pair]
        image = BorderPad(border, mode="edge")(image)
    first = torch.tensor([a + b for a, b in zip(start, before, strict=True)])
    return SpatialCrop(roi_start=first, roi_end=first + side)(image)
