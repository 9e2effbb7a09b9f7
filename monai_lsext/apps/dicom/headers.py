"""What the header of a DICOM image says of its place in a series; nothing of the patient."""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

__all__ = [
    "PATIENT_GROUP",
    "Frame",
    "frames_of",
    "is_dicom",
    "is_image",
    "patient_of",
    "quiet",
    "read_header",
    "without_patient",
]

_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "ImageType"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PixelSpacing"),
    *("ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "SpacingBetweenSlices"),
    *("InstanceNumber", "TriggerTime", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
]
PATIENT_GROUP = 0x0010
_PREAMBLE = 128
# A file without the preamble starts with the first element of its meta information, or one of these of group 8.
_FIRST_TAGS = (b"\2\0\0\0", b"\x08\0\0\0", b"\x08\0\1\0", b"\x08\0\5\0", b"\x08\0\x08\0", b"\x08\0\x16\0")
_NO_IMAGES = ("SEG", "RTDOSE")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7."  # the dot tells it from photographs: ....77.1


@dataclass(frozen=True)
class Frame:
    """One slice: a file, or a frame of a multi-frame file.

    Args:
        path: of the file.
        number: of the frame in a multi-frame file, from 1; None for a file of one image.
        position_mm: of the centre of the first pixel, LPS; None where not stated.
        orientation: directions of a row and of a column, LPS, six numbers.
        spacing_mm: distance of rows, then of columns.
        thickness_mm: distance of slices where stated, otherwise a slice's thickness.
        trigger_ms: time after the R wave, or the temporal position of a frame.
        instance: its number.
        kind: "localiser" (a survey image) or "secondary capture" (a picture of a screen); None for a slice.
    """

    path: Path
    sop_instance_uid: str
    number: int | None
    rows: int
    columns: int
    position_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing_mm: tuple[float, ...] | None
    thickness_mm: float | None
    trigger_ms: float | None
    instance: int
    kind: str | None = None

    @property
    def label(self) -> str:
        """The end of the instance's identifier, by which messages name it: file names may name the patient."""
        frame = "" if self.number is None else f" frame {self.number}"
        return f"...{self.sop_instance_uid[-12:]}{frame}"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep DICOM libraries from writing an element's value, such as a name, to the log or the screen."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def patient_of(dataset: Dataset) -> dict[str, str]:
    """Identity of the patient as a file states it: for who asks for it alone."""
    keywords = {"id": "PatientID", "name": "PatientName", "birth_date": "PatientBirthDate", "sex": "PatientSex"}
    return {name: str(dataset.get(keyword) or "") for name, keyword in keywords.items()}


def without_patient(text: str, dataset: Dataset) -> str:
    """A message without the values of the data set's patient module (group 0010), nor parts of a name."""
    with quiet():
        values = {_text(dataset, tag) for tag in list(dataset.group_dataset(PATIENT_GROUP).keys())}
    parts = {part for value in values for part in [value, *re.split(r"[\^=\s]", value)] if len(part) > 1}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, "***")
    return text


def _text(dataset: Dataset, tag: BaseTag) -> str:
    try:
        # a weight tells nobody, and its digits are met in other numbers
        return "" if dataset[tag].VR in ("SQ", "DS", "IS") else str(dataset[tag].value)
    except Exception:  # a value of a wrong form is what messages quote
        value = dataset.get_item(tag).value
        return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its first bytes; its name says nothing."""
    try:
        with open(path, "rb") as stream:
            start = stream.read(_PREAMBLE + 4)
    except OSError:
        return False
    return start[_PREAMBLE:] == b"DICM" or start[:4] in _FIRST_TAGS


def read_header(path: Path) -> Dataset | None:
    """The elements that a scan needs, without pixels; None for a damaged file."""
    try:
        with quiet():
            return pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=_TAGS)
    except Exception:  # a damaged file can raise anything inside the parser
        return None


def is_image(header: Dataset) -> bool:
    """Whether the object is an image, not a segmentation, report or contour set of one."""
    return "Rows" in header and "Columns" in header and header.get("Modality") not in _NO_IMAGES


def frames_of(header: Dataset, path: Path) -> list[Frame]:
    """The slices of an image's file.

    Raises:
        ValueError: when the header cannot be understood.
    """
    try:
        with quiet():
            number_of_frames = int(header.get("NumberOfFrames") or 1)
            groups = list(header.get("PerFrameFunctionalGroupsSequence") or [])
            if number_of_frames == 1 and not any(groups):  # one empty group is met in plain files
                return [_frame(path, header, None, [header])]
            shared = list(header.get("SharedFunctionalGroupsSequence") or [])
            # an older multi-frame object has no groups: its frames have no places of their own
            groups = groups or [Dataset() for _ in range(number_of_frames)]
            return [_frame(path, header, number, [group, *shared]) for number, group in enumerate(groups, 1)]
    except Exception as error:  # values of a wrong form raise anything
        raise ValueError("header of an image cannot be understood") from error


def _frame(path: Path, header: Dataset, number: int | None, places: Sequence[Dataset]) -> Frame:
    trigger = _number(_find(places, "CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"))
    if trigger is None:
        trigger = _number(_find(places, "FrameContentSequence", "TemporalPositionIndex"))
    if trigger is None:
        trigger = _number(header.get("TriggerTime"))
    thickness = _number(_find(places, "PixelMeasuresSequence", "SpacingBetweenSlices"))
    if not thickness:
        thickness = _number(_find(places, "PixelMeasuresSequence", "SliceThickness"))
    return Frame(
        path=path,
        sop_instance_uid=str(header.get("SOPInstanceUID", "")),
        number=number,
        rows=int(header.Rows),
        columns=int(header.Columns),
        position_mm=_numbers(_find(places, "PlanePositionSequence", "ImagePositionPatient"), 3),
        orientation=_numbers(_find(places, "PlaneOrientationSequence", "ImageOrientationPatient"), 6),
        spacing_mm=_numbers(_find(places, "PixelMeasuresSequence", "PixelSpacing"), 2),
        thickness_mm=thickness,
        trigger_ms=trigger,
        instance=int(_number(header.get("InstanceNumber")) or 0) if number is None else number,
        kind=_kind(header),
    )


def _kind(header: Dataset) -> str | None:
    types = header.get("ImageType") or []
    if "LOCALIZER" in ([types] if isinstance(types, str) else list(types)):
        return "localiser"
    return "secondary capture" if f"{header.SOPClassUID}.".startswith(_SECONDARY_CAPTURE) else None


def _find(places: Sequence[Dataset], group: str, keyword: str) -> Any:
    """An element of a functional group, or of the data set itself, at the first place that has it."""
    for place in places:
        for item in (place, *(place.get(group) or [])):
            if item.get(keyword) is not None:
                return item.get(keyword)
    return None


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(value) if math.isfinite(float(value)) else None


def _numbers(values: Any, count: int) -> tuple[float, ...] | None:
    if values is None or isinstance(values, str) or len(values) != count:
        return None
    numbers = tuple(_number(value) for value in values)
    return None if None in numbers else numbers  # type: ignore[return-value]
