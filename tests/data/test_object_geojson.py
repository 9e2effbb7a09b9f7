"""Polygons of objects against areas worked by hand, and rasterised back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from skimage.draw import polygon as filled
from skimage.measure import label

from monai_lsext.data.object_geojson import object_rings, objects_geojson, regions_geojson, signed_area

NAMES = {1: "nucleus", 2: "lumen"}


def features(label_map: np.ndarray, instances: np.ndarray | None = None) -> list[dict[str, Any]]:
    instances = label(label_map, connectivity=1) if instances is None else instances
    content = json.loads(objects_geojson(instances, label_map, NAMES))
    assert content["type"] == "FeatureCollection"
    return content["features"]


def polygons(feature: dict[str, Any]) -> list[Any]:
    geometry = feature["geometry"]
    return [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]


def rasterised(found: list[dict[str, Any]], size: tuple[int, int]) -> np.ndarray:
    """Numbers of the objects [W, H]: each outer ring filled, its holes taken out."""
    objects = np.zeros(size, dtype=int)
    for feature in found:
        for outer, *holes in polygons(feature):
            mask = np.zeros(size, dtype=bool)
            mask[filled(*np.transpose(outer), shape=size)] = True
            for hole in holes:
                mask[filled(*np.transpose(hole), shape=size)] = False
            objects[mask] = feature["id"]
    return objects


def test_square() -> None:
    label_map = np.zeros((30, 20), dtype=int)
    label_map[4:14, 7:17] = 2
    (feature,) = features(label_map)
    assert feature["properties"] == {"label": "lumen", "class": 2, "instance_id": 1, "area_px": 100}
    assert feature["geometry"]["type"] == "Polygon"
    (ring,) = map(np.array, feature["geometry"]["coordinates"])
    assert (ring[0] == ring[-1]).all()
    # a square of side 10 around the pixel centres whose four corners are cut at half a pixel
    assert signed_area(ring) == 100 - 4 * 0.5 * 0.5**2
    assert (ring.min(0).tolist(), ring.max(0).tolist()) == ([3.5, 6.5], [13.5, 16.5])
    assert feature["bbox"] == [3.5, 6.5, 13.5, 16.5]


def test_scores_and_classes_without_a_name() -> None:
    instances = np.zeros((8, 8), dtype=int)
    instances[1:3, 1:3], instances[5:7, 3:6] = 1, 2
    content = json.loads(objects_geojson(instances, 3 * (instances > 0), NAMES, {1: 0.75, 2: 0.123456}))
    assert [feature["properties"]["score"] for feature in content["features"]] == [0.75, 0.1235]
    assert {feature["properties"]["label"] for feature in content["features"]} == {"3"}


def test_signed_area_of_a_triangle_far_from_the_origin() -> None:
    triangle = np.array([[0.0, 0], [4, 0], [0, 3], [0, 0]]) + 1e6
    assert (signed_area(triangle), signed_area(triangle[::-1])) == (6, -6)


def test_hole_and_piece_in_it_belong_to_their_own_rings() -> None:
    label_map = np.zeros((20, 20), dtype=int)
    label_map[2:18, 2:18] = 1
    label_map[5:15, 5:15] = 0
    label_map[8:12, 8:12] = 1
    label_map[9:11, 9:11] = 0
    one, two = features(label_map)
    assert [len(p) for p in polygons(one) + polygons(two)] == [2, 2]
    assert (one["properties"]["area_px"], two["properties"]["area_px"]) == (256 - 100, 16 - 4)
    # as one object of two pieces, each hole in the ring around it
    (both,) = features(label_map, (label_map > 0).astype(int))
    assert both["geometry"]["type"] == "MultiPolygon"
    areas = sorted([signed_area(np.array(ring)) for ring in rings] for rings in polygons(both))
    assert areas == [[16 - 0.5, -(4 - 0.5)], [256 - 0.5, -(100 - 0.5)]]
    np.testing.assert_array_equal(rasterised([both], (20, 20)), label_map)


@pytest.mark.parametrize("seed", range(3))
def test_every_mask_comes_back_whole(seed: int) -> None:
    """Noise: many objects with holes, at the border, joined at corners."""
    label_map = (np.random.default_rng(seed).random((40, 30)) < 0.55).astype(int)
    instances = label(label_map, connectivity=1)
    found = features(label_map, instances)
    assert [feature["id"] for feature in found] == list(range(1, instances.max() + 1))
    assert all(feature["geometry"]["type"] == "Polygon" for feature in found)
    for outer, *holes in (polygon for feature in found for polygon in polygons(feature)):
        assert signed_area(np.array(outer)) > 0
        assert all(signed_area(np.array(hole)) < 0 for hole in holes)
    # small objects last: one in a hole of another is not filled over
    found.sort(key=lambda feature: -signed_area(np.array(polygons(feature)[0][0])))
    np.testing.assert_array_equal(rasterised(found, label_map.shape), instances)


def test_numbers_may_have_gaps_and_nothing_gives_nothing() -> None:
    instances = np.zeros((8, 8), dtype=int)
    instances[1:3, 1:3], instances[1:3, 3:5] = 900, 5
    assert list(object_rings(instances)) == [5, 900]
    assert features(np.zeros((8, 8), dtype=int)) == []


def test_regions_may_overlap_and_may_be_empty() -> None:
    outer = np.zeros((30, 20), dtype=bool)
    outer[4:14, 7:17] = True
    inner = np.zeros_like(outer)
    inner[6:8, 9:11] = True
    content = json.loads(regions_geojson({"disc": outer, "none": 0 * outer, "cup": inner}))
    assert [feature["properties"] for feature in content["features"]] == [
        {"label": "disc", "area_px": 100},
        {"label": "cup", "area_px": 4},
    ]
    assert [feature["id"] for feature in content["features"]] == [1, 3]
    assert content["features"][1]["bbox"] == [5.5, 8.5, 7.5, 10.5]
    np.testing.assert_array_equal(rasterised(content["features"], outer.shape), outer + 2 * inner)
