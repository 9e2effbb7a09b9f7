"""Labelled and unlabelled cases in one batch."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Transform

__all__ = ["FillMissingLabeld"]


class FillMissingLabeld(Transform):
    """Gives an item without a label an empty one, and says in ``labelled`` which items came with their own.

    So that labelled and unlabelled items can be collated to one batch; the last of a chain of transforms whose others
    have ``allow_missing_keys: true``.

    Args:
        key: of the label, default "label"; None as its value counts as missing.
        image_key: of the image whose size the empty label gets, default "image".
        flag_key: where True or False is written, default "labelled".

    Shape:
        image [C, \\*S] -> label [1, \\*S], float32 zeros with the image's meta data.

    Raises:
        KeyError: for an item without an image.
    """

    def __init__(self, key: str = "label", image_key: str = "image", flag_key: str = "labelled") -> None:
        self.key = key
        self.image_key = image_key
        self.flag_key = flag_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with both keys."""
        d = dict(data)
        d[self.flag_key] = d.get(self.key) is not None
        if not d[self.flag_key]:
            d[self.key] = torch.zeros_like(d[self.image_key][:1], dtype=torch.float32)
        return d
