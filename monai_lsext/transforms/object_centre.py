"""The centre of a labelled object as an item of its own, exact or displaced as a careless click would be."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

__all__ = ["ObjectCentred"]


class ObjectCentred(MapTransform):
    """Adds the centre of mass of a 2D mask, in pixels of its grid, in the order of the axes.

    Args:
        keys: one binary mask [1, W, H].
        centre_key: new item, a float tensor [2]; default ``centre``. For an empty mask and a volume: nan.
        jitter: length of a displacement in units of the object's radius ``sqrt(area / pi)``, >= 0, default 0. Its
            direction is drawn by ``seed`` and the mask itself, so that it does not depend on the order of the cases;
            one that leads out of the image is cut at the border.
        seed: of the directions, >= 0.
        allow_missing_keys: MONAI's option, default False.

    Raises:
        ValueError: at construction for a negative ``jitter`` or more than one key.
    """

    def __init__(
        self,
        keys: KeysCollection,
        centre_key: str = "centre",
        jitter: float = 0.0,
        seed: int = 0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"`keys` must name one mask, got {list(self.keys)}")
        if jitter < 0:
            raise ValueError(f"`jitter` must be >= 0, got {jitter}")
        self.centre_key = centre_key
        self.jitter = jitter
        self.seed = seed

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The data with the centre."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[self.centre_key] = self._centre(np.asarray(d[key]) > 0.5)
        return d

    def _centre(self, mask: np.ndarray) -> torch.Tensor:
        if mask.ndim != 3 or not mask.any():
            return torch.full((2,), torch.nan)
        points = np.argwhere(mask[0])
        centre = points.mean(0)
        if self.jitter > 0:
            drawn = np.random.default_rng((self.seed, zlib.crc32(np.packbits(mask).tobytes()))).uniform(0, 2 * np.pi)
            length_px = self.jitter * np.sqrt(len(points) / np.pi)
            centre = centre + length_px * np.array([np.cos(drawn), np.sin(drawn)])
        return torch.as_tensor(np.clip(centre, 0, np.array(mask.shape[1:]) - 1), dtype=torch.float32)
