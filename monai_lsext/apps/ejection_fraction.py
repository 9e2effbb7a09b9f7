"""Ejection fraction of the patients of a cohort, from the volumes of their cavity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_lsext.registry import BundleInfo

__all__ = ["EJECTION_FRACTION", "ejection_fractions"]

EJECTION_FRACTION = "ejection_fraction"  # name in ``BundleInfo.measurements``

# patient001_frame01 of ACDC, SCD0000101_ED_img of Sunnybrook, series-1234_phase1 of a DICOM cine; what follows
# otherwise, as in _gt, is no image
_CASE = re.compile(r"(?P<patient>.+?)_(?:(?P<phase>ED|ES)(?:_img)?|(?:frame|phase)(?P<frame>\d+))", re.IGNORECASE)
_INFO_LINE = re.compile(r"^(ED|ES):\s*(\d+)", re.MULTILINE)


def ejection_fractions(reports: Sequence[dict[str, Any]], info: BundleInfo, folder: Path) -> dict[str, dict[str, Any]]:
    """Ejection fraction (EDV - ESV) / EDV of each patient with two volumes or more.

    Args:
        reports: of the cases, see :func:`monai_lsext.apps.report.case_report`. ``<patient>_ED``, ``<patient>_ES`` (with
            or without ``_img``), ``<patient>_frameMM`` and ``<series>_phaseK`` belong to one patient.
        info: its last region, the innermost, is the cavity.
        folder: with ACDC's ``Info.cfg``, which tells the phase of the frames where the cohort is of one patient.

    Returns:
        patient -> cases and volumes of both phases, the fraction in percent, and notes.

    Note:
        A phase that neither names nor ``Info.cfg`` tell is the largest volume (end diastole) or the smallest of the
        others (end systole). Without a unit of length the fraction is the ratio of voxels; it is None where the voxels
        then differ in size, or where no cavity was found.
    """
    patients: dict[str, list[dict[str, Any]]] = {}
    for report in reports:
        match = _CASE.fullmatch(report["case"])
        if match and f"{info.regions[-1].name}_volume_voxels" in report["measurements"]:
            patients.setdefault(match["patient"], []).append(_volume(report, match, info))
    if len(patients) == 1 and (folder / "Info.cfg").is_file():
        text = (folder / "Info.cfg").read_text(encoding="utf-8", errors="replace")
        phases = {int(frame): phase for phase, frame in _INFO_LINE.findall(text)}
        for volume in next(iter(patients.values())):
            volume["phase"] = volume["phase"] or phases.get(volume["frame"])
    return {patient: _of_patient(patient, volumes) for patient, volumes in patients.items() if len(volumes) > 1}


def _volume(report: dict[str, Any], match: re.Match[str], info: BundleInfo) -> dict[str, Any]:
    name, values = info.regions[-1].name, report["measurements"]
    return {
        "phase": match["phase"] and match["phase"].upper(),
        "frame": match["frame"] and int(match["frame"]),
        "spacing": report["image"]["header_spacing"],
        "case": report["case"],
        "volume_voxels": values[f"{name}_volume_voxels"],
        "volume_ml": values.get(f"{name}_volume_ml"),
    }


def _of_patient(patient: str, volumes: list[dict[str, Any]]) -> dict[str, Any]:
    in_ml = all(volume["volume_ml"] is not None for volume in volumes)
    size = "volume_ml" if in_ml else "volume_voxels"
    comparable = in_ml or all(_same(volume["spacing"], volumes[0]["spacing"]) for volume in volumes)

    def pick(phase: str, among: list[dict[str, Any]], otherwise: Any) -> dict[str, Any]:
        named = [volume for volume in among if volume["phase"] == phase]
        return named[0] if len(named) == 1 else otherwise(among, key=lambda volume: volume[size])

    diastole = pick("ED", [volume for volume in volumes if volume["phase"] != "ES"] or volumes, max)
    systole = pick("ES", [volume for volume in volumes if volume is not diastole], min)
    fraction = None
    if comparable and diastole[size] > 0:
        fraction = round(100 * (1 - systole[size] / diastole[size]), 2)
    notes = []
    if (diastole["phase"], systole["phase"]) != ("ED", "ES"):
        notes.append("the names do not tell the phases: the larger cavity is taken for end diastole")
    if not comparable:
        notes.append("no unit of length is known and the voxels differ in size: the volumes cannot be compared")
    elif not in_ml:
        notes.append("no unit of length is known: the ejection fraction is the ratio of volumes in voxels")
    if min(diastole[size], systole[size]) == 0:
        notes.append("no cavity was found in at least one of the phases")
    if fraction is not None and fraction < 0:
        notes.append("the cavity is larger in end systole than in end diastole")
    shown = ("case", "volume_voxels", "volume_ml")
    return {
        "patient": patient,
        "end_diastole": {name: diastole[name] for name in shown},
        "end_systole": {name: systole[name] for name in shown},
        "ejection_fraction_percent": fraction,
        "notes": notes,
    }


def _same(spacing: Sequence[float] | None, other: Sequence[float] | None) -> bool:
    if spacing is None or other is None:
        return spacing is other
    return bool(np.allclose(spacing, other, rtol=1e-3))
