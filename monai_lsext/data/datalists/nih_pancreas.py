"""NIH Pancreas-CT: the data set's own DICOM series with NIfTI labels, or single slices of it as pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nibabel as nib

from .listed_cases import ListedCases, index_rows, require_files

__all__ = ["NIH_SLICE_COLUMNS", "nih_pancreas_cases", "nih_pancreas_slices"]

NIH_SLICE_COLUMNS = ("file", "patient")
_LABEL = re.compile(r"label(\d{4})\.nii(\.gz)?")


def nih_pancreas_cases(dataset_dir: str | Path) -> ListedCases:
    """Volumes of NIH Pancreas-CT; an item's "image" is a folder of DICOM files, its "label" a NIfTI file.

    Anywhere below the folder, ``PANCREAS_NNNN/**/*.dcm``, one series for each patient, and ``labelNNNN.nii.gz``. Left
    out is a patient without label, without frames or with several folders of them, and one whose label has another
    number of slices than the series has files. The grids of image and label are brought together by
    :class:`monai_lsext.transforms.LabelOnGridd`.

    Args:
        dataset_dir: the folder.

    Raises:
        FileNotFoundError: when no case is left, with the reasons.

    Reference:
        Roth et al., DeepOrgan: multi-level deep convolutional networks for automated pancreas segmentation, 2015.
    """
    root = Path(dataset_dir)
    labels = {match[1]: path for path in sorted(root.rglob("label*")) if (match := _LABEL.fullmatch(path.name))}
    items, left_out = [], {}
    for patient in sorted(path for path in root.rglob("PANCREAS_[0-9][0-9][0-9][0-9]") if path.is_dir()):
        series = sorted({path.parent for path in patient.rglob("*.dcm")})
        label = labels.get(patient.name.removeprefix("PANCREAS_"))
        if reason := _fault(series, label):
            left_out[patient.name] = reason
        else:
            known = {"case": patient.name, "patient": patient.name}
            items.append({"image": str(series[0]), "label": str(label), **known})
    cases = ListedCases(items, left_out)
    if not items:
        raise FileNotFoundError(f"{root} holds no DICOM series of NIH Pancreas-CT with its label: {cases.summary()}")
    return cases


def nih_pancreas_slices(dataset_dir: str | Path) -> ListedCases:
    """Single slices: ``index.csv`` (columns ``file``, ``patient``), ``images/<file>``, ``labels/<name>.png``.

    Args:
        dataset_dir: the folder.

    Raises:
        FileNotFoundError: for missing files, naming them.
    """
    root = Path(dataset_dir)
    items: list[dict[str, Any]] = []
    for row in index_rows(root):
        name = Path(row["file"]).stem
        files = {"image": str(root / "images" / row["file"]), "label": str(root / "labels" / f"{name}.png")}
        items.append({**files, "case": name, "patient": row["patient"]})
    require_files(items)
    return ListedCases(items, {})


def _fault(series: list[Path], label: Path | None) -> str | None:
    """Why a patient cannot be used."""
    if len(series) != 1:
        return "several series" if series else "no DICOM file"
    if label is None:
        return "no label"
    try:
        shape = nib.nifti1.load(label).shape
    except (OSError, nib.filebasedimages.ImageFileError):
        return "unreadable label"
    frames = sum(1 for _ in series[0].glob("*.dcm"))
    return None if len(shape) == 3 and shape[2] == frames else "label with another number of slices"
