"""Which series of a folder a bundle takes."""

from __future__ import annotations

import numpy as np

from monai_lsext.apps.dicom.series import Series
from monai_lsext.registry import PLANES, SeriesRule

__all__ = ["why_not"]


def why_not(series: Series, rule: SeriesRule) -> str | None:
    """Why a rule passes a series over, in words; None when the series fits.

    Args:
        series: with all its phases.
        rule: of the bundle.
    """
    if rule.modality and series.modality != rule.modality:
        return f"modality {series.modality or 'not stated'}, expected {rule.modality}"
    if series.kind is not None:
        return f"a {series.kind}"
    places = {frame.position_mm for frame in series.slices}
    if len(places) < rule.min_slices:
        return f"{len(places)} slices, expected at least {rule.min_slices}"
    orientations = [frame.orientation for frame in series.slices if frame.orientation is not None]
    if rule.plane is not None and orientations:
        expected, max_degrees = PLANES[rule.plane]
        row, column = np.array(orientations[0]).reshape(2, 3)
        normal = np.cross(row, column)
        length = np.linalg.norm(normal) * np.linalg.norm(expected)
        degrees = np.degrees(np.arccos(min(abs(normal @ np.array(expected)) / max(length, 1e-12), 1.0)))
        if degrees > max_degrees:
            return f"slices {degrees:.0f} degrees from {rule.plane}, expected at most {max_degrees:g}"
    return None
