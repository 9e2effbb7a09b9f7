"""Measurements of a segmentation, and warnings to its reader."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from monai_lsext.apps.segmentation import Segmentation
from monai_lsext.metrics import vertical_cup_to_disc_ratio
from monai_lsext.registry import BundleInfo

__all__ = ["MEASUREMENTS", "measure", "warn"]

MEASUREMENTS: dict[str, tuple[str, Callable[[np.ndarray], float]]] = {
    "vertical_cup_to_disc_ratio": ("vertical cup-to-disc ratio", vertical_cup_to_disc_ratio),
}
_MM3_PER_ML = 1000.0


def measure(
    segmentation: Segmentation, info: BundleInfo, voxel_mm: float | None = None
) -> dict[str, float | int | None]:
    """The bundle's own measurements of one image, then the size of each region.

    2D: ``<region>_area_px`` and ``_area_mm2``. Volumes: ``<region>_volume_voxels``, ``_volume_ml`` and ``_slices``, the
    number of slices that hold it. With instances: ``<region>_count``.

    Args:
        segmentation: of an image or a volume.
        voxel_mm: area of a pixel (mm2) or volume of a voxel (mm3); None: not known, and nothing is given in mm or ml.

    Returns:
        name -> number; None where a measurement is not defined, such as a ratio to nothing.
    """
    values: dict[str, float | int | None] = {}
    for name in info.measurements:
        if name in MEASUREMENTS:  # the others are of several images
            value = MEASUREMENTS[name][1](segmentation.label_map)
            values[name] = round(value, 4) if math.isfinite(value) else None
    for region in info.regions:
        objects = segmentation.objects(region)
        found = int(np.count_nonzero(objects))
        if objects.ndim == 2:
            values[f"{region.name}_area_px"] = found
            if voxel_mm is not None:
                values[f"{region.name}_area_mm2"] = round(found * voxel_mm, 4)
        else:
            values[f"{region.name}_volume_voxels"] = found
            if voxel_mm is not None:
                values[f"{region.name}_volume_ml"] = round(found * voxel_mm / _MM3_PER_ML, 4)
            values[f"{region.name}_slices"] = int(objects.any(axis=(0, 1)).sum())
        if segmentation.instances is not None:
            values[f"{region.name}_count"] = int(np.unique(objects[objects > 0]).size)
    return values


def warn(segmentation: Segmentation, info: BundleInfo, window: tuple[slice, ...] = ()) -> list[str]:
    """What a reader should look at: nothing found, several pieces, cut by the border, inner touching outer.

    Args:
        segmentation: of an image or a volume; with instances only "nothing found" is a warning.
        window: the part of the image that the network saw, default all.

    Note:
        A stack of slices usually ends inside the organ: for a 2D network the first and last slice are no border.
    """
    warnings = []
    outer = info.regions[0]
    beyond = segmentation.objects(outer) == 0
    for region in info.regions:
        mask = segmentation.objects(region) > 0
        if not mask.any():
            warnings.append(f"no {region.title} was found")
            continue
        if segmentation.instances is not None:
            continue
        pieces = int(ndimage.label(mask, np.ones([3] * mask.ndim))[1])  # corners join, as in the post-processing
        if pieces > 1:
            warnings.append(f"{region.title}: {pieces} separate pieces, expected 1")
        if any(mask[window].take([0, -1], axis=axis).any() for axis in range(min(info.spatial_dims, mask.ndim))):
            warnings.append(f"{region.title} touches the border of the analysed part and may be cut off")
        nested = set(region.values) < set(outer.values)
        if nested and (ndimage.binary_dilation(mask) & beyond).any():
            warnings.append(f"{region.title} touches the edge of the {outer.title}")
    return warnings
