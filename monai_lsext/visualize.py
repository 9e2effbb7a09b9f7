"""Pictures of contours on images, drawn without matplotlib's global state."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from monai.config import NdarrayOrTensor
from monai.utils import convert_to_numpy
from skimage.measure import find_contours

from monai_lsext.atomic import replace_when_done

__all__ = ["draw_evolution_strip"]

_TRUTH_COLOUR = "#ffffff"
_STEP_COLOURS = ("#00e5ff", "#ffb000", "#ff4fa3", "#8cff66")
_PANEL_INCHES = 2.2


def draw_evolution_strip(
    image: NdarrayOrTensor,
    steps: Sequence[NdarrayOrTensor],
    label: NdarrayOrTensor | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw a level set's evolution as a strip of panels "t = 0 .. T": image, truth (dashed), zero level (solid).

    Args:
        image: any intensities; three channels are drawn as RGB, otherwise the first one in grey.
        steps: level sets in time order, the start first, positive inside; one colour per channel.
        label: binary ground truth, or None.
        path: PNG to write (whole or not at all), or None.

    Shape:
        image [C, W, H] or [C, W, H, D]; each step and the label [K, W, H] or [K, W, H, D], tensors or arrays.
        The second axis of a picture is vertical, as MONAI reads it. Of a volume the middle slice is drawn.

    Returns:
        The figure.

    Raises:
        ValueError: when there is no step, or an array has other spatial sizes than the image.
    """
    if len(steps) == 0:
        raise ValueError("`steps` must hold at least one level set, got none")
    size = tuple(image.shape[1:])
    for name, array in [("steps", step) for step in steps] + ([] if label is None else [("label", label)]):
        if tuple(array.shape[1:]) != size:
            raise ValueError(f"`{name}` must have the image's spatial size {size}, got {tuple(array.shape[1:])}")
    picture = _picture(_middle_slice(image))
    truth = None if label is None else _middle_slice(label)
    height = _PANEL_INCHES * min(max(picture.shape[0] / picture.shape[1], 0.4), 2.5)
    figure = Figure(figsize=(_PANEL_INCHES * len(steps), height + 0.3), dpi=100, layout="constrained")
    for t, (axes, step) in enumerate(zip(figure.subplots(1, len(steps), squeeze=False)[0], steps, strict=True)):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes.set_title(f"t = {t}", fontsize=9)
        axes.set_axis_off()
        if truth is not None:
            _draw_contours(axes, truth, 0.5, [_TRUTH_COLOUR], linestyle="--", linewidth=0.9)
        _draw_contours(axes, _middle_slice(step), 0.0, _STEP_COLOURS, linewidth=1.3)
    if path is not None:
        with replace_when_done(path) as temporary:
            figure.savefig(temporary, format="png")
    return figure


def _middle_slice(array: NdarrayOrTensor) -> np.ndarray:
    values = convert_to_numpy(array).astype(np.float32)
    return values[..., values.shape[-1] // 2] if values.ndim == 4 else values


def _picture(image: np.ndarray) -> np.ndarray:
    """[C, W, H] of any range -> [H, W] or [H, W, 3] in 0 .. 1."""
    image = np.nan_to_num(image)
    low, high = float(image.min()), float(image.max())
    image = (image - low) / max(high - low, 1e-12)
    return image.transpose(2, 1, 0) if len(image) == 3 else image[0].T


def _draw_contours(axes: Axes, channels: np.ndarray, level: float, colours: Sequence[str], **style: Any) -> None:
    outline = [withStroke(linewidth=style["linewidth"] + 1.2, foreground="black")]
    for index, channel in enumerate(channels):
        for contour in find_contours(channel, level):
            # find_contours gives (first axis, second axis) = (x, y)
            axes.plot(contour[:, 0], contour[:, 1], color=colours[index % len(colours)], path_effects=outline, **style)
