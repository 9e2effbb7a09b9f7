"""Colour photographs in DICOM files, such as those of the eye's fundus: pictures without a place in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, pixel_array

from monai_lsext.apps.dicom.headers import Frame
from monai_lsext.apps.dicom.pixels import decoded, read_dataset
from monai_lsext.apps.dicom.volume import DicomVolume

__all__ = ["PHOTOGRAPHS", "DicomImage", "DicomPhotograph", "read_photograph"]

PHOTOGRAPHS = "OP"  # the modality ophthalmic photography


@dataclass
class DicomPhotograph:
    """A photograph and the image it is of.

    Args:
        pixels: uint8 [H, W, 3].
        frames: its one frame.
        sources: data set of its file, without pixels.
        warnings: what was repaired, a sentence each.
        facts: for the report: identifiers; nothing of the patient.
    """

    pixels: np.ndarray
    frames: Sequence[Frame]
    sources: list[Dataset]
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    suffix = ".png"
    affine = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Width, height and one slice."""
        return self.pixels.shape[1], self.pixels.shape[0], 1

    def save(self, path: Path) -> None:
        """Write a PNG file of the pixels; nothing else of the DICOM file."""
        Image.fromarray(self.pixels).save(path)


DicomImage = DicomVolume | DicomPhotograph


def read_photograph(frame: Frame) -> DicomPhotograph:
    """Read a photograph.

    Raises:
        ValueError: for an image of several frames, without colours or of more than 8 bits, and for pixels that cannot
            be decoded.
    """
    if frame.number is not None:
        raise ValueError(f"image {frame.label}: a photograph of several frames is not read")
    dataset = read_dataset(frame)
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    palette = photometric == "PALETTE COLOR"
    if int(dataset.get("SamplesPerPixel") or 1) != 3 and not palette:
        raise ValueError(f"image {frame.label}: expected colours, found {photometric or 'no statement of colours'}")
    colours = (lambda image: apply_color_lut(image.pixel_array, image)) if palette else pixel_array
    pixels = decoded(dataset, frame, colours)
    if palette:
        pixels = pixels[..., :3]
        if pixels.dtype == np.uint16:  # palettes often hold 8 bits in the upper half of 16
            pixels = (pixels >> 8).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ValueError(f"image {frame.label}: expected 8 bits a colour, found {8 * pixels.dtype.itemsize}")
    del dataset.PixelData
    return DicomPhotograph(pixels, [frame], [dataset])
