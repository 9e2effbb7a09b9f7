"""The optic disc of a fundus image as a circle: bright field, edges, circular Hough transform."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter, grey_closing
from skimage.feature import canny
from skimage.morphology import disk
from skimage.transform import hough_circle, hough_circle_peaks, resize

__all__ = ["Circle", "find_optic_disc", "retina"]

SHORT_SIDE_PX = 192  # the search runs on an image of this short side
RADII = (0.05, 0.36)  # searched, as shares of the short side: photographs (0.07 to 0.15) and crops (0.2 to 0.32)
DARK = 0.06  # what is darker than this share of the maximum lies outside the round field of view
MIN_SCORE = 0.3  # photographs give 0.33 to 2.4; noise and even pictures stay below
MIN_SPREAD = 0.05  # of the brightness, full scale 1: an even picture has no contrast to boast of

Array = NDArray[np.float32]


class Circle(NamedTuple):
    """Centre along the first and the second spatial axis, and radius, in pixels."""

    x: float
    y: float
    radius: float


def retina(image: Array) -> NDArray[np.bool_]:
    """The round field of view of [3, W, H]: all that is not black."""
    brightest = image.max(axis=0)
    return brightest > DARK * brightest.max()


def find_optic_disc(image: NDArray[np.generic]) -> Circle | None:
    """Circle with the best ``score = edge support * contrast * sqrt(diameter / short side)``; None when all are weak.

    The weighted grey image (2 R + G) / 3, in which the rim is bright and the cup hardly brighter, is freed of vessels
    by a closing. Candidates are the peaks of the Hough transform of its Canny edges. Edge support is the share of the
    circumference on edges; contrast is the mean just inside minus the mean just outside, over the standard deviation
    in the field of view, at least 0.05 of the maximum.

    Args:
        image: [3, W, H] or [3, H, W], any numeric type and range from 0 up; black outside the field of view.

    Returns:
        the circle in pixels of ``image``.

    Raises:
        ValueError: for another number of channels or axes.
    """
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"expected a colour image of shape [3, W, H], got {tuple(image.shape)}")
    scale = SHORT_SIDE_PX / min(image.shape[1:])
    size = [round(length * scale) for length in image.shape[1:]]
    small = resize(image.astype(np.float32), (3, *size), anti_aliasing=True, preserve_range=True)
    if small.max() <= 0:
        return None
    field = binary_erosion(retina(small), iterations=4, border_value=1)
    grey = grey_closing((2 * small[0] + small[1]) / (3 * small.max()), footprint=disk(4))
    grey = gaussian_filter(grey, 1.5)
    radii = np.arange(round(RADII[0] * SHORT_SIDE_PX), round(RADII[1] * SHORT_SIDE_PX))
    edges = canny(grey, sigma=1, mask=field, low_threshold=0.8, high_threshold=0.92, use_quantiles=True)
    peaks = hough_circle_peaks(
        hough_circle(edges, radii), radii, min_xdistance=6, min_ydistance=6, num_peaks=4, total_num_peaks=40
    )
    best, found = MIN_SCORE, None
    for support, column, row, radius in zip(*peaks, strict=True):
        score = support * _contrast(grey, field, row, column, radius) * np.sqrt(10 * radius / SHORT_SIDE_PX)
        if score > best:
            best, found = score, Circle(row / scale, column / scale, radius / scale)
    return found


def _contrast(grey: Array, field: NDArray[np.bool_], row: int, column: int, radius: int) -> float:
    rows, columns = np.ogrid[: grey.shape[0], : grey.shape[1]]
    distance = np.hypot(rows - row, columns - column) / radius
    inside = field & (distance > 0.6) & (distance < 0.93)
    outside = field & (distance > 1.07) & (distance < 1.4)
    if not inside.any() or not outside.any():
        return 0.0
    return float((grey[inside].mean() - grey[outside].mean()) / max(grey[field].std(), MIN_SPREAD))
