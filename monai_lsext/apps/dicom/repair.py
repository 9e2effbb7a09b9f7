"""Faults of real DICOM files that can be mended without loss, each with one warning."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, DT, TM

from monai_lsext.apps.dicom.headers import PATIENT_GROUP, quiet

__all__ = ["derived_uid", "repair", "repair_header"]

_TIMES = {"DA": DA, "TM": TM, "DT": DT}
_SEXES = ("", "F", "M", "O")
# what an object on these images must repeat, empty when not known
_REQUIRED = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate"),
    *("StudyTime", "ReferringPhysicianName"),
)
_LEADING_ZERO = re.compile(r"(^|\.)0\d")


def derived_uid(*parts: object) -> str:
    """A valid identifier that depends on nothing but the parts (ISO/IEC 9834-8: 2.25 and a UUID)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '|'.join(map(str, parts))).int}"


def repair(sources: Sequence[Dataset], directions: np.ndarray, step_mm: float) -> list[str]:
    """Mend the data sets of a volume in place, so that an object on its grid can be made.

    Args:
        sources: one for each slice, or one multi-frame data set.
        directions: of row and column [2, 3] in LPS.
        step_mm: distance of slices.

    Returns:
        Warnings, a sentence for each kind of fault; names of elements, never a value of the patient's.

    """
    warnings = repair_header(sources)
    with quiet():
        warnings += _one_frame_of_reference(sources)
        for source in sources:
            if "ImagePositionPatient" in source:  # not in the groups of a multi-frame image
                source.ImageOrientationPatient = [f"{value:.12g}" for value in directions.ravel()]
                source.SpacingBetweenSlices = f"{step_mm:.12g}"
                source.PixelSpacing = sources[0].PixelSpacing
                source.SliceThickness = source.get("SliceThickness") or f"{step_mm:.12g}"
    return warnings


def repair_header(sources: Sequence[Dataset]) -> list[str]:
    """Mend in place what does not depend on the images' places.

    Returns:
        Warnings, as of :func:`repair`.

    Note:
        Identifiers of study, series and instances are kept to the letter, also invalid ones: a reference with another
        spelling would lead nowhere.
    """
    with quiet():
        warnings = _empty_invalid(sources)
        if any(_LEADING_ZERO.search(str(source.get(name, ""))) for source in sources for name in _UIDS):
            warnings.append("identifiers have a component with a leading zero: kept, so that references are found")
        for source in sources:
            for name in _REQUIRED:
                if name not in source:
                    setattr(source, name, "")
    return warnings


_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def _empty_invalid(sources: Sequence[Dataset]) -> list[str]:
    """Empty dates, times and a sex that are none, and what is no number of the patient, such as a weight of 70,5."""
    emptied: set[str] = set()
    for source in sources:
        for tag in list(source.keys()):
            if tag.is_private:
                continue
            try:
                vr = dictionary_VR(tag)
            except KeyError:
                continue
            kind = float if tag.group == PATIENT_GROUP and vr in ("DS", "IS") else _TIMES.get(vr)
            if kind is not None and not _is(kind, source[tag].value):
                emptied.add(source[tag].keyword)
                source[tag].value = ""
        if source.get("PatientSex") not in (*_SEXES, None):
            emptied.add("PatientSex")
            source.PatientSex = ""
    return [f"invalid values were emptied: {', '.join(sorted(emptied))}"] if emptied else []


def _is(kind: type, value: object) -> bool:
    values = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    try:
        for each in values:  # type: ignore[attr-defined]
            if each not in (None, ""):
                kind(each)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _one_frame_of_reference(sources: Sequence[Dataset]) -> list[str]:
    """One identifier for slices whose positions and orientations have shown that they lie in one space."""
    found = {str(source.get("FrameOfReferenceUID") or "") for source in sources}
    if len(found) == 1 and found != {""}:
        return []
    generated = derived_uid("frame of reference", sources[0].SeriesInstanceUID)
    for source in sources:
        source.FrameOfReferenceUID = generated
    what = "state no frame of reference" if found == {""} else f"state {len(found)} frames of reference"
    return [f"the images {what} though they lie on one grid: one was generated"]
