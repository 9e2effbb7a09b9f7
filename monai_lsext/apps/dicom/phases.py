"""The images of a series sorted into volumes: one, or one for each phase of a cine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pydicom

from monai_lsext.apps.dicom.headers import Frame, quiet

__all__ = ["MAX_COSINE_ERROR", "mean_orientation", "split_phases"]

MAX_COSINE_ERROR = 1e-3  # directions that differ by less are one direction
_SAME_PLACE_MM = 0.01


def mean_orientation(frames: Sequence[Frame]) -> np.ndarray:
    """Directions of row and column [2, 3] of images that lie alike, LPS.

    Raises:
        ValueError: when an image states no position or orientation, when they differ in orientation, size or spacing,
            or when row and column are not perpendicular unit vectors.
    """
    for frame in frames:
        for value, name in (
            (frame.position_mm, "ImagePositionPatient"),
            (frame.orientation, "ImageOrientationPatient"),
            (frame.spacing_mm, "PixelSpacing"),
        ):
            if value is None:
                raise ValueError(f"image {frame.label} states no {name}")
        if min(frame.spacing_mm or (0,)) <= 0:
            raise ValueError(f"image {frame.label}: PixelSpacing must be > 0, got {frame.spacing_mm}")
    sizes = sorted({(frame.columns, frame.rows) for frame in frames})
    if len(sizes) > 1:
        raise ValueError(f"images must have one size, got {' and '.join(f'{w} x {h}' for w, h in sizes)}")
    spacings = np.array([frame.spacing_mm for frame in frames])
    if not np.allclose(spacings, spacings[0], rtol=1e-3):
        raise ValueError("images must have one PixelSpacing, got several")
    orientations = np.array([frame.orientation for frame in frames])
    if np.abs(orientations - orientations[0]).max() > MAX_COSINE_ERROR:
        number = len(np.unique(orientations.round(2), axis=0))
        raise ValueError(f"images must have one orientation, got {max(number, 2)}")
    directions = orientations.mean(axis=0).reshape(2, 3)
    if not np.allclose(directions @ directions.T, np.eye(2), atol=10 * MAX_COSINE_ERROR):
        raise ValueError("ImageOrientationPatient must be two perpendicular unit vectors")
    return directions


def split_phases(frames: Sequence[Frame]) -> tuple[list[list[Frame]], list[str]]:
    """Volumes of a series, their slices sorted along the normal, and warnings.

    Several images at one position are the phases of a cine, ranked within the position by trigger time, then by
    instance number: the same phase's trigger time may differ from slice to slice.

    Args:
        frames: of the series in any order.

    Raises:
        ValueError: when the images cannot be sorted into volumes, see :func:`mean_orientation`; naming the instances of
            one position that are different images, or the position that lacks a phase.
    """
    row, column = mean_orientation(frames)
    normal = np.cross(row, column)
    places: list[list[Frame]] = []
    last = -np.inf
    # ties are broken by what the file says, so that file names and order do not matter
    for frame in sorted(_unique(frames), key=lambda frame: (np.array(frame.position_mm) @ normal, *_rank(frame))):
        along = float(np.array(frame.position_mm) @ normal)
        if along - last > _SAME_PLACE_MM:
            places.append([])
            last = along
        places[-1].append(frame)
    before = sum(map(len, places))
    places = [_without_copies(place, same_time=True) for place in places]
    if len({len(place) for place in places}) > 1:
        places = [_without_copies(place, same_time=False) for place in places]
    _check_counts(places, normal)
    dropped = len(frames) - before, before - sum(map(len, places))
    warnings = [
        f"{number} of the images {'is a copy' if number == 1 else 'are copies'} of another one {how}: one was used"
        for number, how in zip(dropped, ("with the same identifier", "at the same position"), strict=True)
        if number
    ]
    ordered = [sorted(place, key=_rank) for place in places]
    return [list(phase) for phase in zip(*ordered, strict=True)], warnings


def _rank(frame: Frame) -> tuple[float, int, str, int]:
    time = np.inf if frame.trigger_ms is None else frame.trigger_ms
    return time, frame.instance, frame.sop_instance_uid, frame.number or 0


def _unique(frames: Sequence[Frame]) -> list[Frame]:
    """One frame for each instance."""
    found: dict[tuple[str, int | None], Frame] = {}
    for frame in frames:
        other = found.setdefault((frame.sop_instance_uid, frame.number), frame)
        if other is not frame and not _same_pixels(other, frame):
            raise ValueError(f"two different images have the same identifier {frame.label}")
    return list(found.values())


def _without_copies(place: list[Frame], same_time: bool) -> list[Frame]:
    """The images of a position without those that have another's pixels (and, if asked, its time and number)."""
    kept: list[Frame] = []
    for frame in place:
        others = [other for other in kept if not same_time or _rank(other)[:2] == _rank(frame)[:2]]
        if not any(_same_pixels(other, frame) for other in others):
            kept.append(frame)
    return kept


def _same_pixels(frame: Frame, other: Frame) -> bool:
    # frames of one file are told apart by their number and never copies
    if frame.number is not None or other.number is not None:
        return frame.number == other.number and frame.path.read_bytes() == other.path.read_bytes()
    with quiet():
        pixels = [pydicom.dcmread(each.path, force=True).get("PixelData") for each in (frame, other)]
    return pixels[0] == pixels[1]


def _check_counts(places: list[list[Frame]], normal: np.ndarray) -> None:
    counts = Counter(len(place) for place in places)
    if len(counts) == 1:
        return
    usual = counts.most_common(1)[0][0]
    place = next(place for place in places if len(place) != usual)
    where = f"{float(np.array(place[0].position_mm) @ normal):.2f} mm along the normal"
    if usual == 1:
        labels = " and ".join(frame.label for frame in place)
        raise ValueError(f"different images at one position, {where}: {labels}")
    raise ValueError(f"positions must have the same number of phases, got {len(place)} instead of {usual} at {where}")
