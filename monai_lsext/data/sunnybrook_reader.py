"""Sunnybrook's DICOM frames and contour text files as volumes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom
from monai.config import PathLike
from monai.data import ImageReader
from monai.utils import MetaKeys, SpaceKeys, ensure_tuple
from numpy.typing import NDArray
from pydicom.pixels import apply_rescale
from skimage.draw import polygon

__all__ = ["SunnybrookReader", "contour_mask", "read_contour"]

CONTOUR_SUFFIX = "-icontour-manual.txt"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_contour(path: PathLike) -> NDArray[np.float64]:
    """Points [N, 2] of a contour file, column and row in pixels; whole numbers are pixel centres.

    Raises:
        ValueError: naming a file that does not hold at least three lines of two finite numbers.
    """
    try:
        points = np.array([line.split() for line in Path(path).read_text().splitlines() if line.strip()], dtype=float)
    except ValueError:
        points = np.empty((0, 2))
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise ValueError(f"{Path(path).name}: expected at least 3 lines with column and row, found something else")
    return points


def contour_mask(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Mask [columns, rows] of the pixels whose centre lies inside the contour, 0 or 1."""
    mask = np.zeros(size, np.uint8)
    mask[polygon(points[:, 0], points[:, 1], size)] = 1
    return mask


class _Stack(NamedTuple):
    frames: Sequence[pydicom.Dataset]
    contours: list[Path]


class SunnybrookReader(ImageReader):
    """Reader for ``LoadImaged``: a list of DICOM frames is an image; frames and their contours are its label map.

    The volume is [W, H, D], slices in the order of the list, the affine in RAS and mm from the frames' position and
    orientation (those of the first frame where they differ in the last digits). A list with one
    ``*-icontour-manual.txt`` for each frame, in the same order, is read as the mask of their inside: 1 cavity of the
    left ventricle, 0 elsewhere.

    Note:
        Only position, orientation, spacing, size and pixels of a frame are looked at, since the data set's dates and
        identifiers are partly invalid.
    """

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """True for DICOM frames, alone or with contours."""
        names = [str(name) for name in ensure_tuple(filename)]
        return names[0].endswith(".dcm") and all(name.endswith((".dcm", CONTOUR_SUFFIX)) for name in names)

    def read(self, data: Sequence[PathLike] | PathLike, **kwargs: Any) -> _Stack:
        """Read the frames.

        Raises:
            ValueError: for other files, or another number of contours than none or one for each frame.
        """
        if not self.verify_suffix(data):
            raise ValueError(
                f"expected .dcm frames and *{CONTOUR_SUFFIX} files, got {Path(ensure_tuple(data)[0]).name}"
            )
        paths = [Path(path) for path in ensure_tuple(data)]
        contours = [path for path in paths if path.suffix == ".txt"]
        frames = [pydicom.dcmread(path, **kwargs) for path in paths if path.suffix == ".dcm"]
        if contours and len(contours) != len(frames):
            raise ValueError(f"expected one contour for each of {len(frames)} frames, got {len(contours)}")
        return _Stack(frames, contours)

    def get_data(self, img: _Stack) -> tuple[NDArray[Any], dict[str, Any]]:
        """Volume [W, H, D] and its metadata.

        Raises:
            ValueError: for frames of several sizes or orientations, or unevenly spaced ones.
        """
        first = img.frames[0]
        size = (int(first.Columns), int(first.Rows))
        affine = _affine(img.frames)
        if img.contours:
            slices = [contour_mask(read_contour(path), size) for path in img.contours]
        else:
            slices = [apply_rescale(frame.pixel_array, frame).T for frame in img.frames]
        volume = np.stack(slices, axis=-1)
        return volume, {
            MetaKeys.AFFINE: affine,
            MetaKeys.ORIGINAL_AFFINE: affine.copy(),
            MetaKeys.SPATIAL_SHAPE: np.array(volume.shape),
            MetaKeys.SPACE: SpaceKeys.RAS,
            MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),
        }


def _affine(frames: Sequence[pydicom.Dataset]) -> NDArray[np.float64]:
    """From voxel (column, row, slice) to RAS in mm."""
    first = frames[0]
    orientation = np.array(first.ImageOrientationPatient, dtype=float)
    positions = np.array([frame.ImagePositionPatient for frame in frames], dtype=float)
    for frame in frames:
        if (frame.Columns, frame.Rows) != (first.Columns, first.Rows):
            raise ValueError(
                f"frames must have one size, got {first.Columns}x{first.Rows} and {frame.Columns}x{frame.Rows}"
            )
        if not np.allclose(np.array(frame.ImageOrientationPatient, dtype=float), orientation, atol=1e-3):
            raise ValueError("frames must have one orientation, got several")
    step = np.cross(orientation[:3], orientation[3:]) * float(first.SliceThickness)
    if len(frames) > 1:
        steps = np.diff(positions, axis=0)
        step = steps.mean(axis=0)
        if np.linalg.norm(steps - step, axis=1).max() > 0.05 * np.linalg.norm(step):
            distances = ", ".join(f"{length:.1f}" for length in np.linalg.norm(steps, axis=1))
            raise ValueError(f"frames must be evenly spaced, got steps of {distances} mm")
    affine = np.eye(4)
    row_mm, column_mm = (float(value) for value in first.PixelSpacing)
    affine[:3] = np.stack([orientation[:3] * column_mm, orientation[3:] * row_mm, step, positions[0]], axis=1)
    return LPS_TO_RAS @ affine
