"""Sunnybrook cardiac data: short-axis cine MR with the left ventricle's cavity."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom

from monai_lsext.data.sunnybrook_reader import CONTOUR_SUFFIX, read_contour

__all__ = ["sunnybrook_datalist"]

FORMS = ("dicom", "nifti", "jpeg")
LEAST_GAP_MS = 60.0  # between end systole and end diastole; slices of one phase differ by some 10 ms


class _Frame(NamedTuple):
    number: int
    dicom: Path
    contour: Path
    time_ms: float
    area_px: float


def sunnybrook_datalist(dataset_dir: str | Path, form: str = "dicom") -> list[dict[str, Any]]:
    """All cases of the folder in one of its three forms; the label has 1 in the left ventricle's cavity.

    - ``dicom``: ``link.csv`` (columns ``patient_id``, ``original_id``), ``dicoms/<patient_id>/**/<...number>.dcm`` and
      ``contourfiles/<original_id>/**/IM-0001-<number>-icontour-manual.txt``. One item for each patient and phase, its
      "image" a list of frames, its "label" the same list followed by the contours:
      ``LoadImaged(reader=SunnybrookReader())`` makes volumes of both. Patients that lack either folder are passed over.
    - ``nifti``: ``nifti/<case>_img.nii.gz`` and ``<case>_lab.nii.gz``; 2 is myocardium where there is any.
    - ``jpeg``: ``images/<patient>/<number>.jpg`` and ``labels_png/<patient>/<number>.png``, one item for each slice.

    Args:
        dataset_dir: the folder.
        form: ``dicom`` (default), ``nifti`` or ``jpeg``.

    Returns:
        list of {"image", "label", "case"}, with "phase" (``ED``, ``ES``) but for ``jpeg``; sorted by case.

    Raises:
        FileNotFoundError: for missing folders or files, naming them.
        ValueError: for an unknown form, an unreadable contour, or two DICOM files of one number.

    Note:
        Frames with a contour alone are listed. End systole and diastole are told apart by the widest gap in trigger
        time; diastole is the one with the larger cavity. The outer contours are not read: those of patient SC-HF-I-6
        do not fit its images. Numbers in a name may have leading zeros or not (SC-HF-I-5, SC-HF-I-05).

    Reference:
        Radau et al., Evaluation Framework for Algorithms Segmenting Short Axis Cardiac MRI, The MIDAS Journal 2009.
    """
    if form not in FORMS:
        raise ValueError(f"`form` must be one of {list(FORMS)}, got {form!r}")
    root = Path(dataset_dir)
    items = {"dicom": _dicom, "nifti": _nifti, "jpeg": _jpeg}[form](root)
    if not items:
        raise FileNotFoundError(f"{root} holds no case of Sunnybrook in the form {form!r}")
    for item in items:
        if isinstance(item["label"], str) and not Path(item["label"]).is_file():
            raise FileNotFoundError(f"the label of {item['case']} is missing: expected {item['label']}")
    return sorted(items, key=lambda item: item["case"])


def _nifti(root: Path) -> list[dict[str, Any]]:
    items = []
    for image in (root / "nifti").glob("*_img.nii.gz"):
        case = image.name.removesuffix("_img.nii.gz")
        label = image.with_name(f"{case}_lab.nii.gz")
        items.append({"image": str(image), "label": str(label), "case": case, "phase": case.rsplit("_", 1)[-1]})
    return items


def _jpeg(root: Path) -> list[dict[str, Any]]:
    return [
        {
            "image": str(image),
            "label": str(root / "labels_png" / image.parent.name / f"{image.stem}.png"),
            "case": f"{image.parent.name}_{image.stem}",
        }
        for image in (root / "images").glob("*/*.jpg")
    ]


def _dicom(root: Path) -> list[dict[str, Any]]:
    link = root / "link.csv"
    if not link.is_file():
        raise FileNotFoundError(f"expected Sunnybrook's list of patients at {link}, but there is none")
    with open(link, newline="", encoding="utf-8") as file:
        patients = {row["patient_id"]: _plain(row["original_id"]) for row in csv.DictReader(file)}
    contours = {_plain(path.name): path for path in (root / "contourfiles").glob("*") if path.is_dir()}
    items = []
    for patient, original in patients.items():
        if original not in contours or not (root / "dicoms" / patient).is_dir():
            continue
        frames = _frames(patient, root / "dicoms" / patient, contours[original])
        for phase, stack in _phases(frames).items():
            image = [str(frame.dicom) for frame in stack]
            label = image + [str(frame.contour) for frame in stack]
            items.append({"image": image, "label": label, "case": f"{patient}_{phase}", "phase": phase})
    return items


def _plain(name: str) -> str:
    """The name without leading zeros in its numbers."""
    return re.sub(r"\b0+(?=\d)", "", name)


def _frames(patient: str, dicoms: Path, contours: Path) -> list[_Frame]:
    """Frames with a contour, in the order of their numbers."""
    files: dict[int, Path] = {}
    for path in sorted(dicoms.rglob("*.dcm")):
        found = re.search(r"(\d+)\.dcm$", path.name)
        if found and files.setdefault(int(found[1]), path) is not path:
            raise ValueError(f"{patient} has two DICOM files of number {int(found[1])}; keep one series")
    frames = []
    for contour in sorted(contours.rglob(f"IM-*{CONTOUR_SUFFIX}")):
        number = int(contour.name.removesuffix(CONTOUR_SUFFIX).rsplit("-", 1)[-1])
        if number not in files:
            raise FileNotFoundError(f"{patient} has a contour, but no DICOM file, of number {number}")
        header = pydicom.dcmread(files[number], stop_before_pixels=True, specific_tags=["TriggerTime"])
        if "TriggerTime" not in header:
            raise ValueError(f"{patient}: expected a trigger time in the DICOM file of number {number}, found none")
        x, y = read_contour(contour).T
        area = abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2
        frames.append(_Frame(number, files[number], contour, float(header.TriggerTime), area))
    return sorted(frames)


def _phases(frames: list[_Frame]) -> dict[str, list[_Frame]]:
    """``ED`` and ``ES``, or ``ED`` alone when all frames were taken at about one time."""
    if not frames:
        return {}
    times = np.sort([frame.time_ms for frame in frames])
    gaps = np.diff(times, append=times[-1])
    widest = int(gaps.argmax())
    if gaps[widest] < LEAST_GAP_MS:
        return {"ED": frames}
    early = [frame for frame in frames if frame.time_ms <= times[widest]]
    late = [frame for frame in frames if frame.time_ms > times[widest]]
    by_size = sorted((early, late), key=lambda stack: -float(np.mean([frame.area_px for frame in stack])))
    return dict(zip(("ED", "ES"), by_size, strict=True))
