"""The image series that lie in a folder, told apart by their identifiers."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID, MediaStorageDirectoryStorage

from monai_lsext.apps.dicom.headers import Frame, frames_of, is_dicom, is_image, quiet, read_header

__all__ = ["Scan", "Series", "called_dicom", "scan"]

_SUFFIXES = (".dcm", ".dicom", ".ima")
_DAMAGED = "damaged DICOM files"
_NAMELESS = "images without the identifiers of their study, series and instance"


@dataclass
class Series:
    """Facts of one series.

    Args:
        study_uid, series_uid: identifiers as the files state them.
        modality: such as CT or MR.
        frames: its images in the order of the files' names.
    """

    study_uid: str
    series_uid: str
    modality: str
    frames: list[Frame] = field(default_factory=list)

    @property
    def name(self) -> str:
        """``series-`` and the last 12 characters of its identifier, fit for a file name."""
        return f"series-{re.sub(r'[^0-9A-Za-z.-]', '_', self.series_uid)[-12:]}"

    @property
    def kind(self) -> str | None:
        """Kind of its images, None where there are slices among them."""
        return None if any(frame.kind is None for frame in self.frames) else self.frames[0].kind

    @property
    def slices(self) -> list[Frame]:
        """Its images without localisers and screen captures; all where it holds nothing else."""
        return [frame for frame in self.frames if frame.kind is None] or self.frames

    @property
    def description(self) -> str:
        """One line: modality, number and size of the images, identifier."""
        sizes = sorted({f"{frame.columns} x {frame.rows}" for frame in self.frames})
        return (
            f"{self.modality or 'no modality'}, {len(self.frames)} images of {' and '.join(sizes)}, {self.series_uid}"
        )


@dataclass
class Scan:
    """What lies in a folder.

    Args:
        series: image series, sorted by study and series identifier.
        passed_over: kind of file -> number, for everything else.
    """

    series: list[Series]
    passed_over: dict[str, int]

    @property
    def lost(self) -> str | None:
        """Images of which nobody knows the series, in words; None where there are none."""
        found = [f"{self.passed_over[kind]} {kind}" for kind in (_DAMAGED, _NAMELESS) if kind in self.passed_over]
        return " and ".join(found) or None


def called_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its name; most have none that says so."""
    return path.suffix.lower() in _SUFFIXES


def scan(path: str | os.PathLike[str]) -> Scan:
    """Look for DICOM images in a file, or in a folder at any depth and under any name.

    Args:
        path: file or folder. Symbolic links that lead out of the folder and archives are not followed.
    """
    series: dict[tuple[str, str], Series] = {}
    passed_over: Counter[str] = Counter()
    for file, reason in _files(Path(path)):
        reason = reason or _add(file, series)
        if reason:
            passed_over[reason] += 1
    ordered = [series[key] for key in sorted(series)]
    return Scan(ordered, dict(sorted(passed_over.items())))


def _files(path: Path) -> Iterator[tuple[Path, str | None]]:
    """Each file once, with the reason why it is not read."""
    if not path.is_dir():
        yield path, None
        return
    root = path.resolve()
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in folders:
            if (Path(folder) / name).is_symlink():
                yield Path(folder) / name, "symbolic links"
        for name in sorted(names):
            file = Path(folder) / name
            if not file.is_symlink():
                yield file, None if file.is_file() else "other files"  # a pipe would be waited for
            elif not file.resolve().is_relative_to(root):
                yield file, "symbolic links"
            # a link to a file inside the folder: the file itself is met


def _add(file: Path, series: dict[tuple[str, str], Series]) -> str | None:
    """Add the file's image to its series; the reason when it holds none."""
    if not is_dicom(file):
        return _DAMAGED if called_dicom(file) else "other files"
    header = read_header(file)
    if header is not None and header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return "directories of DICOM files"
    if header is None or "SOPClassUID" not in header:
        return _DAMAGED
    with quiet():
        if not is_image(header):
            return _kind(header)
        keys = str(header.get("StudyInstanceUID", "")), str(header.get("SeriesInstanceUID", ""))
        if not all(keys) or not header.get("SOPInstanceUID"):
            return _NAMELESS
        found = series.get(keys) or Series(*keys, str(header.get("Modality", "")))
    try:
        found.frames += frames_of(header, file)
    except ValueError:
        return _DAMAGED
    series[keys] = found
    return None


def _kind(header: Dataset) -> str:
    """What an object without an image is, in the plural."""
    name = UID(str(header.SOPClassUID)).name
    if name.endswith("Image Storage"):  # an image whose header ends before its size
        return _DAMAGED
    return f"{header.get('Modality') or 'other DICOM'} objects"
