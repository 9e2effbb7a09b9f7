"""One case's input as it is shown and measured: grey values or colours, voxel size, header."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nibabel as nib
import numpy as np
from monai.config import NdarrayOrTensor
from monai.utils import convert_to_numpy

from monai_lsext.data.image_file import NIFTI_SUFFIXES

__all__ = ["CaseImage", "case_image"]

_MM_PER_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}  # NIfTI's codes of metre, millimetre, micrometre
_UNIT_BITS = 7  # of xyzt_units; the others are the unit of time
_PERCENTILES = (1.0, 99.0)


@dataclass(frozen=True)
class CaseImage:
    """A 2D image or a volume as it is looked at.

    Args:
        pixels: uint8 [H, W, 3], of a volume grey [D, H, W].
        size: voxels along the file's axes, (W, H) or (W, H, D).
        header: of a NIfTI file, else None.
    """

    pixels: np.ndarray
    size: tuple[int, ...]
    header: nib.Nifti1Header | None = None

    @cached_property
    def _steps(self) -> np.ndarray | None:
        """Columns of the affine that belong to the axes, in the header's unit; None where they span nothing."""
        if self.header is None:
            return None
        steps = self.header.get_best_affine()[:3, : len(self.size)]
        usable = np.isfinite(steps).all() and np.linalg.matrix_rank(steps) == len(self.size)
        return steps if usable else None

    @property
    def header_spacing(self) -> tuple[float, ...] | None:
        """Distance of voxels along each axis in the header's unit, whatever that is; None where there is none."""
        return None if self._steps is None else tuple(np.linalg.norm(self._steps, axis=0).tolist())

    @property
    def _mm(self) -> float | None:
        """Length of the header's unit in mm, None where it states none."""
        if self.header is None or self._steps is None:
            return None
        return _MM_PER_UNIT.get(int(self.header["xyzt_units"]) & _UNIT_BITS)

    @property
    def spacing_mm(self) -> tuple[float, ...] | None:
        """Distance of voxels along each axis, None where the file does not say."""
        if self.header_spacing is None or self._mm is None:
            return None
        return tuple(step * self._mm for step in self.header_spacing)

    @property
    def voxel_mm(self) -> float | None:
        """Area (mm2) of a pixel or volume (mm3) of a voxel, also where axes are oblique; None when not known."""
        if self._steps is None or self._mm is None:
            return None
        return float(np.sqrt(np.linalg.det(self._steps.T @ self._steps))) * self._mm ** len(self.size)

    @property
    def affine_mm(self) -> np.ndarray | None:
        """[4, 4] from voxel to RAS in mm, None where the file does not say."""
        if self.header is None or self._steps is None or self._mm is None:
            return None
        return np.diag([self._mm] * 3 + [1.0]) @ self.header.get_best_affine()

    @property
    def aspect(self) -> float:
        """Height of a pixel by its width."""
        return 1.0 if self.header_spacing is None else self.header_spacing[1] / self.header_spacing[0]

    @property
    def is_blank(self) -> bool:
        """Whether all pixels are alike, so that there is nothing to find."""
        axes = (0, 1) if len(self.size) == 2 else None
        return bool((self.pixels.min(axis=axes) == self.pixels.max(axis=axes)).all())

    @property
    def notes(self) -> list[str]:
        """What a reader of measurements has to know."""
        if self.header is None or self._mm is not None:
            return []
        return ["the file's header gives no voxel size in a known unit: sizes are in pixels or voxels alone"]


def case_image(loaded: NdarrayOrTensor, path: str | Path) -> CaseImage:
    """The image of a case, from what was loaded of its file.

    Args:
        loaded: [C, W, H] or [C, W, H, D] as loaded, on the file's grid and in its range of values.
        path: the file; of a NIfTI file the header is read.

    Note:
        8-bit 2D images are shown as they are. Other values are scaled from the 1st and 99th percentile to 0 .. 255.
        Of an image with neither one nor three channels, and of a volume, the first channel is shown.
    """
    values = convert_to_numpy(loaded)
    nifti = nib.nifti1.load(path) if str(path).lower().endswith(NIFTI_SUFFIXES) else None
    size = values.shape[1:]
    as_it_is = nifti is None or (nifti.get_data_dtype() == np.uint8 and nifti.dataobj.slope == 1)
    if len(size) == 3:
        pixels = _stretched(values[0]).T
    else:
        values = values if len(values) == 3 else np.repeat(values[:1], 3, axis=0)
        pixels = (values.round().clip(0, 255).astype(np.uint8) if as_it_is else _stretched(values)).transpose(2, 1, 0)
    return CaseImage(np.ascontiguousarray(pixels), size, None if nifti is None else nifti.header)


def _stretched(values: np.ndarray) -> np.ndarray:
    low, high = (float(limit) for limit in np.percentile(values, _PERCENTILES))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-12) * 255).clip(0, 255).round().astype(np.uint8)
