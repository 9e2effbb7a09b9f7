"""Square region of interest around the optic disc of a fundus image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import Crop, Cropd
from monai.utils import convert_data_type
from numpy.typing import NDArray
from torch import Tensor

from .optic_disc_finder import Circle, find_optic_disc, retina

__all__ = ["OpticDiscROI", "OpticDiscROId", "Region"]

MODES = ("auto", "find", "none")


class Region(NamedTuple):
    """Start along the two spatial axes and extent of a region, and how it was chosen."""

    start: tuple[int, int]
    size: tuple[int, int]
    reason: str
    circle: Circle | None = None
    found: bool = False

    def as_meta(self) -> dict[str, Any]:
        """Plain values of fixed types and lengths, which MONAI can collate; radius 0 stands for no circle."""
        circle = self.circle or (0.0, 0.0, 0.0)
        return {
            "mode": "found" if self.found else "whole",
            "reason": self.reason,
            "start": list(self.start),
            "side_px": max(self.size),
            "circle_px": [float(value) for value in circle],
        }


class OpticDiscROI(Crop):
    """Crop to a square about the optic disc, as the crops of DRISHTI-GS1 are framed.

    The side is ``max(diameter_factor * d, field_fraction * w)`` with the found diameter d and the width w of the round
    field of view, at most the short side; the square is moved inside the image. The second term holds where the cup
    was taken for the disc. ``mode="auto"`` keeps the whole image where no circle is found, or where its diameter
    exceeds ``max_diameter`` of the short side: the image is then taken to be cropped around the disc already.

    Args:
        mode: ``auto`` (default), ``find`` (an error when no circle is found) or ``none`` (the whole image).
        diameter_factor: side over diameter, > 1; default 2.1.
        field_fraction: least side over the width of the field of view, 0 to 1; default 0.33. DRISHTI-GS1's is 0.39.
        max_diameter: 0 to 1; default 0.3, for ``auto`` only.

    Shape:
        [3, W, H], any numeric type and range from 0 up -> [3, side, side], or the whole.

    Raises:
        ValueError: for an unknown mode or a number out of range; at a call for an image without three channels, and
            with ``find`` where no circle is found.

    Note:
        The paper names intensity threshold and circular Hough transform but no numbers; the threshold here is the
        one that finds the field of view, and :func:`find_optic_disc` says how circles are ranked.

    Reference:
        Chakravarty & Sivaswamy, RACE-net, IEEE JBHI 2018, section IV-A.
    """

    def __init__(
        self,
        mode: str = "auto",
        diameter_factor: float = 2.1,
        field_fraction: float = 0.33,
        max_diameter: float = 0.3,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {list(MODES)}, got {mode!r}")
        if diameter_factor <= 1:
            raise ValueError(f"`diameter_factor` must be > 1, got {diameter_factor}")
        for name, share in (("field_fraction", field_fraction), ("max_diameter", max_diameter)):
            if not 0 <= share <= 1:
                raise ValueError(f"`{name}` must be 0 to 1, got {share}")
        self.mode = mode
        self.diameter_factor = diameter_factor
        self.field_fraction = field_fraction
        self.max_diameter = max_diameter

    def locate(self, image: Any) -> Region:
        """The region of an image [3, W, H]."""
        size = (int(image.shape[1]), int(image.shape[2]))
        if self.mode == "none":
            return Region((0, 0), size, "asked for")
        pixels: NDArray[Any] = convert_data_type(image, np.ndarray)[0]
        circle = find_optic_disc(pixels)
        if circle is None:
            if self.mode == "find":
                raise ValueError("no optic disc was found in the image; mode 'none' takes it whole")
            return Region((0, 0), size, "no circle found")
        if self.mode == "auto" and 2 * circle.radius > self.max_diameter * min(size):
            return Region((0, 0), size, f"circle wider than {self.max_diameter:g} of the short side", circle)
        return self._square(circle, pixels)

    def _square(self, circle: Circle, pixels: NDArray[Any]) -> Region:
        field = retina(pixels)
        width = max(int(np.ptp(np.flatnonzero(field.any(axis=other)))) + 1 for other in (0, 1))
        size = field.shape
        side = min(round(max(self.diameter_factor * 2 * circle.radius, self.field_fraction * width)), *size)
        start = [
            min(max(round(centre - side / 2), 0), length - side)
            for centre, length in zip((circle.x, circle.y), size, strict=True)
        ]
        return Region((start[0], start[1]), (side, side), "circle found", circle, found=True)

    def __call__(self, img: Any, region: Region | None = None, lazy: bool | None = None) -> Tensor:  # type: ignore[override]
        """Crop to ``region``, by default the one that :meth:`locate` gives; writes ``meta["roi"]``."""
        region = self.locate(img) if region is None else region
        window = tuple(slice(first, first + length) for first, length in zip(region.start, region.size, strict=True))
        cropped = super().__call__(img, window, lazy=lazy)
        if isinstance(cropped, MetaTensor):
            cropped.meta["roi"] = region.as_meta()
        return cropped


class OpticDiscROId(Cropd):
    """Dictionary form of :class:`OpticDiscROI`: the region is found on one item and cut out of all.

    ``meta["roi"]`` of each item says what happened: ``mode`` ("found" or "whole"), ``reason``, ``start`` [x, y],
    ``side_px`` (the long side of a whole image), ``circle_px`` [x, y, radius] (zeros: none). MONAI's ``Invertd`` puts a
    result back, with zeros outside the region.

    Args:
        keys: items to crop, of one spatial size.
        source_key: item [3, W, H] on which the disc is found, default ``image``.
        mode: see :class:`OpticDiscROI`.
        diameter_factor: see :class:`OpticDiscROI`.
        field_fraction: see :class:`OpticDiscROI`.
        max_diameter: see :class:`OpticDiscROI`.
        allow_missing_keys: MONAI's option, default False.

    Raises:
        ValueError: as :class:`OpticDiscROI`, and for an item of another spatial size.
    """

    def __init__(
        self,
        keys: KeysCollection,
        source_key: str = "image",
        mode: str = "auto",
        diameter_factor: float = 2.1,
        field_fraction: float = 0.33,
        max_diameter: float = 0.3,
        allow_missing_keys: bool = False,
    ) -> None:
        self.roi = OpticDiscROI(mode, diameter_factor, field_fraction, max_diameter)
        super().__init__(keys, self.roi, allow_missing_keys)
        self.source_key = source_key

    def __call__(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        d = dict(data)
        source = d[self.source_key]
        region = self.roi.locate(source)
        for key in self.key_iterator(d):
            if d[key].shape[1:] != source.shape[1:]:
                expected, got = tuple(source.shape[1:]), tuple(d[key].shape[1:])
                raise ValueError(f"`{key}` must have the spatial size of `{self.source_key}`, {expected}, got {got}")
            d[key] = self.roi(d[key], region, lazy)
        return d
