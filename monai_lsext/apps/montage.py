"""Picture of a volume's result: its slices side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from monai_lsext.apps.cases import CaseImage
from monai_lsext.apps.overlay import FOOT_INCHES, Point, dark_figure, draw_foot, draw_panel
from monai_lsext.apps.segmentation import Segmentation
from monai_lsext.registry import BundleInfo

__all__ = ["chosen_slices", "montage_figure"]

_ALL_UP_TO = 20
_CHOSEN = 15
_WIDTH_INCHES = 12.0
_PANEL_INCHES = (2.4, 6.0)


def chosen_slices(label_map: np.ndarray) -> list[int]:
    """Slices that are shown: of at most 20 all, otherwise at most 15 from one end of the object to the other.

    Args:
        label_map: integers [W, H, D]. One slice beyond each end of the object belongs to the choice; without an object
            it is made from the whole volume.
    """
    depth = label_map.shape[2]
    if depth <= _ALL_UP_TO:
        return list(range(depth))
    present = np.flatnonzero(label_map.any(axis=(0, 1)))
    first, last = (max(present[0] - 1, 0), min(present[-1] + 1, depth - 1)) if present.size else (0, depth - 1)
    return sorted({round(place) for place in np.linspace(first, last, min(_CHOSEN, last - first + 1)).tolist()})


def montage_figure(
    image: CaseImage,
    segmentation: Segmentation,
    info: BundleInfo,
    captions: Sequence[str] = (),
    warnings: Sequence[str] = (),
    centre: Point | None = None,
) -> Figure:
    """Slices in rows, each with its index along the third axis; below the legend and the text.

    Args:
        image: a volume; its first axis is drawn to the right, its second downwards, in their true proportion.
        segmentation: of the volume.
        captions: lines under the picture, such as "left ventricle 123.4 ml".
        warnings: lines in red.
        centre: point that the user gave, drawn as a cross in every slice.
    """
    slices = chosen_slices(segmentation.label_map)
    number = len(slices)
    # between a square and twice as wide as high, with the fewest empty places
    columns = min(
        range(math.ceil(number**0.5), math.ceil((2 * number) ** 0.5) + 1), key=lambda columns: -number % columns
    )
    rows = math.ceil(number / columns)
    width = min(max(_WIDTH_INCHES / columns, _PANEL_INCHES[0]), _PANEL_INCHES[1])
    height = width * min(max(image.size[1] * image.aspect / image.size[0], 0.4), 2.5)
    figure = dark_figure(width * columns, height * rows)
    row_height = height / (height * rows + FOOT_INCHES)
    for place, index in enumerate(slices):
        row, column = divmod(place, columns)
        axes = figure.add_axes(
            (column / columns + 0.002, 1 - (row + 1) * row_height + 0.002, 1 / columns - 0.004, row_height - 0.004)
        )
        draw_panel(axes, image.pixels[index], image.aspect, segmentation.at_slice(index), info, centre)
        axes.text(0.02, 0.98, str(index), color="white", fontsize=9, ha="left", va="top", transform=axes.transAxes)
    draw_foot(figure, info, captions, warnings)
    return figure
