"""Contours of a segmentation as polygons, in pixels and in the patient."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from monai_lsext.apps.cases import CaseImage
from monai_lsext.apps.segmentation import Segmentation
from monai_lsext.data.object_geojson import object_rings, ring_polygons
from monai_lsext.registry import BundleInfo

__all__ = ["contours_json", "in_patient", "slice_polygons"]

_COORDINATES = {
    "points_px": "first and second voxel index, whole numbers at voxel centres",
    "points_mm": "in the patient, to the left, back and up (LPS, as in DICOM)",
}


def slice_polygons(objects: np.ndarray) -> Iterator[tuple[int, int, list[np.ndarray]]]:
    """Polygons of the objects in each slice, at the 0.5 level of their masks between pixel centres.

    Args:
        objects: integers [W, H, D]: numbers of the objects, 0 outside.

    Yields:
        (index of the slice, number of the object, closed rings [n, 2] in pixels: an outer one, then those of its holes)
    """
    for k in range(objects.shape[2]):
        for number, rings in object_rings(objects[..., k]).items():
            for polygon in ring_polygons(rings):
                yield k, number, polygon


def in_patient(ring: np.ndarray, index: int, affine: np.ndarray) -> np.ndarray:
    """Points [n, 3] of a ring in the patient, LPS.

    Args:
        ring: [n, 2] in pixels.
        index: of its slice.
        affine: [4, 4] from voxel to RAS.
    """
    points = np.column_stack([ring, np.full(len(ring), index), np.ones(len(ring))]) @ affine.T
    return points[:, :3] * [-1, -1, 1]


def contours_json(
    case: str,
    bundle: dict[str, Any],
    segmentation: Segmentation,
    info: BundleInfo,
    image: CaseImage,
    affine_mm: np.ndarray | None,
) -> bytes:
    """JSON of the contours of a volume or of a slice with a place in the patient.

    ``contours`` is a list of polygons by region and slice: ``label``, ``slice``, ``points_px`` and, where the file says
    where it lies, ``points_mm``. Both are lists of closed rings, the outer one first, then those of its holes; of a
    bundle that tells objects apart ``instance_id`` is the number in the instance map.

    Args:
        case: its name.
        bundle: name, version and hash of weights, for the file.
        segmentation: on the file's grid.
        info: its regions; an outer region encloses what lies in it.
        image: gives the grid.
        affine_mm: [4, 4] from voxel to RAS in mm; None where the file does not say.
    """
    contours: list[dict[str, Any]] = []
    for region in info.regions:
        objects = segmentation.objects(region).reshape(*image.size[:2], -1)
        for k, number, polygon in slice_polygons(objects):
            entry: dict[str, Any] = {"label": region.title, "slice": k}
            if segmentation.instances is not None:
                entry["instance_id"] = number
            entry["points_px"] = [ring.tolist() for ring in polygon]
            if affine_mm is not None:
                entry["points_mm"] = [in_patient(ring, k, affine_mm).round(4).tolist() for ring in polygon]
            contours.append(entry)
    content = {"case": case, "bundle": bundle, "coordinates": _COORDINATES, "contours": contours}
    return (json.dumps(content, separators=(",", ":")) + "\n").encode()
