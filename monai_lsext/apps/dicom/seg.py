"""A segmentation as DICOM object (SEG) on the grid of its series."""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as DicomCode
from pydicom.uid import VLPhotographicImageStorage

from monai_lsext.apps.dicom.headers import quiet, without_patient
from monai_lsext.apps.dicom.photograph import DicomImage, DicomPhotograph
from monai_lsext.apps.dicom.repair import derived_uid
from monai_lsext.registry import BundleInfo, Label

__all__ = ["Producer", "dicom_bytes", "highdicom", "segment_code", "segmentation_object", "series_date"]

_NO_DATE, _NO_TIME = "19000101", "000000"
_SERIES_NUMBER = 9000  # beyond those of scanners


@dataclass(frozen=True)
class Producer:
    """Who made an object: name and version of the bundle, SHA-256 of its weights, version of this package."""

    bundle: str
    version: str
    weights_sha256: str
    package_version: str

    @property
    def equipment(self) -> dict[str, str]:
        """As highdicom's objects take it."""
        return {
            "manufacturer": "monai_lsext",
            "manufacturer_model_name": self.bundle,
            "software_versions": self.package_version,
            "device_serial_number": self.weights_sha256[:16],
        }


def highdicom() -> Any:
    """The library that makes DICOM objects, an optional extra.

    Raises:
        ValueError: when it is not installed, with the command that does so.
    """
    try:
        return importlib.import_module("highdicom")
    except ImportError as error:
        raise ValueError("`--seg` needs highdicom: pip install 'monai-lsext[dicom]'") from error


def segmentation_object(
    volume: DicomImage,
    label_map: np.ndarray,
    info: BundleInfo,
    producer: Producer,
    probability: np.ndarray | None = None,
) -> Dataset | None:
    """The SEG of a volume or photograph: all slices of the series, one segment for each label that was found.

    Args:
        volume: whose images it refers to; repaired.
        label_map: integers [W, H, D].
        info: names, codes and colours of the labels.
        producer: for the identification of the algorithm.
        probability: [L, W, H, D] in 0 .. 1, one for each label: a fractional SEG instead of a binary one.

    Returns:
        The object; None where nothing was found. The same input gives the same bytes: identifiers are derived from the
        images', the bundle and its weights, and dates are the images'.

    Raises:
        ValueError: when the images' headers do not allow it.
    """
    present = [label for label in info.labels if (label_map == label.value).any()]
    if not present:
        return None
    first = volume.sources[0]
    try:
        with quiet():
            return _made(volume, label_map, present, info, producer, probability)
    except Exception as error:  # a file's values may not fit the library in any way
        sentence = without_patient(f"{type(error).__name__}: {error}", first)
        raise ValueError(f"the DICOM SEG cannot be made: {sentence}") from error


def _made(
    volume: DicomImage,
    label_map: np.ndarray,
    present: Sequence[Label],
    info: BundleInfo,
    producer: Producer,
    probability: np.ndarray | None,
) -> Dataset:
    if probability is None:
        planes = np.stack([label_map == label.value for label in present], axis=-1).astype(np.uint8)
    else:
        rows = [list(info.labels).index(label) for label in present]
        planes = np.moveaxis(probability[rows].astype(np.float32), 0, -1)
    first, numbers = volume.sources[0], [frame.number for frame in volume.frames]
    if len(volume.sources) > 1 and set(numbers) != {None}:
        raise ValueError("its slices lie in several multi-frame files")
    kind = "BINARY" if probability is None else "FRACTIONAL"
    identity = [first.SeriesInstanceUID, *(frame.sop_instance_uid for frame in volume.frames), *numbers]
    identity += [producer.bundle, producer.version, producer.weights_sha256, kind]
    date, time = series_date(first)
    seg = highdicom().seg.Segmentation(
        source_images=[_for_library(source, volume) for source in volume.sources],
        pixel_array=planes.transpose(2, 1, 0, 3),  # [D, H, W, segments]
        segmentation_type=kind,
        segment_descriptions=[_segment(number, label, producer) for number, label in enumerate(present, 1)],
        series_instance_uid=derived_uid("SEG series", *identity),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=derived_uid("SEG", *identity),
        instance_number=1,
        **producer.equipment,
        omit_empty_frames=False,  # readers would give back a smaller volume
        content_label="SEGMENTATION",
        content_description=f"{info.task or producer.bundle} by {producer.bundle}"[:64],
        series_description=f"{producer.bundle} segmentation"[:64],
        content_date=date,
        content_time=time,
        content_creator_name="",
        specific_character_set="ISO_IR 192",  # holds whatever the images' own sets could
    )
    if isinstance(volume, DicomPhotograph):
        for element in seg.iterall():
            if element.keyword == "ReferencedSOPClassUID":
                element.value = first.SOPClassUID
    _settle(seg, date, time, identity)
    if numbers[0] is not None:
        _refer_to_frames(seg, numbers)
    return seg


def series_date(source: Dataset) -> tuple[str, str]:
    """Date and time for an object on these images: the acquisition's, so that its bytes depend on the input alone."""
    for name in ("Acquisition", "Content", "Series", "Study"):
        date = str(source.get(f"{name}Date") or "")
        if date:
            return date, str(source.get(f"{name}Time") or _NO_TIME)
    return _NO_DATE, _NO_TIME


def dicom_bytes(dataset: Dataset) -> bytes:
    """The object's file."""
    buffer = io.BytesIO()
    with quiet():
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def segment_code(label: Label) -> DicomCode:
    """The label's code, or that of tissue where no code of the structure is known: its name then tells what it is."""
    if label.code is None:
        return codes.SCT.Tissue
    return DicomCode(label.code.value, label.code.scheme, label.code.meaning)


def _segment(number: int, label: Label, producer: Producer) -> Any:
    algorithm = highdicom().AlgorithmIdentificationSequence(
        name=producer.bundle,
        family=codes.cid7162.ArtificialIntelligence,
        version=producer.version,
        source="monai_lsext",
        parameters={"weights_sha256": producer.weights_sha256},
    )
    return highdicom().seg.SegmentDescription(
        segment_number=number,
        segment_label=label.name[:64],
        segmented_property_category=codes.SCT.Tissue if label.code is None else codes.SCT.AnatomicalStructure,
        segmented_property_type=segment_code(label),
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        display_color=highdicom().color.CIELabColor.from_rgb(*label.colour),
    )


def _for_library(source: Dataset, volume: DicomImage) -> Dataset:
    """A multi-frame source cut down to the volume's frames, in their order; a slice as it is; a photograph as a plain
    one, since of the kinds that may have several frames the library wants their places."""
    if isinstance(volume, DicomPhotograph):
        plain = _copied(source, "SOPClassUID", "NumberOfFrames", "FrameOfReferenceUID")
        plain.SOPClassUID = VLPhotographicImageStorage
        return plain
    if volume.frames[0].number is None:
        return source
    groups = [_copied(source.PerFrameFunctionalGroupsSequence[(frame.number or 1) - 1]) for frame in volume.frames]
    shared = _copied(next(iter(source.get("SharedFunctionalGroupsSequence", [])), Dataset()))
    for name in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
        for group in groups:
            if name in group:
                shared.pop(name, None)
                shared.add(group[name])
                delattr(group, name)
    measures = _copied(shared.PixelMeasuresSequence[0], "SpacingBetweenSlices")
    measures.SpacingBetweenSlices = f"{volume.step_mm:.12g}"
    del shared.PixelMeasuresSequence
    shared.PixelMeasuresSequence = [measures]
    cut = _copied(source, "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "NumberOfFrames")
    cut.SharedFunctionalGroupsSequence = [shared]
    cut.PerFrameFunctionalGroupsSequence = groups
    cut.NumberOfFrames = len(groups)
    return cut


def _copied(dataset: Dataset, *without: str) -> Dataset:
    """The data set without some elements; unlike in the library's own copies, new elements do not reach the original.

    Others are shared: they must not be set again.
    """
    copied = FileDataset("", {}, file_meta=getattr(dataset, "file_meta", None))
    for element in dataset:
        if element.keyword not in without:
            copied.add(element)
    return copied


def _refer_to_frames(seg: Dataset, numbers: Sequence[int | None]) -> None:
    """References to frames of the cut source become references to frames of the file."""
    images = {
        id(image): image  # frames of several segments share it
        for group in seg.PerFrameFunctionalGroupsSequence
        for derivation in group.get("DerivationImageSequence", [])
        for image in derivation.SourceImageSequence
    }
    for image in images.values():
        image.ReferencedFrameNumber = numbers[int(image.ReferencedFrameNumber) - 1]


def _settle(dataset: Dataset, date: str, time: str, identity: Sequence[object]) -> None:
    """Replace what differs from run to run."""
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = date, time
    dataset.ContributingEquipmentSequence[-1].ContributionDateTime = date + time  # the library's own entry
    organisation = derived_uid("dimensions", *identity)
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = organisation
