"""Contours as MONAI Label gives them to viewers of pathology."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skimage.measure import label

from monai_lsext.apps.segmentation import Segmentation
from monai_lsext.data.object_geojson import object_rings, signed_area
from monai_lsext.registry import Region

__all__ = ["annotation"]


def annotation(segmentation: Segmentation, regions: Sequence[Region]) -> dict[str, Any]:
    """The outer contours of each region's objects in a picture.

    Args:
        segmentation: of a picture; without instances, an object is a connected part.
        regions: by whose title and colour the contours are named.

    Returns:
        {"elements": [{"label": title, "contours": [[[column, row], ..], ..]}, ..], "labels": {title: colour}}.
    """
    elements = []
    for region in regions:
        objects = segmentation.objects(region)
        if segmentation.instances is None:
            objects = label(objects > 0, background=0, connectivity=1)
        outer = [ring for rings in object_rings(objects).values() for ring in rings if signed_area(ring) > 0]
        if outer:
            elements.append({"label": region.title, "contours": [ring[:-1].round(2).tolist() for ring in outer]})
    return {"elements": elements, "labels": {region.title: list(region.colour) for region in regions}}
