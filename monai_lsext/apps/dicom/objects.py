"""The DICOM objects that are written for a case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from torch import Tensor

import monai_lsext
from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.dicom.headers import quiet
from monai_lsext.apps.dicom.photograph import PHOTOGRAPHS, DicomImage, DicomPhotograph
from monai_lsext.apps.dicom.rtstruct import structure_set
from monai_lsext.apps.dicom.seg import Producer, dicom_bytes, highdicom, segmentation_object
from monai_lsext.apps.dicom.sr import RATIOS, Finding, measurement_report, photograph_report
from monai_lsext.apps.dicom.volume import DicomVolume
from monai_lsext.registry import BundleInfo

__all__ = ["DicomWriter"]


class DicomWriter:
    """Writes what a bundle found in a volume as DICOM SEG, SR and RT Structure Set.

    Args:
        runner: the bundle.
        info: names and codes of its labels and regions.
        seg: whether SEGs are written.
        fractional: whether the SEG holds probabilities instead of the mask.
        sr: whether SRs are written too.
        rtstruct: whether RT Structure Sets are written.

    Raises:
        ValueError: for a SEG without highdicom, for options of the SEG without it, when probabilities are wanted of a
            bundle that gives none, or contours in the patient of one for photographs.
    """

    def __init__(
        self,
        runner: BundleRunner,
        info: BundleInfo,
        seg: bool = False,
        fractional: bool = False,
        sr: bool = False,
        rtstruct: bool = False,
    ) -> None:
        if seg:
            highdicom()  # before the first case is worked on
        elif fractional or sr:
            raise ValueError("`--fractional` and `--sr` are about the SEG: add --seg")
        if fractional and not runner.gives_probability:
            raise ValueError(
                f"`--fractional` needs a bundle that makes its mask of a probability by AsDiscreted, got {info.name}"
            )
        if rtstruct and info.series is not None and info.series.modality == PHOTOGRAPHS:
            raise ValueError("`--rtstruct` needs slices with a place in the patient, photographs have none")
        self.info = info
        self.seg, self.fractional, self.sr, self.rtstruct = seg, fractional, sr, rtstruct
        self.producer = Producer(
            runner.name, str(runner.metadata.get("version", "")), runner.weights_sha256, monai_lsext.__version__
        )

    def files(
        self,
        case: str,
        volume: DicomImage,
        label_map: np.ndarray,
        probability: Tensor | None,
        report: dict[str, Any],
    ) -> dict[str, bytes]:
        """Name -> content of a case's objects.

        Args:
            label_map: integers [W, H, D], or [W, H] of a single slice.
            probability: as the bundle gave it.
            report: gets a note where nothing was found.
        """
        label_map = label_map.reshape(volume.shape)
        seg = self._seg(volume, label_map, probability) if self.seg else None
        files = {}
        if seg is not None:
            files[f"{case}_seg.dcm"] = dicom_bytes(seg)
            if self.sr:
                files[f"{case}_sr.dcm"] = dicom_bytes(self._measurements(seg, volume, label_map, report))
        if self.rtstruct and isinstance(volume, DicomVolume):
            contours = structure_set(volume, label_map, self.info, self.producer)
            if contours is not None:
                files[f"{case}_rtstruct.dcm"] = dicom_bytes(contours)
        if not files and (self.seg or self.rtstruct):
            report["notes"].append("nothing was found: no DICOM object was written")
        return files

    def _seg(self, volume: DicomImage, label_map: np.ndarray, probability: Tensor | None) -> Dataset | None:
        values = None
        if self.fractional:
            values = label_probability(probability, len(self.info.labels)).reshape(-1, *label_map.shape)
        return segmentation_object(volume, label_map, self.info, self.producer, values)

    def _measurements(self, seg: Dataset, volume: DicomImage, label_map: np.ndarray, report: dict[str, Any]) -> Dataset:
        counts = {label: int((label_map == label.value).sum()) for label in self.info.labels}
        found = {label: count for label, count in counts.items() if count}
        source = volume.sources[0]
        if isinstance(volume, DicomPhotograph):
            values = report["measurements"]
            ratios = {name: values[name] for name in RATIOS if values.get(name) is not None}
            return photograph_report(seg, source, list(found), ratios, self.producer)
        voxel_ml = abs(float(np.linalg.det(volume.affine[:3, :3]))) / 1000
        findings = [Finding(seg, label, round(count * voxel_ml, 4), label.name) for label, count in found.items()]
        return measurement_report(findings, str(source.get("Modality", "")), self.producer)

    def fraction_files(self, series: str, content: dict[str, Any], modality: str, output: Path) -> dict[str, bytes]:
        """Name -> content of the SR of an ejection fraction; none where it is not defined.

        Args:
            series: name of the cine's series.
            content: see :func:`monai_lsext.apps.ejection_fraction.ejection_fractions`; gets a note where the SR cannot
                be made.
            modality: of the images.
            output: folder with the SEGs of both phases.
        """
        fraction, cavity = content["ejection_fraction_percent"], self.info.regions[-1].values
        labels = [label for label in self.info.labels if (label.value,) == cavity]
        phases = {phase: output / f"{content[phase]['case']}_seg.dcm" for phase in ("end_diastole", "end_systole")}
        # without a SEG nothing was found in that phase
        if not self.sr or fraction is None or not labels or not all(path.is_file() for path in phases.values()):
            return {}
        findings = []
        for phase, path in phases.items():
            with quiet():
                seg = pydicom.dcmread(path, stop_before_pixels=True)
            title = f"{labels[0].name}, {phase.replace('_', ' ')}"
            findings.append(Finding(seg, labels[0], content[phase]["volume_ml"], title))
        try:
            sr = measurement_report(findings, modality, self.producer, fraction)
        except ValueError as error:
            content["notes"].append(str(error))
            return {}
        return {f"{series}_ejection_fraction_sr.dcm": dicom_bytes(sr)}


def label_probability(probability: Tensor | None, num_labels: int) -> np.ndarray:
    """Probability [L, \\*S] of each label.

    Args:
        probability: [1, \\*S] of one label, or [L + 1, \\*S] with the background first.

    Raises:
        ValueError: for other channels, or values out of 0 .. 1.
    """
    values = np.empty(0) if probability is None else probability.numpy()
    if len(values) == num_labels + 1:
        values = values[1:]
    elif len(values) != 1 or num_labels != 1:
        raise ValueError(
            f"`--fractional` needs a probability for each of {num_labels} labels, got {len(values)} channels"
        )
    # interpolation on the way back to the file's grid may leave the range by rounding
    if not np.isfinite(values).all() or values.min() < -1e-3 or values.max() > 1 + 1e-3:
        raise ValueError(f"`--fractional` needs probabilities, got values in {values.min():g} .. {values.max():g}")
    return values.clip(0, 1)
