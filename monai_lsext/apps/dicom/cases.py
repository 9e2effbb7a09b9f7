"""The cases of a DICOM input: the volumes of the series that a bundle takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from monai_lsext.apps.dicom.choice import why_not
from monai_lsext.apps.dicom.headers import Frame, is_dicom, without_patient
from monai_lsext.apps.dicom.phases import mean_orientation, split_phases
from monai_lsext.apps.dicom.photograph import PHOTOGRAPHS, DicomImage, read_photograph
from monai_lsext.apps.dicom.pixels import read_dataset
from monai_lsext.apps.dicom.repair import repair, repair_header
from monai_lsext.apps.dicom.series import Scan, Series, called_dicom, scan
from monai_lsext.apps.dicom.volume import read_volume
from monai_lsext.data.checked_dataset import error_sentence
from monai_lsext.data.image_file import NIFTI_SUFFIXES, PICTURE_SUFFIXES
from monai_lsext.registry import BundleInfo

__all__ = ["DicomCase", "DicomInput", "dicom_input"]


@dataclass(frozen=True)
class DicomCase:
    """One volume or photograph of a series.

    Args:
        name: ``series-<end of its identifier>[_phaseK]``, of one of several photographs ``[_imageK]``.
        series: it belongs to.
        frames: its slices; empty where ``fault`` says why there are none.
        phase: number of the phase from 1, None without phases.
        num_phases: of the series.
        warnings: of sorting the images.
        fault: why the images are no volume.
        photograph: whether it is one.
    """

    name: str
    series: Series
    frames: list[Frame] = field(default_factory=list)
    phase: int | None = None
    num_phases: int = 1
    warnings: list[str] = field(default_factory=list)
    fault: str | None = None
    photograph: bool = False

    def read(self) -> DicomImage:
        """The volume or photograph with its repaired sources.

        Raises:
            ValueError: when the images make no volume.
        """
        if self.fault is not None:
            raise ValueError(self.fault)
        facts = {
            "study_instance_uid": self.series.study_uid,
            "series_instance_uid": self.series.series_uid,
            "modality": self.series.modality,
        }
        if self.photograph:
            picture = read_photograph(self.frames[0])
            picture.warnings = repair_header(picture.sources)
            picture.facts = {**facts, "sop_instance_uid": self.frames[0].sop_instance_uid}
            return picture
        volume = read_volume(self.frames)
        repaired = repair(volume.sources, mean_orientation(self.frames), volume.step_mm)
        volume.warnings[:0] = [*self.warnings, *repaired]
        volume.facts = {**facts, "phase": self.phase, "num_phases": self.num_phases}
        return volume


class DicomInput:
    """The cases of the series that fit a bundle, or of the series that the user names.

    Args:
        found: what lies in the input.
        info: of the bundle; its rule chooses.
        series_uid: of the only series that is taken, whatever the rule says.

    Note:
        Files of an unknown series are one more case, ``unknown-series``, which cannot be read: they may be the ends of
        a stack, whose loss shows nowhere else.

    Raises:
        ValueError: when there is no such series, none fits or two cases have one name.
    """

    def __init__(self, found: Scan, info: BundleInfo, series_uid: str | None = None) -> None:
        self.lines: list[str] = []
        cases: list[DicomCase] = []
        reasons = []
        for series in found.series:
            reason = _why_not(series, info, series_uid)
            photographs = info.series is not None and info.series.modality == PHOTOGRAPHS
            taken = [] if reason else _photographs(series) if photographs else _cases(series)
            cases += taken
            if reason:
                reasons.append(f"{series.name}: {reason}")
            phases = f", {len(taken)} {'photographs' if photographs else 'phases'}" if len(taken) > 1 else ""
            outcome = f"passed over: {reason}" if reason else f"taken{phases}"
            self.lines.append(f"{series.name}: {series.description}: {outcome}")
        self.lines += [f"passed over: {number} {kind}" for kind, number in found.passed_over.items()]
        if not cases:
            nothing = "; ".join(reasons) or ", ".join(f"{n} {kind}" for kind, n in found.passed_over.items())
            raise ValueError(f"no DICOM series fits {info.name}: {nothing}")
        if found.lost is not None:
            fault = f"{found.lost}: a series may lack slices at its ends"
            cases.append(DicomCase("unknown-series", Series("", "", ""), fault=fault))
        self.cases: dict[str, DicomCase] = {}
        for case in cases:
            other = self.cases.setdefault(case.name, case)
            if other is not case:
                raise ValueError(
                    f"case names must differ, got two {case.name}: choose with --series {other.series.series_uid} or "
                    f"{case.series.series_uid}"
                )

    @property
    def datalist(self) -> list[dict[str, str]]:
        """One item a case; its file does not exist before it is opened."""
        return [{"image": name, "case": name} for name in self.cases]

    def files(self, name: str) -> list[Path]:
        """The files of a case, each once, in the order of its slices."""
        return list(dict.fromkeys(frame.path for frame in self.cases[name].frames))

    def sentence(self, name: str, error: Exception, length: int = 300) -> str:
        """What went wrong with a case, without what its headers say of the patient, names of files and folders."""
        text = error_sentence(error, length=100 * length)
        files = self.files(name)
        for file in files:
            text = text.replace(str(file), "a file of the series")
        if files:
            try:
                text = without_patient(text, read_dataset(self.cases[name].frames[0]))
            except ValueError:
                text = "its files cannot be read"  # what the message may quote is not known
        return text if len(text) <= length else text[: length - 3] + "..."

    @contextmanager
    def opened(self, name: str) -> Iterator[tuple[dict[str, str], DicomImage]]:
        """A case's volume, and an item whose image is a temporary file of it (NIfTI, PNG): bundles load files."""
        volume = self.cases[name].read()
        with tempfile.TemporaryDirectory(prefix="monai_lsext_") as folder:
            path = Path(folder) / f"{name}{volume.suffix}"
            volume.save(path)
            yield {"image": str(path), "case": name}, volume


def dicom_input(path: str, info: BundleInfo, series_uid: str | None = None, wanted: bool = False) -> DicomInput | None:
    """The DICOM cases of an input, None for an input of another kind.

    Args:
        path: a file, or a folder: DICOM when no PNG, JPEG, TIFF or NIfTI file lies directly in it.
        info: of the bundle.
        series_uid: of the only series to take; then the input must be DICOM.
        wanted: whether an option needs DICOM.

    Raises:
        ValueError: for a folder with images of both kinds, and see :class:`DicomInput`.
    """
    source = Path(path)
    wanted = wanted or series_uid is not None
    if source.is_dir():
        files = [file for file in source.iterdir() if file.is_file() and not file.name.startswith(".")]
        others = [file for file in files if file.name.lower().endswith(PICTURE_SUFFIXES + NIFTI_SUFFIXES)]
        if others and not wanted:
            if any(is_dicom(file) for file in files):
                raise ValueError("input folder holds DICOM and other images; choose the DICOM ones with --series UID")
            return None
    elif not source.is_file() or not (is_dicom(source) or called_dicom(source)):
        if wanted:
            raise ValueError("DICOM options such as `--seg` and `--series` need a DICOM file or folder as input")
        return None
    found = scan(source)
    if not found.series and not wanted and set(found.passed_over) <= {"other files"}:
        return None
    return DicomInput(found, info, series_uid)


def _why_not(series: Series, info: BundleInfo, series_uid: str | None) -> str | None:
    if series_uid is not None:
        return None if series.series_uid == series_uid else "another series was asked for"
    if info.series is None:
        return f"the bundle takes no DICOM series but {info.takes}"
    return why_not(series, info.series)


def _photographs(series: Series) -> list[DicomCase]:
    frames = sorted(series.slices, key=lambda frame: (frame.instance, frame.sop_instance_uid))
    names = [f"{series.name}_image{k}" for k in range(1, len(frames) + 1)] if len(frames) > 1 else [series.name]
    return [DicomCase(name, series, [frame], photograph=True) for name, frame in zip(names, frames, strict=True)]


def _cases(series: Series) -> list[DicomCase]:
    try:
        phases, warnings = split_phases(series.slices)
    except ValueError as error:
        return [DicomCase(series.name, series, fault=str(error))]
    left_out = len(series.frames) - len(series.slices)
    if left_out:
        warnings.append(f"localisers or screen captures among the images were left out: {left_out}")
    if len(phases) == 1:
        return [DicomCase(series.name, series, phases[0], warnings=warnings)]
    return [
        DicomCase(f"{series.name}_phase{number}", series, frames, number, len(phases), warnings)
        for number, frames in enumerate(phases, 1)
    ]
