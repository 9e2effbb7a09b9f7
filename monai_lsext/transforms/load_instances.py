"""Instance labels, loaded for CRLS."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_lsext.data.instance_label import read_instance_label
from monai_lsext.networks.layers.instance_targets import instance_targets

__all__ = ["LoadInstancesd"]


class LoadInstancesd(MapTransform):
    """Loads and checks a label of objects: their ids in the first channel, their classes in the second.

    Args:
        keys: labels in one of the forms of :func:`read_instance_label`.
        num_classes: K, >= 1, default 1; class ids are 1 to K.
        allow_missing_keys: MONAI's option, default False.

    Shape:
        -> float32 [2, W, H], in the axes that ``LoadImaged`` gives the image, without the image's affine.

    Raises:
        ValueError: for a label that cannot be read so, or that :func:`instance_targets` refuses, naming the case; for
            ``num_classes`` out of range.
    """

    def __init__(self, keys: KeysCollection, num_classes: int = 1, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        if num_classes < 1:
            raise ValueError(f"`num_classes` must be >= 1, got {num_classes}")
        self.num_classes = num_classes

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load each label."""
        d = dict(data)
        for key in self.key_iterator(d):
            try:
                label = torch.from_numpy(read_instance_label(d[key]))
                instance_targets(label, self.num_classes)
            except ValueError as error:
                case = f"case {d['case']}: " if "case" in d else ""
                raise ValueError(f"{case}{error}") from error
            name = d[key] if isinstance(d[key], str) else str(d.get("case", ""))
            d[key] = MetaTensor(label.float(), meta={"filename_or_obj": name})
        return d
