"""A small made-up DICOM series laid out as NIH Pancreas-CT, and labels for it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SPACING_MM = (0.5, 0.8, 2.0)  # along columns, rows, slices
ORIGIN = (-100.0, -50.0, 30.0)  # of column 0, row 0, instance 1, in DICOM's LPS


def volume(shape: tuple[int, int, int] = (7, 6, 5)) -> np.ndarray:
    """Different HU in every voxel, [columns, rows, instances]."""
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape) - 100


def write_series(folder: Path, hounsfield: np.ndarray, step_mm: float = SPACING_MM[2]) -> None:
    """One file for each slice, in an order of names that is not that of the instances."""
    folder.mkdir(parents=True)
    uid = generate_uid()
    for number in range(1, hounsfield.shape[2] + 1):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        frame = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        frame.SOPClassUID, frame.SOPInstanceUID, frame.SeriesInstanceUID = CTImageStorage, generate_uid(), uid
        frame.Modality, frame.InstanceNumber = "CT", number
        frame.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        frame.ImagePositionPatient = [ORIGIN[0], ORIGIN[1], ORIGIN[2] + step_mm * (number - 1)]
        frame.PixelSpacing, frame.SliceThickness = [SPACING_MM[1], SPACING_MM[0]], abs(step_mm)
        pixels = (hounsfield[:, :, number - 1].T + 1024).astype(np.uint16)  # rows first
        frame.Rows, frame.Columns = pixels.shape
        frame.SamplesPerPixel, frame.PhotometricInterpretation = 1, "MONOCHROME2"
        frame.BitsAllocated, frame.BitsStored, frame.HighBit, frame.PixelRepresentation = 16, 16, 15, 0
        frame.RescaleSlope, frame.RescaleIntercept = 1, -1024
        frame.PixelData = np.ascontiguousarray(pixels).tobytes()
        frame.save_as(folder / f"{(number * 3) % 10:06d}.dcm", enforce_file_format=True)


def nih_affine() -> np.ndarray:
    """A header that does not fit the series: another origin, and rows that run the other way."""
    return np.diag([-SPACING_MM[0], SPACING_MM[1], SPACING_MM[2], 1.0])


def true_affine(step_mm: float = SPACING_MM[2]) -> np.ndarray:
    """Of the series, from column, row and slice to RAS."""
    affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], step_mm, 1.0])
    affine[:3, 3] = -ORIGIN[0], -ORIGIN[1], ORIGIN[2]
    return affine


def write_label(path: Path, label: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.nifti1.save(nib.nifti1.Nifti1Image(label.astype(np.uint8), affine), path)


def write_patient(root: Path, number: int, shape: tuple[int, int, int] = (7, 6, 5)) -> np.ndarray:
    """A patient in NIH's folders; the label [columns, rows, instances] is where the HU are largest."""
    hounsfield = volume(shape)
    label = hounsfield > np.quantile(hounsfield, 0.8)
    write_series(root / "Pancreas-CT" / f"PANCREAS_{number:04d}" / "study" / "series", hounsfield)
    write_label(root / "TCIA_pancreas_labels" / f"label{number:04d}.nii.gz", label, nih_affine())
    return label
