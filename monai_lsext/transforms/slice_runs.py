"""Random slices of a volume with their neighbours: as channels of a 2D image, or as a short volume."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from monai.transforms.traits import MultiSampleTrait
from torch import Tensor

from .slices import take_slice

__all__ = ["RandSliceRund", "RandSliceWindowd"]


class _SliceDraw(Randomizable, MapTransform):
    """Draws slices, some of them among those that show the object."""

    def __init__(self, keys: KeysCollection, object_key: str, object_prob: float, allow_missing_keys: bool) -> None:
        super().__init__(keys, allow_missing_keys)
        if not 0 <= object_prob <= 1:
            raise ValueError(f"`object_prob` must be 0 to 1, got {object_prob}")
        self.object_key = object_key
        self.object_prob = object_prob

    def _draw(self, truth: Tensor) -> int:
        """Index of one slice of a label [C, W, H, D]."""
        likely = list(range(truth.shape[-1]))
        if self.R.random_sample() < self.object_prob:
            present = (torch.as_tensor(truth) > 0).flatten(0, -2).any(dim=0)
            likely = torch.nonzero(present).flatten().tolist() or likely
        return likely[self.R.randint(len(likely))]


class RandSliceWindowd(_SliceDraw, MultiSampleTrait):
    """Random slices of a volume: of the image with both neighbours as channels, of the label the slice alone.

    At the ends of the volume the neighbour that is missing is the slice itself; so a volume of one slice gives three
    equal channels.

    Args:
        keys: images [1, W, H, D].
        label_key: the label, of the image's depth, default ``label``.
        num_samples: slices from each volume, >= 1, default 1.
        object_prob: probability, 0 to 1, that a slice is drawn among those with the object; default 0.5.
        allow_missing_keys: MONAI's option, default False.

    Shape:
        image [1, W, H, D] -> [3, W, H], label [C, W, H, D] -> [C, W, H]: a list of ``num_samples`` items.

    Raises:
        ValueError: at construction for a number out of range; at a call for an image with more than one channel.

    Reference:
        Cai, Lu, Xing & Yang, 2018, section III-A: three neighbouring slices in, the mask of the middle one out.
    """

    def __init__(
        self,
        keys: KeysCollection,
        label_key: str = "label",
        num_samples: int = 1,
        object_prob: float = 0.5,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, label_key, object_prob, allow_missing_keys)
        if num_samples < 1:
            raise ValueError(f"`num_samples` must be >= 1, got {num_samples}")
        self.num_samples = num_samples

    def __call__(self, data: Mapping[Hashable, Any]) -> list[dict[Hashable, Any]]:
        return [self._sample(dict(data)) for _ in range(self.num_samples)]

    def _sample(self, d: dict[Hashable, Any]) -> dict[Hashable, Any]:
        label = d[self.object_key]
        index, last = self._draw(label), label.shape[-1] - 1
        for key in self.key_iterator(d):
            if d[key].shape[0] != 1:
                raise ValueError(f"`{key}` must have one channel, got shape {tuple(d[key].shape)}")
            d[key] = torch.cat([take_slice(d[key], min(max(index + step, 0), last)) for step in (-1, 0, 1)])
        d[self.object_key] = take_slice(label, index)
        return d


class RandSliceRund(_SliceDraw):
    """A random run of neighbouring slices, the same for all keys; a shorter volume passes whole.

    Args:
        keys: volumes [C, W, H, D] of one depth.
        length: slices of the run, >= 1.
        object_key: item that is > 0 on the object, default ``label``.
        object_prob: probability, 0 to 1, that the run holds a slice drawn among those with the object; default 1.
        allow_missing_keys: MONAI's option, default False.

    Shape:
        [C, W, H, D] -> [C, W, H, min(length, D)]; the affine's origin moves to the first slice.

    Raises:
        ValueError: at construction, for a number out of range.
    """

    def __init__(
        self,
        keys: KeysCollection,
        length: int,
        object_key: str = "label",
        object_prob: float = 1.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, object_key, object_prob, allow_missing_keys)
        if length < 1:
            raise ValueError(f"`length` must be >= 1, got {length}")
        self.length = length

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        depth = d[self.object_key].shape[-1]
        length = min(self.length, depth)
        drawn = self._draw(d[self.object_key])
        first, last = max(drawn - length + 1, 0), min(drawn, depth - length)
        start = int(self.R.randint(first, last + 1))
        for key in self.key_iterator(d):
            run = d[key][..., start : start + length]
            if isinstance(run, MetaTensor):
                affine = run.affine.clone()
                affine[:3, 3] += start * affine[:3, 2]
                run.affine = affine
            d[key] = run
        return d
