"""What a bundle found in one case, and the files of its masks."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from PIL import Image
from skimage.measure import label
from torch import Tensor

from monai_lsext.apps.cases import CaseImage
from monai_lsext.data.object_geojson import object_scores
from monai_lsext.registry import BundleInfo, Region

__all__ = ["Segmentation", "found_in", "grid_file", "mask_file"]

_GEOMETRY = (
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z", "xyzt_units"),
)


@dataclass(frozen=True)
class Segmentation:
    """Label map and, for a bundle that tells objects of one kind apart, their numbers.

    Args:
        label_map: integers [W, H] or [W, H, D], 0 for the background.
        instances: numbers of the objects in the same shape, 0 outside; None for a bundle without instances.
        scores: number of the object -> how sure the bundle is of it, 0 to 1; None where it does not say.
    """

    label_map: np.ndarray
    instances: np.ndarray | None = None
    scores: dict[int, float] | None = None

    def objects(self, region: Region | None = None) -> np.ndarray:
        """Numbers of the objects in a region (all when None), 0 elsewhere; without instances all of it is number 1."""
        mask = self.label_map > 0 if region is None else np.isin(self.label_map, region.values)
        return np.where(mask, 1 if self.instances is None else self.instances, 0)

    def at_slice(self, index: int) -> Segmentation:
        """A slice of a volume along the last axis."""
        return Segmentation(self.label_map[..., index], None if self.instances is None else self.instances[..., index])


def found_in(pred: Tensor, info: BundleInfo, image: CaseImage) -> Segmentation:
    """The segmentation in a bundle's post-processed prediction.

    Args:
        pred: [K, W, H] or [K, W, H, D] on the grid of the file. Channel 0 is the label map; of a bundle with instances
            that gives more channels, channel 0 is their numbers, channel 1 the label map and channel 2, where there
            is one, the objects' scores.

    Raises:
        ValueError: when prediction and file differ in size.

    Note:
        With instances and one channel, the objects are the connected components of each label, joined by sides (in 2D:
        4 neighbours), so that nuclei that meet at a corner alone are two.
    """
    values = pred[:2].numpy().round().astype(np.int64)
    if values.shape[1:] != image.size:
        size = " x ".join(map(str, image.size))
        raise ValueError(f"mask must have the input's size {size}, got shape {values.shape[1:]}")
    if not info.instances:
        return Segmentation(values[0])
    if len(values) == 2:
        return Segmentation(values[1], values[0], object_scores(values[0], pred[2].numpy()) if len(pred) > 2 else None)
    return Segmentation(values[0], label(values[0], background=0, connectivity=1))


def mask_file(values: np.ndarray, image: CaseImage, dtype: type[np.unsignedinteger]) -> tuple[str, bytes]:
    """Suffix and content of a mask's file, see :func:`grid_file`.

    Args:
        values: integers [W, H] or [W, H, D].
        image: the input.
        dtype: ``np.uint8`` or ``np.uint16``.

    Raises:
        ValueError: for values out of the type's range.
    """
    largest = np.iinfo(dtype).max
    if values.min() < 0 or values.max() > largest:
        raise ValueError(f"mask must have values in 0 .. {largest}, got {values.min()} .. {values.max()}")
    return grid_file(values.astype(dtype), image)


def grid_file(stored: np.ndarray, image: CaseImage) -> tuple[str, bytes]:
    """Suffix and content of a file of values on the input's grid: a grey PNG, or a NIfTI file.

    Args:
        stored: [W, H] or [W, H, D], of the type that the file gets.
        image: the input; of its header affines, their codes and the units are kept bit by bit, nothing else.
    """
    if image.header is None:
        buffer = io.BytesIO()
        Image.fromarray(stored.T).save(buffer, format="PNG")
        return ".png", buffer.getvalue()
    # a 2D image may be stored as [W, H, 1] or with its channels on further axes
    if stored.ndim == 2 and len(image.header.get_data_shape()) > 2:
        stored = stored[..., None]
    # a new header: free text and extensions of the input's may name the patient
    header = nib.Nifti1Header()
    header.set_data_dtype(stored.dtype)
    header.set_data_shape(stored.shape)
    for name in _GEOMETRY:
        header[name] = image.header[name]
    header["pixdim"][:4] = image.header["pixdim"][:4]
    nifti = nib.Nifti1Image(stored, None, header)
    return ".nii.gz", gzip.compress(nifti.to_bytes(), mtime=0)
