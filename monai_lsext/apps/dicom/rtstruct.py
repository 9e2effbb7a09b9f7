"""Contours as DICOM object (RT Structure Set), for radiotherapy planning systems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ImplicitVRLittleEndian

from monai_lsext.apps.contours import in_patient, slice_polygons
from monai_lsext.apps.dicom.headers import quiet
from monai_lsext.apps.dicom.repair import derived_uid
from monai_lsext.apps.dicom.seg import Producer, series_date
from monai_lsext.apps.dicom.volume import DicomVolume
from monai_lsext.registry import BundleInfo, Region

__all__ = ["contours_mm", "structure_set", "without_holes"]

_RTSTRUCT = UID("1.2.840.10008.5.1.4.1.1.481.3")
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
_SERIES_NUMBER = 9002
_CONTOUR_DATA = Tag("ContourData")
_COPIED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime"),
    *("AccessionNumber", "StudyID", "ReferringPhysicianName", "StudyDescription", "PatientAge", "PatientWeight"),
)


def without_holes(polygon: Sequence[np.ndarray]) -> np.ndarray:
    """One closed ring [n, 2] of an outer ring and its holes, each joined by a channel of no width (keyhole).

    Args:
        polygon: closed rings, the outer one first; holes turn the other way.

    Note:
        The nearest hole is joined first, where it is nearest, so that no channel crosses a hole.
    """
    ring, holes = polygon[0], list(polygon[1:])
    while holes:
        gaps = [np.linalg.norm(ring[:, None] - hole[None], axis=-1) for hole in holes]
        nearest = int(np.argmin([gap.min() for gap in gaps]))
        i, j = np.unravel_index(gaps[nearest].argmin(), gaps[nearest].shape)
        hole = holes.pop(nearest)[:-1]
        turn = np.roll(hole, -int(j), axis=0)  # j may be the repeated first point: the same turn
        ring = np.concatenate([ring[: i + 1], turn, turn[:1], ring[i:]])
    return ring


def contours_mm(mask: np.ndarray, affine: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Contours of a mask, slice by slice.

    Args:
        mask: [W, H, D].
        affine: [4, 4] from voxel to RAS in mm.

    Yields:
        (index of the slice, points [n, 3] in LPS mm of a ring without its repeated last point), the mask's 0.5 level
        between pixel centres.
    """
    for k, _, polygon in slice_polygons(mask.astype(np.uint8)):
        yield k, in_patient(without_holes(polygon)[:-1], k, affine)


def structure_set(
    volume: DicomVolume, label_map: np.ndarray, info: BundleInfo, producer: Producer
) -> FileDataset | None:
    """The RT Structure Set of a volume: one region of interest for each region that was found.

    Args:
        volume: whose images it refers to; repaired.
        label_map: integers [W, H, D].
        info: names, codes and colours of the regions.
        producer: bundle and weights.

    Returns:
        The object; None where nothing was found. The same input gives the same bytes.
    """
    masks = [(region, np.isin(label_map, region.values)) for region in info.regions]
    found = [(region, mask) for region, mask in masks if mask.any()]
    if not found:
        return None
    first = volume.sources[0]
    identity = ["RTSTRUCT", first.SeriesInstanceUID, *(frame.sop_instance_uid for frame in volume.frames)]
    identity += [volume.frames[0].number, producer.bundle, producer.version, producer.weights_sha256]
    with quiet():
        dataset = _header(first, identity, producer)
        images = [_image(frame.sop_instance_uid, frame.number, first.SOPClassUID) for frame in volume.frames]
        _refer(dataset, first, images)
        dataset.StructureSetROISequence = []
        dataset.ROIContourSequence = []
        dataset.RTROIObservationsSequence = []
        for number, (region, mask) in enumerate(found, 1):
            _add(dataset, number, region, contours_mm(mask, volume.affine), images)
    return dataset


def _header(first: Dataset, identity: Sequence[object], producer: Producer) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ImplicitVRLittleEndian  # explicit ones hold no element beyond 64 KiB
    meta.MediaStorageSOPClassUID = _RTSTRUCT
    meta.MediaStorageSOPInstanceUID = UID(derived_uid(*identity))
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = _RTSTRUCT, meta.MediaStorageSOPInstanceUID
    for name in _COPIED:
        if name in first:
            setattr(dataset, name, first[name].value)
    date, time = series_date(first)
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = date, time
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = derived_uid("series", *identity)
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.OperatorsName = _SERIES_NUMBER, 1, ""
    dataset.SeriesDescription = f"{producer.bundle} contours"[:64]
    dataset.Manufacturer, dataset.ManufacturerModelName = "monai_lsext", producer.bundle
    dataset.SoftwareVersions = [producer.package_version, producer.version, producer.weights_sha256]
    dataset.StructureSetLabel = "CONTOURS"
    dataset.StructureSetDate, dataset.StructureSetTime = date, time
    dataset.ApprovalStatus = "UNAPPROVED"
    return dataset


def _image(sop_instance_uid: str, number: int | None, sop_class_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
    if number is not None:
        item.ReferencedFrameNumber = number
    return item


def _refer(dataset: Dataset, first: Dataset, images: Sequence[Dataset]) -> None:
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID, series.ContourImageSequence = first.SeriesInstanceUID, list(images)
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = _STUDY_CLASS, first.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = first.FrameOfReferenceUID, [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = first.FrameOfReferenceUID, ""


def _decimals(points: np.ndarray) -> DataElement:
    """Coordinates as they are written: converting each to pydicom's decimals and back would take minutes."""
    text = "\\".join(f"{value:.5f}" for value in points.ravel().tolist())
    return DataElement(_CONTOUR_DATA, "DS", text, already_converted=True)


def _add(
    dataset: Dataset,
    number: int,
    region: Region,
    contours: Iterator[tuple[int, np.ndarray]],
    images: Sequence[Dataset],
) -> None:
    """A region of interest and its contours."""
    structure, outline, observation = Dataset(), Dataset(), Dataset()
    structure.ROINumber, structure.ROIName = number, region.title[:64]
    structure.ReferencedFrameOfReferenceUID = dataset.FrameOfReferenceUID
    structure.ROIGenerationAlgorithm = "AUTOMATIC"
    outline.ReferencedROINumber, outline.ROIDisplayColor = number, list(region.colour)
    outline.ContourSequence = []
    for k, points in contours:
        contour = Dataset()
        contour.ContourImageSequence = [images[k]]
        contour.ContourGeometricType = "CLOSED_PLANAR"
        contour.NumberOfContourPoints = len(points)
        contour[_CONTOUR_DATA] = _decimals(points)
        outline.ContourSequence.append(contour)
    observation.ObservationNumber = observation.ReferencedROINumber = number
    observation.RTROIInterpretedType, observation.ROIInterpreter = "", ""
    if region.code is not None:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator = region.code.value, region.code.scheme
        code.CodeMeaning = region.code.meaning
        observation.RTROIIdentificationCodeSequence = [code]
    dataset.StructureSetROISequence.append(structure)
    dataset.ROIContourSequence.append(outline)
    dataset.RTROIObservationsSequence.append(observation)
