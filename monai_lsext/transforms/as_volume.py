"""A 2D image as a volume of one slice, so that one chain of transforms serves both."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform

from monai_lsext.data.image_file import is_picture

__all__ = ["AsVolumed"]


class AsVolumed(MapTransform, InvertibleTransform):
    """[C, W, H] becomes [C, W, H, 1]; a volume passes. The inverse takes the axis off again.

    A picture (PNG, JPEG, TIFF) has no place in the world: ``picture_axes`` says how it lies.

    Args:
        keys: MetaTensors [C, W, H] or [C, W, H, D].
        picture_axes: where a picture's columns and rows run to, "L" or "R" and "A" or "P"; default "LA", "LP" is a
            slice as it is displayed.
        allow_missing_keys: MONAI's option, default False.

    Raises:
        ValueError: for unknown axes of a picture, or an image with other axes.
    """

    def __init__(self, keys: KeysCollection, picture_axes: str = "LA", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(picture_axes) != 2 or picture_axes[0] not in "LR" or picture_axes[1] not in "AP":
            raise ValueError(f"`picture_axes` must be L or R and A or P, got {picture_axes!r}")
        self.picture_signs = [1.0 if axis in "RA" else -1.0 for axis in picture_axes]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            image = d[key]
            if image.ndim not in (3, 4):
                raise ValueError(f"`{key}` must have shape [C, W, H] or [C, W, H, D], got {tuple(image.shape)}")
            flat = image.ndim == 3
            if flat:
                image = image[..., None]
                image.affine = self._place(image)
            d[key] = image
            self.push_transform(d, key, extra_info={"flat": flat})
        return d

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Take the third axis off what had none."""
        d = dict(data)
        for key in self.key_iterator(d):
            if self.pop_transform(d, key)["extra_info"]["flat"]:
                d[key] = d[key][..., 0]
        return d

    def _place(self, image: MetaTensor) -> torch.Tensor:
        """Affine [4, 4] of a slice from one of [3, 3] or [4, 4]."""
        if is_picture(image.meta.get("filename_or_obj")):
            return torch.diag(torch.tensor([*self.picture_signs, 1, 1], dtype=torch.float64))
        affine = torch.as_tensor(image.affine, dtype=torch.float64)
        if affine.shape == (4, 4):
            return affine
        full = torch.eye(4, dtype=torch.float64)
        full[:2, :2], full[:2, 3] = affine[:2, :2], affine[:2, 2]
        return full
