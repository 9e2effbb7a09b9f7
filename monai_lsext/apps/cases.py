"""One case's input as a picture, and its label map as the bytes of a file."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from PIL import Image

from monai_lsext.data.image_file import NIFTI_SUFFIXES
from monai_lsext.transforms.image_checks import CheckImaged

__all__ = ["Picture", "mask_file", "read_picture"]

_MM_PER_UNIT = {"mm": 1.0, "meter": 1000.0, "micron": 0.001}


@dataclass(frozen=True)
class Picture:
    """A 2D input as it is looked at.

    Args:
        pixels: uint8 [H, W, 3].
        spacing_mm: (column, row) distance of pixels, None where the file does not say.
        affine: of a NIfTI file, else None.
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, float] | None = None
    affine: np.ndarray | None = None


def read_picture(path: str | Path) -> Picture:
    """The image of a file that has passed the bundle's preprocessing, for display and measurement.

    Note:
        A NIfTI image that is not uint8 is scaled from its least and greatest value to 0 .. 255.
    """
    if not str(path).lower().endswith(NIFTI_SUFFIXES):
        with Image.open(path) as image:
            return Picture(np.asarray(image.convert("RGB")))
    file = nib.nifti1.load(path)
    data = np.asanyarray(file.dataobj)
    channels = data.shape[-1] if data.ndim > 2 and data.shape[-1] in (3, 4) else 1
    # [W, H], [W, H, 1], [W, H, C] or [W, H, 1, C], in the form that MONAI loads: channels first
    loaded = np.moveaxis(data, -1, 0) if data.ndim == 4 else data[None]
    values = CheckImaged("image", channels)({"image": torch.from_numpy(loaded.astype(np.float32))})["image"].numpy()
    if data.dtype != np.uint8:
        values = (values - values.min()) / max(float(np.ptp(values)), 1e-12) * 255
    pixels = np.repeat(values, 3, axis=0) if len(values) == 1 else values[:3]
    unit = _MM_PER_UNIT.get(file.header.get_xyzt_units()[0])
    spacing = np.linalg.norm(file.affine[:3, :2], axis=0)
    return Picture(
        np.ascontiguousarray(pixels.transpose(2, 1, 0)).round().astype(np.uint8),
        spacing_mm=None if unit is None else (float(spacing[0] * unit), float(spacing[1] * unit)),
        affine=file.affine,
    )


def mask_file(label_map: np.ndarray, picture: Picture) -> tuple[str, bytes]:
    """Suffix and content of the mask's file: a grey PNG, or a NIfTI file with the input's affine.

    Args:
        label_map: integers [W, H], at most 255.

    Raises:
        ValueError: when the mask and the picture differ in size.
    """
    size = picture.pixels.shape[1::-1]
    if label_map.shape != size:
        raise ValueError(f"mask must have the input's size {size[0]} x {size[1]}, got shape {label_map.shape}")
    values = label_map.astype(np.uint8)
    if picture.affine is not None:
        image = nib.Nifti1Image(values[..., None], picture.affine)
        if picture.spacing_mm is not None:
            image.header.set_xyzt_units("mm")
        return ".nii.gz", gzip.compress(image.to_bytes(), mtime=0)
    buffer = io.BytesIO()
    Image.fromarray(values.T).save(buffer, format="PNG")
    return ".png", buffer.getvalue()
