"""Values of DICOM images: decoded, rescaled, brighter where more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, get_decoder
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from monai_lsext.apps.dicom.headers import Frame, quiet

__all__ = ["decoded", "read_dataset", "read_images"]

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def read_images(frames: Sequence[Frame]) -> tuple[np.ndarray, list[Dataset], list[str]]:
    """Values of slices, their files' data sets and warnings.

    Args:
        frames: of one series, all of one size.

    Returns:
        Values [W, H, D] after rescaling by slope and intercept, MONOCHROME1 inverted within the stored bits: int16 or
        int32 where they are whole numbers, otherwise float32; the data sets without pixels, one for each file in order;
        warnings.

    Raises:
        ValueError: naming the instance whose pixels are coloured, truncated, damaged or compressed in a way for which
            no decoder is installed.
    """
    slices, sources, inverted = [], [], False
    stored = np.empty(0)
    for index, frame in enumerate(frames):
        if index == 0 or frame.path != frames[index - 1].path:
            dataset = read_dataset(frame)
            stored = _decode(dataset, frame)
            inverted |= dataset.get("PhotometricInterpretation") == "MONOCHROME1"
            for keyword in _PIXELS:
                if keyword in dataset:
                    delattr(dataset, keyword)
            sources.append(dataset)
        image = stored if frame.number is None else stored[frame.number - 1]
        slices.append(_compact(_rescaled(image, sources[-1], frame)).T)
    warnings = ["MONOCHROME1: the grey values were inverted"] if inverted else []
    values = np.stack(slices, axis=-1)
    return values if values.dtype.kind == "i" else values.astype(np.float32), sources, warnings


def read_dataset(frame: Frame) -> Dataset:
    """A frame's file, with its transfer syntax stated.

    Raises:
        ValueError: naming the instance that cannot be read.
    """
    try:
        with quiet():
            dataset = pydicom.dcmread(frame.path, force=True)
    except Exception as error:  # a damaged file can raise anything inside the parser
        raise ValueError(f"image {frame.label} cannot be read") from error
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return dataset


def _decode(dataset: Dataset, frame: Frame) -> np.ndarray:
    """Stored values [H, W], or [N, H, W] of a multi-frame file; MONOCHROME1 inverted."""
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or not photometric.startswith("MONOCHROME"):
        raise ValueError(f"image {frame.label}: expected grey values, found {photometric or 'no statement of colours'}")
    pixels = decoded(dataset, frame, lambda image: image.pixel_array)
    if frame.number is not None and pixels.ndim == 2:
        pixels = pixels[None]
    if photometric == "MONOCHROME1":
        bits, signed = int(dataset.BitsStored), int(dataset.get("PixelRepresentation") or 0)
        # lowest + highest value - stored
        pixels = (-1 if signed else 2**bits - 1) - pixels.astype(np.int64)
    return pixels


def decoded(dataset: Dataset, frame: Frame, decode: Callable[[Dataset], np.ndarray]) -> np.ndarray:
    """Pixels of a data set.

    Args:
        decode: takes the data set.

    Raises:
        ValueError: for pixels compressed in a way for which no decoder is installed, or truncated or damaged.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        available = get_decoder(syntax).is_available if syntax.is_compressed else True
    except NotImplementedError:
        available = False
    if not available:
        raise ValueError(f"image {frame.label}: no decoder is installed for pixels compressed as {syntax.name}")
    try:
        with quiet():
            return decode(dataset)
    except Exception as error:  # decoders raise their own errors
        raise ValueError(f"image {frame.label}: its pixels are truncated or damaged") from error


def _rescaled(image: np.ndarray, dataset: Dataset, frame: Frame) -> np.ndarray:
    with quiet():
        if frame.number is None:
            return np.asarray(apply_modality_lut(image, dataset))
        groups = [*dataset.get("PerFrameFunctionalGroupsSequence", [])[frame.number - 1 : frame.number]]
        groups += [*dataset.get("SharedFunctionalGroupsSequence", [])]
        for group in groups:
            for item in group.get("PixelValueTransformationSequence", []):
                return image * float(item.RescaleSlope) + float(item.RescaleIntercept)
        return np.asarray(apply_modality_lut(image, dataset))


def _compact(values: np.ndarray) -> np.ndarray:
    """Whole numbers as integers, which a file holds without loss."""
    if values.size and np.isfinite(values).all() and (values == values.round()).all():
        for dtype in (np.int16, np.int32):
            if np.iinfo(dtype).min <= values.min() and values.max() <= np.iinfo(dtype).max:
                return values.astype(dtype)
    return values.astype(np.float32)
