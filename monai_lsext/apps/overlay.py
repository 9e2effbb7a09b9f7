"""Picture of a result that is read at a glance: contours on the image, their names, the measurements."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, withStroke

from monai_lsext.apps.cases import CaseImage
from monai_lsext.apps.segmentation import Segmentation
from monai_lsext.data.object_geojson import object_rings
from monai_lsext.registry import BundleInfo

__all__ = ["FOOT_INCHES", "Box", "Point", "dark_figure", "draw_foot", "draw_panel", "overlay_figure", "overlay_png"]

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, ends left out
Point = tuple[float, float]  # column, row

FOOT_INCHES = 1.1
_DPI = 150
_PANEL_INCHES = 6.0
_SMALL_ROI = 0.6  # of the short side; below this the ROI is also shown enlarged


def overlay_png(figure: Figure) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def overlay_figure(
    image: CaseImage,
    segmentation: Segmentation,
    info: BundleInfo,
    captions: Sequence[str] = (),
    warnings: Sequence[str] = (),
    box: Box | None = None,
    centre: Point | None = None,
) -> Figure:
    """The whole picture, beside it the box enlarged when it is small, below the legend and the text.

    Args:
        image: 2D.
        segmentation: of the image.
        captions: lines under the picture, such as "vertical cup-to-disc ratio 0.62".
        warnings: lines in red.
        box: part of the picture that was analysed, drawn as a thin dashed line.
        centre: point that the user gave, drawn as a cross.

    Note:
        Contours are those of the 0.5 level of the mask between pixel centres (marching squares). The figure's
        size does not depend on the picture's, so that its text is legible on a thumbnail and on 20 megapixels.
    """
    width, height = image.size
    enlarged = box is not None and max(box[2] - box[0], box[3] - box[1]) < _SMALL_ROI * min(height, width)
    panels = 2 if enlarged else 1
    panel_height = _PANEL_INCHES * min(max(height * image.aspect / width, 0.6), 1.6)
    figure = dark_figure(_PANEL_INCHES * panels, panel_height)
    foot = FOOT_INCHES / (panel_height + FOOT_INCHES)
    for i in range(panels):
        axes = figure.add_axes((i / panels + 0.005, foot, 1 / panels - 0.01, 1 - foot - 0.005))
        draw_panel(axes, image.pixels, image.aspect, segmentation, info, centre)
        if box is not None:
            _draw_box(axes, box, zoom=i == 1)
    draw_foot(figure, info, captions, warnings)
    return figure


def dark_figure(width_inches: float, height_inches: float) -> Figure:
    """A figure that needs no window, with room for the text below ``height_inches`` of pictures."""
    figure = Figure(figsize=(width_inches, height_inches + FOOT_INCHES), facecolor="black")
    FigureCanvasAgg(figure)
    return figure


def draw_panel(
    axes: Axes,
    pixels: np.ndarray,
    aspect: float,
    segmentation: Segmentation,
    info: BundleInfo,
    centre: Point | None = None,
) -> None:
    """A picture, uint8 [H, W, 3] or grey [H, W], and the contours of each region, or of each of its objects."""
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, aspect=aspect, interpolation="antialiased")
    axes.set_axis_off()
    # a dark rim keeps a line visible on pale and on dark ground alike
    rim: list[Any] = [withStroke(linewidth=2.4, foreground=(0, 0, 0, 0.55)), Normal()]
    for region in info.regions:
        rings = [ring for rings in object_rings(segmentation.objects(region)).values() for ring in rings]
        if rings:
            # one line with gaps: a thousand lines would take seconds
            path = np.concatenate([part for ring in rings for part in (ring, [[np.nan, np.nan]])])
            axes.add_line(Line2D(*path.T, color=_rgb(region.colour), linewidth=1.2, path_effects=rim))
    if centre is not None:
        axes.add_line(Line2D(*np.transpose([centre]), marker="+", markersize=9, color="white", path_effects=rim))


def _draw_box(axes: Axes, box: Box, zoom: bool) -> None:
    x0, y0, x1, y1 = box
    if zoom:
        axes.set_xlim(x0 - 0.5, x1 - 0.5)
        axes.set_ylim(y1 - 0.5, y0 - 0.5)
    else:
        style: dict[str, Any] = {"fill": False, "edgecolor": "white", "linewidth": 0.8, "linestyle": (0, (5, 4))}
        axes.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, **style))


def draw_foot(figure: Figure, info: BundleInfo, captions: Sequence[str], warnings: Sequence[str]) -> None:
    """Legend and text in the lowest ``FOOT_INCHES``."""
    handles = [Line2D([], [], color=_rgb(region.colour), linewidth=2.5, label=region.title) for region in info.regions]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, (FOOT_INCHES + 0.05) / figure.get_figheight()),
        frameon=False,
        fontsize=12,
        labelcolor="white",
    )
    lines = [(text, "white", 13) for text in captions] + [(text, "#ff8a80", 9) for text in warnings[:4]]
    top = FOOT_INCHES - 0.1
    for text, colour, size in lines:
        figure.text(0.995, top / figure.get_figheight(), text, color=colour, fontsize=size, ha="right", va="top")
        top -= size / 72 * 1.35


def _rgb(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    return (colour[0] / 255, colour[1] / 255, colour[2] / 255)
