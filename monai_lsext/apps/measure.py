"""Measurements and warnings from a 2D label map."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from monai_lsext.metrics import vertical_cup_to_disc_ratio
from monai_lsext.registry import BundleInfo, Region

__all__ = ["MEASUREMENTS", "measure", "region_mask", "warn"]

MEASUREMENTS: dict[str, tuple[str, Callable[[np.ndarray], float]]] = {
    "vertical_cup_to_disc_ratio": ("vertical cup-to-disc ratio", vertical_cup_to_disc_ratio),
}


def region_mask(label_map: np.ndarray, region: Region) -> np.ndarray:
    """Where a label map has one of the region's values."""
    return np.isin(label_map, region.values)


def measure(
    label_map: np.ndarray, info: BundleInfo, spacing_mm: tuple[float, float] | None = None
) -> dict[str, float | int | None]:
    """Area of each region (``<region>_area_px``, and ``_mm2`` where the spacing is known) and the bundle's own.

    Args:
        label_map: integers [W, H].
        spacing_mm: distance of pixels along the two axes.

    Returns:
        name -> number; None where a measurement is not defined, such as a ratio to nothing.
    """
    values: dict[str, float | int | None] = {}
    for name in info.measurements:
        value = MEASUREMENTS[name][1](label_map)
        values[name] = round(value, 4) if math.isfinite(value) else None
    for region in info.regions:
        area_px = int(region_mask(label_map, region).sum())
        values[f"{region.name}_area_px"] = area_px
        if spacing_mm is not None:
            values[f"{region.name}_area_mm2"] = round(area_px * spacing_mm[0] * spacing_mm[1], 4)
    return values


def warn(label_map: np.ndarray, info: BundleInfo, window: tuple[slice, slice]) -> list[str]:
    """What a reader should look at: nothing found, several pieces, cut by the border, inner touching outer.

    Args:
        label_map: integers [W, H].
        window: the part of the image that the network saw.
    """
    warnings = []
    outer = info.regions[0]
    beyond = ~region_mask(label_map, outer)
    for region in info.regions:
        mask = region_mask(label_map, region)
        pieces = int(ndimage.label(mask, np.ones([3] * mask.ndim))[1])  # corners join, as in the post-processing
        if pieces == 0:
            warnings.append(f"no {region.title} was found")
            continue
        if pieces > 1:
            warnings.append(f"{region.title}: {pieces} separate pieces, expected 1")
        if _touches_border(mask[window]):
            warnings.append(f"{region.title} touches the border of the analysed part and may be cut off")
        nested = set(region.values) < set(outer.values)
        if nested and (ndimage.binary_dilation(mask) & beyond).any():
            warnings.append(f"{region.title} touches the edge of the {outer.title}")
    return warnings


def _touches_border(mask: np.ndarray) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())
