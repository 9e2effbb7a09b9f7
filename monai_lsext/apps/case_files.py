"""The files of a case that every input gets: masks, contours, uncertainty."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from monai_lsext.apps.cases import CaseImage
from monai_lsext.apps.contours import contours_json
from monai_lsext.apps.segmentation import Segmentation, grid_file, mask_file
from monai_lsext.apps.step_spread import step_range
from monai_lsext.data.object_geojson import objects_geojson, regions_geojson
from monai_lsext.registry import BundleInfo

__all__ = ["contour_files", "mask_files", "uncertainty_file"]


def mask_files(case: str, image: CaseImage, segmentation: Segmentation) -> dict[str, bytes]:
    """Name -> content: ``<case>_seg`` and, of a bundle with instances, ``<case>_instances``."""
    suffix, content = mask_file(segmentation.label_map, image, np.uint8)
    files = {f"{case}_seg{suffix}": content}
    if segmentation.instances is not None:
        files[f"{case}_instances{suffix}"] = mask_file(segmentation.instances, image, np.uint16)[1]
    return files


def contour_files(
    case: str,
    bundle: dict[str, Any],
    image: CaseImage,
    segmentation: Segmentation,
    info: BundleInfo,
    affine_mm: np.ndarray | None = None,
) -> dict[str, bytes]:
    """Name -> content: ``<case>_contours.geojson`` of a 2D image, ``<case>_contours.json`` of one with a grid.

    Args:
        affine_mm: [4, 4] from voxel to RAS; default that of the file.
    """
    files = {}
    if len(image.size) == 2:
        if segmentation.instances is None:
            masks = {region.title: segmentation.objects(region) > 0 for region in info.regions}
            content = regions_geojson(masks)
        else:
            names = {label.value: label.name for label in info.labels}
            content = objects_geojson(segmentation.instances, segmentation.label_map, names, segmentation.scores)
        files[f"{case}_contours.geojson"] = content
    if image.header is not None:
        affine_mm = image.affine_mm if affine_mm is None else affine_mm
        files[f"{case}_contours.json"] = contours_json(case, bundle, segmentation, info, image, affine_mm)
    return files


def uncertainty_file(case: str, image: CaseImage, steps: Tensor) -> dict[str, bytes]:
    """Name -> content: ``<case>_uncertainty``, the range of the last steps' probabilities at each pixel.

    A NIfTI file holds 0 .. 1, a picture 0 .. 255.

    Args:
        steps: probabilities [T, C, \\*S] on the file's grid.
    """
    values = step_range(steps).clamp(0, 1).numpy()
    stored = (255 * values).round().astype(np.uint8) if image.header is None else values.astype(np.float32)
    suffix, content = grid_file(stored, image)
    return {f"{case}_uncertainty{suffix}": content}
