"""Initial level set of one image, from a mask, a click or a name."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import convert_to_dst_type
from torch import Tensor

from monai_lsext.networks.layers import (
    INITIAL_LEVEL_SETS,
    initial_level_set,
    level_set_from_click,
    signed_distance,
)

__all__ = ["InitialLevelSet", "InitialLevelSetd"]


class InitialLevelSet(Transform):
    """Level set phi_0 in pixels, positive inside, on the grid of an image.

    - ``start="mask"``: signed distance to the border of the image's own points that are inside;
    - ``start="click"``: ``phi = radius_px - |x - click|``;
    - any other: a named one of :func:`monai_lsext.networks.layers.initial_level_set`.

    Args:
        start: ``mask`` (default), ``click``, or a name of :func:`initial_level_set`.
        label_values: with ``mask``, the values that are inside; default all values > 0.5.
        radius_px: with ``click``, the radius in pixels, > 0.

    Shape:
        image [C, \\*S] (C = 1 for ``mask``), click [d] in the order of the spatial axes -> phi [1, \\*S].

    Raises:
        ValueError: at construction for an unknown start or an option that does not belong to it; at a call for a
            mask with more than one channel, without inside or without outside, and for a missing or outlying click.
    """

    def __init__(
        self, start: str = "mask", label_values: Sequence[int] | None = None, radius_px: float | None = None
    ) -> None:
        starts = ["mask", "click", *sorted(INITIAL_LEVEL_SETS)]
        if start not in starts:
            raise ValueError(f"`start` must be one of {starts}, got {start!r}")
        if label_values is not None and (start != "mask" or len(label_values) == 0):
            raise ValueError(
                f"`label_values` must be a non-empty list with start 'mask', got {label_values} with {start!r}"
            )
        if (start == "click") != (radius_px is not None) or (radius_px is not None and radius_px <= 0):
            raise ValueError(f"`radius_px` must be > 0 with start 'click' and None otherwise, got {radius_px}")
        self.start = start
        self.label_values = label_values
        self.radius_px = radius_px

    def __call__(self, image: Any, click: Any = None) -> Tensor:
        size = tuple(image.shape[1:])
        if self.start == "mask":
            phi = signed_distance(self._inside(torch.as_tensor(image))[None])
        elif self.start == "click":
            if click is None:
                raise ValueError("start 'click' needs a click, got None")
            point = torch.as_tensor(click, dtype=torch.float32)[None]
            phi = level_set_from_click(point, size, float(self.radius_px or 0))
        else:
            phi = initial_level_set(self.start, size)
        return convert_to_dst_type(phi[0], image, dtype=torch.float32)[0]

    def _inside(self, mask: Tensor) -> Tensor:
        if mask.shape[0] != 1:
            raise ValueError(f"a mask must have 1 channel, got {mask.shape[0]}")
        if self.label_values is None:
            inside = mask > 0.5
        else:
            inside = torch.isin(mask, torch.as_tensor(self.label_values, dtype=mask.dtype))
        if not inside.any():
            wanted = "> 0.5" if self.label_values is None else f"in {list(self.label_values)}"
            raise ValueError(f"the mask has no point with a value {wanted}, so no level set can start from it")
        return inside


class InitialLevelSetd(MapTransform):
    """Dictionary form of :class:`InitialLevelSet`; writes a new item and leaves its source as it is.

    Args:
        keys: the one item whose grid is used: the mask for ``start="mask"``, else usually ``image``.
        start: see :class:`InitialLevelSet`.
        label_values: see :class:`InitialLevelSet`.
        radius_px: see :class:`InitialLevelSet`.
        click_key: item with the click, default ``click``; in pixels of the grid as it is when this runs.
        phi_key: item to write, default ``phi0``.
        allow_missing_keys: MONAI's option, default False.

    Raises:
        ValueError: as :class:`InitialLevelSet`, and for more than one key.
    """

    def __init__(
        self,
        keys: KeysCollection,
        start: str = "mask",
        label_values: Sequence[int] | None = None,
        radius_px: float | None = None,
        click_key: str = "click",
        phi_key: str = "phi0",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"`keys` must be one item, got {self.keys}")
        self.level_set = InitialLevelSet(start, label_values, radius_px)
        self.click_key = click_key
        self.phi_key = phi_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[self.phi_key] = self.level_set(d[key], d.get(self.click_key))
        return d
