"""The overlay's contours lie where the mask's border is; its size does not follow the photograph's."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from monai_lsext.apps.cases import CaseImage
from monai_lsext.apps.overlay import overlay_figure, overlay_png
from monai_lsext.apps.report import roi_box
from monai_lsext.apps.segmentation import Segmentation
from monai_lsext.registry import BUNDLES

INFO = BUNDLES["racenet_optic_disc_cup"]
GREEN, BLUE = INFO.regions[0].colour, INFO.regions[1].colour


def photograph(height: int, width: int, value: int = 90) -> CaseImage:
    return CaseImage(np.full((height, width, 3), value, dtype=np.uint8), (width, height))


def labels(size: int = 60) -> np.ndarray:
    x, y = np.mgrid[:size, :size]
    radius = np.hypot(x - 25, y - 35)
    return (radius <= 15).astype(int) + (radius <= 6)


def rendered(figure: Figure) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(overlay_png(figure))).convert("RGB")).astype(int)


def distance_of_colour(figure: Figure, picture: np.ndarray, axes: Axes, x: float, y: float, colour: tuple) -> float:
    """Least colour distance in a 5 x 5 neighbourhood of a point given in the photograph's pixels."""
    column, row = axes.transData.transform((x, y)) * (picture.shape[1] / figure.bbox.width)
    column, row = int(column), picture.shape[0] - 1 - int(row)
    patch = picture[row - 2 : row + 3, column - 2 : column + 3]
    return float(np.abs(patch - colour).max(-1).min())


def test_coloured_contours_lie_on_the_borders() -> None:
    figure = overlay_figure(photograph(60, 60), Segmentation(labels()), INFO)
    picture = rendered(figure)
    (axes,) = figure.axes
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        for radius, colour in ((15, GREEN), (6, BLUE)):
            direction = np.array([np.cos(angle), np.sin(angle)])
            # the pixel border along this ray, to within the marching square's half pixel
            best = min(
                distance_of_colour(figure, picture, axes, *(np.array([25, 35]) + r * direction), colour)
                for r in np.linspace(radius - 1, radius + 1.2, 12)
            )
            assert best < 25
    # neither between the contours nor outside
    for x, y in ((25, 35 + 10), (25, 35), (5, 5)):
        assert distance_of_colour(figure, picture, axes, x, y, (90, 90, 90)) == 0


def test_a_small_region_is_boxed_and_enlarged_beside() -> None:
    label_map = np.zeros((400, 300), dtype=int)
    label_map[100:160, 50:110] = labels()
    figure = overlay_figure(photograph(300, 400), Segmentation(label_map), INFO, box=(90, 40, 180, 130))
    whole, enlarged = figure.axes
    assert [patch.get_bbox().bounds for patch in whole.patches] == [(89.5, 39.5, 90.0, 90.0)]
    assert enlarged.get_xlim() == (89.5, 179.5)
    assert enlarged.get_ylim() == (129.5, 39.5)
    large = overlay_figure(photograph(300, 400), Segmentation(label_map), INFO, box=(50, 10, 330, 290))
    assert len(large.axes) == 1


@pytest.mark.parametrize("size", [20, 1500])
def test_text_is_as_large_on_a_thumbnail_as_on_a_large_image(size: int) -> None:
    figure = overlay_figure(
        photograph(size, size),
        Segmentation(np.zeros((size, size), dtype=int)),
        INFO,
        ["vertical cup-to-disc ratio 0.62"],
        ["no optic disc was found"],
    )
    assert overlay_png(figure)[:4] == b"\x89PNG"
    assert tuple(figure.get_size_inches()) == (6.0, 7.1)
    assert [text.get_text() for text in figure.texts] == ["vertical cup-to-disc ratio 0.62", "no optic disc was found"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["optic disc", "optic cup"]


@pytest.mark.parametrize(
    ("roi", "expected"),
    [
        (None, None),
        ({"mode": "none", "start": None, "side_px": None}, None),
        ({"start": [10, 20], "side_px": 30}, (10, 20, 40, 50)),
        ({"start": [-5, 80], "side_px": 30}, (0, 80, 25, 100)),
        ({"start": [0, 0], "side_px": 200}, None),
    ],
)
def test_box_of_the_region_of_interest(roi: dict | None, expected: tuple | None) -> None:
    assert roi_box(roi, (200, 100)) == expected


def test_a_click_is_marked() -> None:
    figure = overlay_figure(photograph(60, 60), Segmentation(np.zeros((60, 60), dtype=int)), INFO, centre=(40, 20))
    picture, (axes,) = rendered(figure), figure.axes
    assert distance_of_colour(figure, picture, axes, 40, 20, (255, 255, 255)) < 25
    assert distance_of_colour(figure, picture, axes, 20, 40, (90, 90, 90)) == 0


def test_touching_objects_have_a_line_between_them() -> None:
    label_map = np.zeros((60, 60), dtype=int)
    label_map[10:50, 10:50] = 1
    instances = label_map.copy()
    instances[30:50, 10:50] *= 2
    for segmentation, drawn in ((Segmentation(label_map), False), (Segmentation(label_map, instances), True)):
        figure = overlay_figure(photograph(60, 60), segmentation, INFO)
        assert (distance_of_colour(figure, rendered(figure), figure.axes[0], 29.5, 30, GREEN) < 25) == drawn
