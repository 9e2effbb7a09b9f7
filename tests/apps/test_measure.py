"""Measurements and warnings on segmentations drawn by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monai_lsext.apps.measure import measure, warn
from monai_lsext.apps.segmentation import Segmentation
from monai_lsext.registry import BUNDLES, bundle_info

INFO = BUNDLES["racenet_optic_disc_cup"]
WHOLE = ()
TISSUE = bundle_info("mine", {"0": "background", "1": "liver", "2": "liver tumour"})


def discs(*boxes: tuple[int, int, int, int, int]) -> Segmentation:
    labels = np.zeros((20, 16), dtype=int)
    for value, x0, x1, y0, y1 in boxes:
        labels[x0:x1, y0:y1] = value
    return Segmentation(labels)


DISC = (1, 3, 13, 2, 12)
CUP = (2, 5, 9, 4, 9)


def test_ratio_is_along_the_last_axis_and_areas_are_nested() -> None:
    values = measure(discs(DISC, CUP), INFO, voxel_mm=0.1 * 0.2)
    assert values == {
        "vertical_cup_to_disc_ratio": 0.5,  # 5 rows of 10
        "disc_area_px": 100,
        "disc_area_mm2": 2.0,
        "cup_area_px": 20,
        "cup_area_mm2": 0.4,
    }


def liver_volume() -> Segmentation:
    """Liver of 5 x 4 x 3 voxels, tumour of 2 x 2 x 2 beside it."""
    labels = np.zeros((12, 10, 6), dtype=int)
    labels[1:6, 1:5, 1:4] = 1
    labels[8:10, 6:8, 2:4] = 2
    return Segmentation(labels)


def test_volumes_in_voxels_ml_and_slices() -> None:
    assert measure(liver_volume(), TISSUE, voxel_mm=1.5 * 1.5 * 10) == {
        "liver_volume_voxels": 60,
        "liver_volume_ml": 1.35,
        "liver_slices": 3,
        "liver_tumour_volume_voxels": 8,
        "liver_tumour_volume_ml": 0.18,
        "liver_tumour_slices": 2,
    }
    assert "liver_volume_ml" not in measure(liver_volume(), TISSUE)


def test_pieces_and_borders_of_a_volume() -> None:
    labels = liver_volume().label_map
    labels[8, 1, 1] = 1  # a second piece in the same slice
    assert warn(Segmentation(labels), TISSUE) == ["liver: 2 separate pieces, expected 1"]
    labels[6:9, 1, 1] = 1  # joins them
    labels[1:6, 1:5, 0] = 1  # reaches the first slice: a stack of slices may, a volume of a 3D net not
    assert warn(Segmentation(labels), TISSUE) == []
    cut = "liver touches the border of the analysed part and may be cut off"
    assert warn(Segmentation(labels), replace(TISSUE, spatial_dims=3)) == [cut]
    labels[0, 1, 1] = 1
    assert warn(Segmentation(labels), TISSUE) == [cut]


def test_a_single_slice_of_a_bundle_for_volumes_has_the_borders_of_a_picture() -> None:
    volumes = replace(TISSUE, spatial_dims=3)
    cut = "liver touches the border of the analysed part and may be cut off"
    assert warn(discs((1, 3, 13, 2, 12)), volumes) == ["no liver tumour was found"]
    assert warn(discs((1, 3, 20, 2, 12)), volumes) == [cut, "no liver tumour was found"]


def test_objects_are_counted_and_may_be_many() -> None:
    labels = discs((1, 0, 3, 0, 3), (1, 3, 6, 0, 3), (2, 9, 12, 5, 8)).label_map
    instances = labels.copy()
    instances[3:6, 0:3] = 7  # touches number 1
    found = Segmentation(labels, instances)
    values = measure(found, TISSUE)
    assert (values["liver_count"], values["liver_tumour_count"]) == (2, 1)
    assert (values["liver_area_px"], values["liver_tumour_area_px"]) == (18, 9)
    assert warn(found, TISSUE) == []
    empty = Segmentation(np.zeros((4, 4), dtype=int), np.zeros((4, 4), dtype=int))
    assert measure(empty, TISSUE)["liver_count"] == 0
    assert warn(empty, TISSUE) == ["no liver was found", "no liver tumour was found"]


@pytest.mark.parametrize(
    ("labels", "window", "expected"),
    [
        (discs(DISC, CUP), WHOLE, []),
        (discs(), WHOLE, ["no optic disc was found", "no optic cup was found"]),
        (discs(DISC), WHOLE, ["no optic cup was found"]),
        (discs(DISC, CUP, (2, 10, 12, 9, 11)), WHOLE, ["optic cup: 2 separate pieces, expected 1"]),
        (discs(DISC, CUP, (1, 15, 17, 4, 6)), WHOLE, ["optic disc: 2 separate pieces, expected 1"]),
        (discs(DISC, CUP, (1, 13, 15, 12, 14)), WHOLE, []),  # joined at a corner, as the post-processing joins
        (discs(DISC, (2, 3, 9, 4, 9)), WHOLE, ["optic cup touches the edge of the optic disc"]),
        (
            discs((1, 0, 13, 2, 12), CUP),
            WHOLE,
            ["optic disc touches the border of the analysed part and may be cut off"],
        ),
        (
            discs(DISC, CUP),
            (slice(1, 20), slice(0, 12)),
            ["optic disc touches the border of the analysed part and may be cut off"],
        ),
    ],
)
def test_warnings(labels: Segmentation, window: tuple[slice, ...], expected: list[str]) -> None:
    assert warn(labels, INFO, window) == expected


def test_a_bundle_that_is_not_listed_measures_each_label() -> None:
    info = bundle_info("mine", {"0": "background", "2": "liver tumour", "1": "liver"})
    assert [(label.value, label.name) for label in info.labels] == [(1, "liver"), (2, "liver tumour")]
    assert measure(discs(DISC, CUP), info) == {"liver_area_px": 80, "liver_tumour_area_px": 20}
