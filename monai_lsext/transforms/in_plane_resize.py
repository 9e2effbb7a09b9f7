"""Resize to a common field of view: the long side in the plane gets a given number of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.config import KeysCollection, SequenceStr
from monai.data import MetaTensor
from monai.transforms import Resize, Resized
from monai.transforms.spatial.functional import resize
from torch import Tensor

__all__ = ["ResizeInPlane", "ResizeInPlaned"]


class ResizeInPlane(Resize):
    """Resize the first two spatial axes by one factor, so that the longer has ``long_side_px``; the depth stays.

    For images of about one field of view whose pixel spacing is unknown or wrong. MONAI's ``inverse`` undoes it. For
    2D images it is ``Resize(size_mode="longest")``; for a volume that mode would change the depth too.

    Args:
        long_side_px: pixels of the longer side, >= 1; default 256.
        mode: ``bilinear`` (in a volume: trilinear, the depth being kept) or ``nearest``; default ``bilinear``.
        anti_aliasing: smooth before the image gets smaller, default False.
        keep_px: (least, greatest) longer side of images that stay as they are; default None: every image is resized.

    Shape:
        [C, W, H] or [C, W, H, D] -> the same axes, float32.

    Raises:
        ValueError: at construction for a side < 1 or a ``keep_px`` in the wrong order; at a call for other axes.
    """

    def __init__(
        self,
        long_side_px: int = 256,
        mode: str = "bilinear",
        anti_aliasing: bool = False,
        keep_px: Sequence[int] | None = None,
    ) -> None:
        if long_side_px < 1:
            raise ValueError(f"`long_side_px` must be >= 1, got {long_side_px}")
        if keep_px is not None and (len(keep_px) != 2 or keep_px[0] > keep_px[1]):
            raise ValueError(f"`keep_px` must be (least, greatest), got {keep_px}")
        super().__init__(long_side_px, size_mode="longest", mode=mode, anti_aliasing=anti_aliasing)
        self.long_side_px = long_side_px
        self.keep_px = keep_px

    def __call__(  # type: ignore[override]
        self, img: Tensor, mode: str | None = None, anti_aliasing: bool | None = None, **kwargs: Any
    ) -> Tensor:
        """Resize; ``mode`` and ``anti_aliasing`` override those of the construction, ``lazy`` is MONAI's."""
        shape = img.peek_pending_shape() if isinstance(img, MetaTensor) else tuple(img.shape[1:])
        if len(shape) not in (2, 3):
            raise ValueError(f"an image must have shape [C, W, H] or [C, W, H, D], got {tuple(img.shape)}")
        kept = self.keep_px is not None and self.keep_px[0] <= max(shape[:2]) <= self.keep_px[1]
        factor = 1.0 if kept else self.long_side_px / max(shape[:2])
        size = (*(max(1, round(side * factor)) for side in shape[:2]), *shape[2:])
        lazy = kwargs.get("lazy")
        return resize(
            img,
            size,
            self.mode if mode is None else mode,
            None,
            torch.float32,
            len(shape),
            self.anti_aliasing if anti_aliasing is None else anti_aliasing,
            None,
            self.lazy if lazy is None else lazy,
            self.get_transform_info(),
        )


class ResizeInPlaned(Resized):
    """Dictionary form of :class:`ResizeInPlane`.

    Args:
        keys: items to resize.
        long_side_px: see :class:`ResizeInPlane`.
        mode: ``bilinear`` or ``nearest``, one for all keys or one for each.
        anti_aliasing: one for all keys or one for each.
        keep_px: see :class:`ResizeInPlane`.
        allow_missing_keys: MONAI's option, default False.
    """

    def __init__(
        self,
        keys: KeysCollection,
        long_side_px: int = 256,
        mode: SequenceStr = "bilinear",
        anti_aliasing: bool | list[bool] = False,
        keep_px: Sequence[int] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        resizer = ResizeInPlane(long_side_px, keep_px=keep_px)
        super().__init__(
            keys, long_side_px, mode=mode, anti_aliasing=anti_aliasing, allow_missing_keys=allow_missing_keys
        )
        self.resizer = resizer
