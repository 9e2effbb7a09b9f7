"""Grey values between two limits become 0 to 1; a picture has been windowed before."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform, ScaleIntensityRange

from monai_lsext.data.image_file import is_picture

__all__ = ["WindowIntensityd"]

PICTURE_WINDOW = (0.0, 255.0)


class WindowIntensityd(MapTransform):
    """(x - low) / (high - low), clipped to 0 .. 1; of an 8-bit picture x / 255.

    Args:
        keys: images, MetaTensors whose meta names their file; without it they are taken for no picture.
        window: (low, high) in the unit of the file, e.g. Hounsfield units.
        allow_missing_keys: MONAI's option, default False.

    Shape:
        any, float32 comes back.

    Raises:
        ValueError: for a window that is not (low, high) with low < high.
    """

    def __init__(self, keys: KeysCollection, window: Sequence[float], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(window) != 2 or not window[0] < window[1]:
            raise ValueError(f"`window` must be (low, high) with low < high, got {window}")
        self.scale = ScaleIntensityRange(window[0], window[1], 0.0, 1.0, clip=True)
        self.scale_picture = ScaleIntensityRange(*PICTURE_WINDOW, 0.0, 1.0, clip=True)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            meta = getattr(d[key], "meta", {})
            d[key] = (self.scale_picture if is_picture(meta.get("filename_or_obj")) else self.scale)(d[key])
        return d
