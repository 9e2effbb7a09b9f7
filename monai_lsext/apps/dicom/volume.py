"""One volume of a DICOM series: its grid in the patient and its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset

from monai_lsext.apps.dicom.headers import Frame
from monai_lsext.apps.dicom.phases import mean_orientation
from monai_lsext.apps.dicom.pixels import read_images

__all__ = ["DicomVolume", "read_volume"]

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Slices may lie off an even grid by this much: positions are often rounded to a tenth of a millimetre.
_MAX_OFF_GRID, _MAX_OFF_GRID_MM, _WORTH_A_WARNING = 0.05, 0.1, 0.01
_MAX_SHEAR_DEGREES = 0.5


@dataclass
class DicomVolume:
    """A volume and the images it was made of.

    Args:
        values: [W, H, D], int16 or int32 where they are whole numbers, otherwise float32.
        affine: [4, 4] from voxel (column, row, slice) to RAS in mm.
        frames: of the slices, in the order of the last axis.
        sources: data sets of the files, without pixels: one for each slice, or the multi-frame one alone.
        warnings: what was repaired or is doubtful, a sentence each.
        facts: for the report: identifiers and phase; nothing of the patient.
    """

    values: np.ndarray
    affine: np.ndarray
    frames: list[Frame]
    sources: list[Dataset]
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def step_mm(self) -> float:
        """Distance of neighbouring slices."""
        return float(np.linalg.norm(self.affine[:3, 2]))

    suffix = ".nii"

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along each axis."""
        return self.values.shape

    def save(self, path: Path) -> None:
        """Write a NIfTI file of the values and the grid; nothing else of the DICOM files."""
        image = nib.nifti1.Nifti1Image(self.values, self.affine)
        image.header.set_xyzt_units("mm")
        image.set_sform(self.affine, code=1)
        image.set_qform(self.affine, code=1)
        nib.save(image, path)


def read_volume(frames: Sequence[Frame]) -> DicomVolume:
    """Read the slices of a volume.

    Args:
        frames: one for each position, sorted along the normal, as :func:`split_phases` gives them.

    Raises:
        ValueError: for a missing slice (naming where), uneven slices, or pixels that cannot be decoded or are coloured.
    """
    directions = mean_orientation(frames)
    affine, warnings = _grid(frames, directions)
    if len({frame.orientation for frame in frames}) > 1:
        warnings.append("the images' orientations differ in the last digits: their mean was used")
    values, sources, more = read_images(frames)
    return DicomVolume(values, affine, list(frames), sources, [*warnings, *more])


def _grid(frames: Sequence[Frame], directions: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Affine to RAS, and warnings."""
    first, warnings = frames[0], []
    positions = np.array([frame.position_mm for frame in frames])
    normal = np.cross(*directions)
    if len(frames) == 1:
        if not first.thickness_mm or first.thickness_mm <= 0:
            raise ValueError("a single slice must state its SliceThickness")
        step = normal * first.thickness_mm
    else:
        _check_steps(positions @ normal)
        step = (positions[-1] - positions[0]) / (len(positions) - 1)
        length = float(np.linalg.norm(step))
        off = np.linalg.norm(positions - positions[0] - np.arange(len(positions))[:, None] * step, axis=1).max()
        if off > max(_MAX_OFF_GRID * length, _MAX_OFF_GRID_MM):
            raise ValueError(f"slices must lie on an even grid, got one {off:.2f} mm off it")
        if off > _WORTH_A_WARNING * length:
            warnings.append(f"slices lie up to {off:.2f} mm off an even grid of {length:.2f} mm")
        shear = np.degrees(np.arccos(min(abs(step @ normal) / length / np.linalg.norm(normal), 1.0)))
        if shear > _MAX_SHEAR_DEGREES:
            warnings.append(f"the stack of slices is sheared by {shear:.1f} degrees, as by a tilted gantry")
    row_mm, column_mm = first.spacing_mm or (0.0, 0.0)
    affine = np.eye(4)
    affine[:3] = np.stack([directions[0] * column_mm, directions[1] * row_mm, step, positions[0]], axis=1)
    return _LPS_TO_RAS @ affine, warnings


def _check_steps(along: np.ndarray) -> None:
    """Refuse missing slices and uneven steps."""
    gaps = np.diff(along)
    lower_half = np.sort(gaps)[: (len(gaps) + 1) // 2]  # holes are wider steps
    usual = float(np.median(lower_half))
    steps = gaps / usual
    whole = steps.round()
    tolerance = min(max(2 * _MAX_OFF_GRID, 2 * _MAX_OFF_GRID_MM / usual), 0.4)
    if np.abs(steps - whole).max() > tolerance or whole.min() < 1:
        raise ValueError(f"slices must be evenly spaced, got steps of {gaps.min():.2f} to {gaps.max():.2f} mm")
    holes = np.flatnonzero(whole > 1)
    if holes.size:
        number = int(whole[holes].sum()) - holes.size
        where = " and ".join(f"{along[k]:.2f} and {along[k + 1]:.2f} mm" for k in holes[:3])
        missing = "a slice is missing" if number == 1 else f"{number} slices are missing"
        raise ValueError(f"{missing} between {where} along the normal (steps of {usual:.2f} mm)")
