"""Images and labels that a client sends, checked before they are kept."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

from monai_lsext.apps.cases import CaseImage
from monai_lsext.apps.label.errors import RequestError
from monai_lsext.apps.segmentation import mask_file
from monai_lsext.data.image_file import NIFTI_SUFFIXES, PICTURE_SUFFIXES, check_image_file

__all__ = ["FILE_PATTERNS", "case_of", "check_image", "check_name", "label_file", "label_values"]

FILE_PATTERNS = tuple(f"*{suffix}" for suffix in (*reversed(NIFTI_SUFFIXES), *PICTURE_SUFFIXES))
_LARGEST = 255
_SAME_PLACE_MM = 0.01


def check_name(name: str) -> None:
    """Refuse an image's name that would leave the folder.

    Raises:
        RequestError: naming it.
    """
    if not name or name.startswith(".") or any(sign in name for sign in "/\\\0"):
        raise RequestError(f"an image's name must not be empty, hidden or hold a slash, got {name!r}")


def check_image(path: str | Path) -> None:
    """Refuse a file that is no whole image of a kind that bundles take.

    Raises:
        RequestError: naming what was expected and found.
    """
    if not str(path).lower().endswith((*NIFTI_SUFFIXES, *PICTURE_SUFFIXES)):
        raise RequestError(f"an image must be NIfTI, PNG, JPEG or TIFF by its name, got {Path(path).name}")
    try:
        check_image_file(path, (1, 3))
        if _is_nifti(path):
            np.asanyarray(nib.nifti1.load(path).dataobj)
    except Exception as error:  # a damaged file can raise anything inside the decoders
        raise RequestError(f"the image cannot be used: {_reason(error, 'a truncated or damaged file')}") from error


def case_of(path: str | Path) -> CaseImage:
    """Size and header of an image file, without its pixels; a picture in a NIfTI file [W, H, 1] is 2D.

    Raises:
        RequestError: when it cannot be read.
    """
    try:
        if _is_nifti(path):
            header = nib.nifti1.load(path).header
            shape = header.get_data_shape()
            size = shape[:3] if len(shape) > 2 and shape[2] > 1 else shape[:2]
            return CaseImage(np.zeros((0,)), tuple(int(side) for side in size), header)
        with Image.open(path) as image:
            return CaseImage(np.zeros((0,)), image.size)
    except Exception as error:  # as above
        raise RequestError(f"the image {Path(path).name} cannot be read", 404) from error


def label_values(path: str | Path, image: CaseImage) -> np.ndarray:
    """The values of a label map on the grid of its image.

    Args:
        path: NIfTI file, or a grey or palette picture.
        image: as :func:`case_of` gives it.

    Shape:
        -> int64 [W, H] or [W, H, D].

    Raises:
        RequestError: for a file that cannot be read, is no label map, or has another size or place than the image.
    """
    if not str(path).lower().endswith((*NIFTI_SUFFIXES, ".png", ".tif", ".tiff")):
        raise RequestError(f"a label must be NIfTI, PNG or TIFF by its name, got {Path(path).name}")
    try:
        if _is_nifti(path):
            nifti = nib.nifti1.load(path)
            values = np.asanyarray(nifti.dataobj)
            affine = nifti.affine
        else:
            values, affine = np.asarray(Image.open(path)).T, None
    except Exception as error:  # as above
        raise RequestError("the label cannot be used: a truncated or damaged file") from error
    values = values.reshape([side for axis, side in enumerate(values.shape) if axis < len(image.size) or side > 1])
    if values.shape != image.size:
        sizes = [" x ".join(map(str, size)) for size in (image.size, values.shape)]
        raise RequestError(f"the label must have the image's size {sizes[0]}, got {sizes[1]}")
    if affine is not None and image.header is not None and not _same_place(affine, image.header.get_best_affine()):
        raise RequestError("the label must lie where the image does, got another affine")
    if values.min() < 0 or values.max() > _LARGEST or (values != np.round(values)).any():
        raise RequestError(f"a label must hold whole numbers 0 to {_LARGEST}, got {values.min():g} to {values.max():g}")
    return values.astype(np.int64)


def label_file(path: str | Path, image_path: str | Path) -> tuple[str, bytes]:
    """Suffix and content of a label as it is kept: a PNG beside a picture, NIfTI with the image's grid beside NIfTI.

    Viewers send a picture's label as NIfTI [W, H, 1] too.
    """
    image = case_of(image_path)
    return mask_file(label_values(path, image), image, np.uint8)


def _is_nifti(path: str | Path) -> bool:
    return str(path).lower().endswith(NIFTI_SUFFIXES)


def _same_place(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=1e-4, atol=_SAME_PLACE_MM))


def _reason(error: Exception, otherwise: str) -> str:
    return str(error).partition(": ")[2] or str(error) if isinstance(error, ValueError) else otherwise
