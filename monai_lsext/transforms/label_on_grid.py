"""A label whose header puts it elsewhere than its image."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping
from typing import Any, cast

import nibabel as nib
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Orientation
from torch import Tensor

__all__ = ["LabelOnGridd"]


class LabelOnGridd(MapTransform):
    """Brings a label to the grid of its image.

    - Where both headers describe the same voxels, whatever the order and direction of the axes, they are believed:
      axes are swapped and turned, nothing is resampled.
    - Where they do not, and the sizes are the same, voxel [i, j, k] of the label belongs to voxel [i, j, k] of the
      image and the label's header is dropped.

    The second rule is for NIH Pancreas-CT: a label's voxel [i, j, k] is column i, row j of the DICOM frame with
    instance number k + 1, while its header has another direction of rows and another origin. Brought to one world by
    its header, such a label comes out upside down.

    Args:
        keys: labels, MetaTensors [C, W, H, D].
        image_key: the image, a MetaTensor, default ``image``.
        allow_missing_keys: MONAI's option, default False.

    Raises:
        ValueError: for a label of another size than its image.
    """

    def __init__(self, keys: KeysCollection, image_key: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        image = d[self.image_key]
        for key in self.key_iterator(d):
            d[key] = _on_grid(d[key], image, key)
        return d


def _on_grid(label: MetaTensor, image: MetaTensor, key: Hashable) -> MetaTensor:
    if label.shape[1:] == image.shape[1:] and _same_place(label, image):
        return label
    codes = "".join(nib.orientations.aff2axcodes(image.affine.numpy()))
    turned = cast(MetaTensor, Orientation(axcodes=codes, labels=None)(label))
    if turned.shape[1:] == image.shape[1:] and _same_place(turned, image):
        label = turned
    elif label.shape[1:] != image.shape[1:]:
        raise ValueError(
            f"`{key}` must have the size of its image, {tuple(image.shape[1:])}, got {tuple(label.shape[1:])}"
        )
    moved = MetaTensor(label.as_tensor(), meta={**label.meta})
    moved.affine = image.affine
    return moved


def _same_place(label: MetaTensor, image: MetaTensor) -> bool:
    """Whether all corners of two grids of one size are less than half the smallest side of a voxel apart."""
    last = [side - 1 for side in image.shape[1:]]
    corners = torch.tensor([[*c, 1] for c in itertools.product(*((0, n) for n in last))], dtype=torch.float64)
    places: list[Tensor] = [corners @ torch.as_tensor(item.affine).double().T for item in (label, image)]
    smallest = torch.as_tensor(image.affine)[:3, :3].double().norm(dim=0).min()
    return bool((places[0] - places[1]).norm(dim=1).max() < 0.5 * smallest)
