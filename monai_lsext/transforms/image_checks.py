"""Checks of an image before and after it is loaded: a bad one is refused by one sentence, never segmented."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple
from torch import Tensor

from monai_lsext.data.image_file import check_image_file

__all__ = ["CheckImageFiled", "CheckImaged"]

_OPAQUE = (1.0, 255.0)


class CheckImageFiled(MapTransform):
    """Check of image files by :func:`monai_lsext.data.image_file.check_image_file`; stands before ``LoadImaged``.

    Args:
        keys: items to check; a path (str or PathLike) is read, any other value passes.
        channels: that are taken: 3 (colour), 1 (grey), or [1, 3].
        allow_missing_keys: MONAI's option, default False.

    Raises:
        ValueError: at construction for other ``channels``; at a call for an unfit file.
    """

    def __init__(self, keys: KeysCollection, channels: int | Sequence[int], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.channels = tuple(sorted(ensure_tuple(channels)))
        if self.channels not in ((1,), (3,), (1, 3)):
            raise ValueError(f"`channels` must be 1, 3 or both, got {channels}")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            if isinstance(d[key], (str, os.PathLike)):
                check_image_file(d[key], self.channels)
        return d


class CheckImaged(MapTransform):
    """Check of a loaded image [C, *S]: channels, axes and finite values; stands after channels are first.

    What loses nothing is mended, with a note in ``meta["notes"]`` (a list of one str): a fully opaque alpha
    channel is dropped, three equal channels become one for a grey net. A 2D image in a NIfTI file, stored as
    [W, H, 1, C] or [W, H, C], becomes [C, W, H]. Whole numbers become float32, as ``LoadImaged`` gives them: MONAI
    Deploy hands over images as they are stored.

    Args:
        keys: items to check.
        channels: that are taken, >= 1: one number, or [1, 3] for grey and colour alike.
        spatial_dims: 2 (default), 3, or [2, 3] for an image of either kind.
        allow_missing_keys: MONAI's option, default False.

    Raises:
        ValueError: at construction for a bad argument; at a call for an image with other channels or axes,
            without pixels, partly transparent, or with nan or infinite values.
    """

    def __init__(
        self,
        keys: KeysCollection,
        channels: int | Sequence[int],
        spatial_dims: int | Sequence[int] = 2,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.channels = ensure_tuple(channels)
        if min(self.channels) < 1:
            raise ValueError(f"`channels` must be >= 1, got {channels}")
        self.spatial_dims = ensure_tuple(spatial_dims)
        if not self.spatial_dims or not set(self.spatial_dims) <= {2, 3}:
            raise ValueError(f"`spatial_dims` must be 2, 3 or both, got {spatial_dims}")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self._checked(torch.as_tensor(d[key]))
        return d

    def _checked(self, image: Tensor) -> Tensor:
        if not image.is_floating_point():
            image = image.float()
        if self.spatial_dims == (2,) and image.ndim == 4:
            image = _without_third_axis(image, self.channels)
        if image.ndim - 1 not in self.spatial_dims:
            axes = " or ".join(map(str, self.spatial_dims))
            raise ValueError(f"image must have {axes} spatial axes and channels first, got shape {tuple(image.shape)}")
        if image.numel() == 0:
            raise ValueError(f"image must not be empty, got shape {tuple(image.shape)}")
        if not torch.isfinite(image).all():
            count = int((~torch.isfinite(image)).sum())
            raise ValueError(f"image must have finite values, got {count} that are nan or infinite")
        image, notes = self._with_net_channels(image)
        if notes and isinstance(image, MetaTensor):
            # one joined note, so that items of a batch collate whatever was mended
            image.meta["notes"] = [*image.meta.get("notes", []), "; ".join(notes)]
        return image

    def _with_net_channels(self, image: Tensor) -> tuple[Tensor, list[str]]:
        notes = []
        if image.shape[0] in (2, 4) and image.shape[0] not in self.channels:
            alpha = image[-1]
            if alpha.min() != alpha.max() or alpha.max() not in _OPAQUE:
                raise ValueError(f"image must be opaque, got alpha {alpha.min():g} .. {alpha.max():g}")
            image = image[:-1]
            notes.append("fully opaque alpha channel dropped")
        if self.channels == (1,) and image.shape[0] == 3 and (image == image[:1]).all():
            image = image[:1]
            notes.append("three equal colour channels read as one grey channel")
        if image.shape[0] not in self.channels:
            taken = " or ".join(map(str, self.channels))
            raise ValueError(
                f"image must have {taken} channel(s), got {image.shape[0]}; of a series in time give one image alone"
            )
        return image, notes


def _without_third_axis(image: Tensor, channels: tuple[int, ...]) -> Tensor:
    """[C, W, H, 1] or [1, W, H, C] -> [C, W, H]; any other shape comes back as it is."""
    if image.shape[-1] == 1:
        return image[..., 0]
    if image.shape[0] == 1 and image.shape[-1] in {3, 4, *channels, *(n + 1 for n in channels)}:
        return image[0].movedim(-1, 0)
    return image
