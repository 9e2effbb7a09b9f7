"""Measurements and warnings on label maps drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from monai_lsext.apps.measure import measure, warn
from monai_lsext.registry import BUNDLES, bundle_info

INFO = BUNDLES["racenet_optic_disc_cup"]
WHOLE = (slice(None), slice(None))


def discs(*boxes: tuple[int, int, int, int, int]) -> np.ndarray:
    labels = np.zeros((20, 16), dtype=int)
    for value, x0, x1, y0, y1 in boxes:
        labels[x0:x1, y0:y1] = value
    return labels


DISC = (1, 3, 13, 2, 12)
CUP = (2, 5, 9, 4, 9)


def test_ratio_is_along_the_last_axis_and_areas_are_nested() -> None:
    values = measure(discs(DISC, CUP), INFO, spacing_mm=(0.1, 0.2))
    assert values == {
        "vertical_cup_to_disc_ratio": 0.5,  # 5 rows of 10
        "disc_area_px": 100,
        "disc_area_mm2": 2.0,
        "cup_area_px": 20,
        "cup_area_mm2": 0.4,
    }


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
def test_warnings(labels: np.ndarray, window: tuple[slice, slice], expected: list[str]) -> None:
    assert warn(labels, INFO, window) == expected


def test_a_bundle_that_is_not_listed_measures_each_label() -> None:
    info = bundle_info("mine", {"0": "background", "2": "liver tumour", "1": "liver"})
    assert [(label.value, label.name) for label in info.labels] == [(1, "liver"), (2, "liver tumour")]
    assert measure(discs(DISC, CUP), info) == {"liver_area_px": 80, "liver_tumour_area_px": 20}
