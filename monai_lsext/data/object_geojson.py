"""Contours of objects as closed polygons, and a file of them that pathology viewers read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.measure import find_contours, points_in_poly

__all__ = ["object_rings", "object_scores", "objects_geojson", "regions_geojson", "ring_polygons", "signed_area"]


def object_rings(objects: np.ndarray) -> dict[int, list[np.ndarray]]:
    """Closed contours of each object, at the 0.5 level of its mask between pixel centres (marching squares).

    Args:
        objects: integers [W, H]: 0 outside, otherwise the object's number.

    Returns:
        number -> rings [n, 2] of points along the first and second axis, in pixels, whole numbers at pixel centres; the
        last point is the first. By the sign of :func:`signed_area` outer rings are positive, rings of holes negative.

    Note:
        Pixels that meet at a corner alone are not joined. An object that meets the border is closed outside it.
    """
    rings = {}
    for number, window in enumerate(ndimage.find_objects(objects), 1):
        if window is not None:
            mask = np.pad(objects[window] == number, 1).astype(float)
            origin = [axis.start - 1 for axis in window]
            rings[number] = [ring[::-1] + origin for ring in find_contours(mask, 0.5)]
    return rings


def signed_area(ring: np.ndarray) -> float:
    """Area of a closed ring [n, 2] by the shoelace formula; positive where it turns from the first axis to the second.

    A = 1/2 sum_i (x_i y_{i+1} - x_{i+1} y_i)
    """
    x, y = (ring - ring[0]).T
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2


def object_scores(instances: np.ndarray, scores: np.ndarray) -> dict[int, float]:
    """Number of each object -> its score, from a map of the numbers and one of the scores, both [W, H]."""
    numbers, first = np.unique(instances, return_index=True)
    found = zip(numbers.tolist(), scores.ravel()[first].tolist(), strict=True)
    return {number: score for number, score in found if number > 0}


def objects_geojson(
    instances: np.ndarray, classes: np.ndarray, names: Mapping[int, str], scores: Mapping[int, float] | None = None
) -> bytes:
    """GeoJSON ``FeatureCollection`` with one ``Polygon`` for each object (``MultiPolygon`` for one in pieces).

    Coordinates are (column, row) in pixels, whole numbers at pixel centres. As RFC 7946 wants it, rings are closed and
    follow the right-hand rule: outer rings have a positive area in these coordinates, holes a negative one. ``bbox`` is
    the box of the contour (first column, first row, last column, last row). Properties: ``label`` (name), ``class``,
    ``instance_id`` as in the instance map, ``area_px`` (number of pixels) and, where there are scores, ``score``.

    Args:
        instances: integers [W, H]: numbers of the objects, 0 outside.
        classes: integers [W, H]: class of each object's pixels.
        names: of the classes; a class without one is named by its number.
        scores: number of the object -> its score, 0 to 1; default none.
    """
    numbers, first, areas_px = np.unique(instances, return_index=True, return_counts=True)
    value = dict(zip(numbers.tolist(), classes.ravel()[first].tolist(), strict=True))
    area_px = dict(zip(numbers.tolist(), areas_px.tolist(), strict=True))
    features = []
    for number, rings in object_rings(instances).items():
        properties = {
            "label": names.get(value[number], str(value[number])),
            "class": value[number],
            "instance_id": number,
            "area_px": area_px[number],
        }
        if scores is not None:
            properties["score"] = round(scores[number], 4)
        features.append(_feature(number, rings, properties))
    return _collection(features)


def regions_geojson(masks: Mapping[str, np.ndarray]) -> bytes:
    """GeoJSON as of :func:`objects_geojson` with one feature for each region that is not empty.

    Args:
        masks: name of the region -> boolean [W, H]. Regions may overlap. ``id`` is the number in this order, from 1;
            properties are ``label`` and ``area_px``.
    """
    features = []
    for number, (name, mask) in enumerate(masks.items(), 1):
        for rings in object_rings(mask.astype(np.uint8)).values():
            features.append(_feature(number, rings, {"label": name, "area_px": int(mask.sum())}))
    return _collection(features)


def _feature(number: int, rings: list[np.ndarray], properties: dict[str, Any]) -> dict[str, Any]:
    points = np.concatenate(rings)
    box = [*points.min(0).tolist(), *points.max(0).tolist()]
    return {"type": "Feature", "id": number, "bbox": box, "geometry": _geometry(rings), "properties": properties}


def _collection(features: list[dict[str, Any]]) -> bytes:
    return (json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")) + "\n").encode()


def ring_polygons(rings: list[np.ndarray]) -> list[list[np.ndarray]]:
    """An object's rings as polygons: each an outer ring, then those of its holes."""
    outer = sorted((ring for ring in rings if signed_area(ring) > 0), key=signed_area)
    polygons = [[ring] for ring in outer]
    for hole in (ring for ring in rings if signed_area(ring) < 0):
        # an object in pieces may have one inside the hole of another: the smallest around a hole is its own
        owner = next(i for i, ring in enumerate(outer) if points_in_poly(hole[:1], ring)[0])
        polygons[owner].append(hole)
    return polygons


def _geometry(rings: list[np.ndarray]) -> dict[str, Any]:
    polygons = [[ring.tolist() for ring in polygon] for polygon in ring_polygons(rings)]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}
