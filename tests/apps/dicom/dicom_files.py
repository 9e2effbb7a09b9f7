"""DICOM series written file by file, with all that can be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

MR, CT, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4.1"
SECONDARY_CAPTURE, RTSTRUCT = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.481.3"
UID_ROOT = "1.2.826.0.1.3680043.8.498"
SERIES_UID = f"{UID_ROOT}.77.123456789012"
NAME = "series-123456789012"

PATIENT = {"PatientName": "Jägermeister^Wilhelmine", "PatientID": "PID-4711-X", "PatientBirthDate": "19371224"}
SECRETS = ("jägermeister", "wilhelmine", "4711-x", "19371224")

ROW, COLUMN = np.array([0.8, 0.6, 0.0]), np.array([-0.36, 0.48, 0.8])  # a rotation about two axes
NORMAL = np.cross(ROW, COLUMN)
ORIGIN = np.array([-31.5, 12.25, 90.0])


def position(index: float, step_mm: float = 5.0) -> list[float]:
    """Position of slice ``index`` of the stack."""
    return [round(float(value), 6) for value in ORIGIN + index * step_mm * NORMAL]


def slice_dataset(pixels: np.ndarray, index: float = 0, **elements: Any) -> FileDataset:
    """One MR slice; ``elements`` replace or, where None, remove what is written by default.

    Args:
        pixels: [H, W], uint16 or int16 (uint8 with BitsAllocated 8).
        index: of the slice along the normal, 5 mm apart.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    number = round(index * 10) + 1
    bits = 8 * pixels.itemsize
    defaults: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPClassUID": MR,
        "SOPInstanceUID": f"{SERIES_UID}.{number}",
        "StudyInstanceUID": f"{UID_ROOT}.76",
        "SeriesInstanceUID": SERIES_UID,
        "FrameOfReferenceUID": f"{UID_ROOT}.78",
        "Modality": "MR",
        **PATIENT,
        **{"PatientSex": "F", "AccessionNumber": "", "StudyID": "", "ReferringPhysicianName": ""},
        **{"StudyDate": "20200102", "StudyTime": "101500", "Manufacturer": "", "SeriesNumber": 3},
        **{"ImageType": ["ORIGINAL", "PRIMARY"], "InstanceNumber": number},
        **{"Rows": pixels.shape[0], "Columns": pixels.shape[1], "SamplesPerPixel": 1},
        **{"PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1},
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelSpacing": [1.5, 0.75],
        "SliceThickness": 4,
        "ImageOrientationPatient": [*ROW, *COLUMN],
        "ImagePositionPatient": position(index),
        "PixelData": pixels.tobytes(),
    }
    for keyword, value in {**defaults, **elements}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    if dataset.PixelData is not None:
        dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
    return dataset


def slices(volume: np.ndarray, **elements: Any) -> list[FileDataset]:
    """The slices of a volume [W, H, D]."""
    return [slice_dataset(np.ascontiguousarray(volume[..., k].T), k, **elements) for k in range(volume.shape[2])]


def write(folder: Path, datasets: Sequence[Dataset], seed: int = 0, prefix: str = "IM") -> Path:
    """Write files whose names are no order."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, dataset in zip(np.random.default_rng(seed).permutation(len(datasets)), datasets, strict=True):
        dataset.save_as(folder / f"{prefix}{name:04d}", enforce_file_format=False)
    return folder


def numbers(size: tuple[int, int, int] = (6, 4, 5), dtype: type = np.uint16) -> np.ndarray:
    """A volume [W, H, D] whose voxels all differ."""
    return np.arange(np.prod(size), dtype=dtype).reshape(size)


def enhanced(volume: np.ndarray, order: Sequence[int], phases: int = 1, **elements: Any) -> FileDataset:
    """A multi-frame MR image of ``phases`` volumes, phase p being the volume + 1000 p.

    Args:
        order: of the slices in the file.
    """
    frames = [(k, phase) for phase in range(phases) for k in order]
    pixels = np.stack([volume[..., k].T + 1000 * phase for k, phase in frames]).astype(np.uint16)
    defaults = {"SOPClassUID": ENHANCED_MR, "SOPInstanceUID": f"{SERIES_UID}.1"}
    dataset = slice_dataset(pixels[0], **{**defaults, **elements})
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(dataset, keyword)
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = pixels.tobytes()
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[1.5, 0.75], SliceThickness=4)]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[*ROW, *COLUMN])]
    shared.PixelValueTransformationSequence = [_item(RescaleSlope=2, RescaleIntercept=-10, RescaleType="US")]
    dataset.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for k, phase in frames:
        group = Dataset()
        group.PlanePositionSequence = [_item(ImagePositionPatient=position(k))]
        group.FrameContentSequence = [_item(TemporalPositionIndex=phase + 1)]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    return dataset


def _item(**elements: Any) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
