"""ACDC: short-axis cine MR of the heart in end diastole and end systole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from .folds import cross_validation_part

__all__ = ["LEFT_VENTRICLE", "acdc_datalist"]

LEFT_VENTRICLE = 3  # 1 right ventricle, 2 myocardium
PARTS = ("all", "train", "val", "test")
TEST_FOLDERS = ("validation", "testing")
FRAME = re.compile(r"(patient\d+)_frame(\d+)\.nii(?:\.gz)?")


def acdc_datalist(
    dataset_dir: str | Path,
    part: str = "train",
    fold: int | None = 0,
    num_folds: int = 5,
    seed: int = 0,
    num_images: int | None = None,
) -> list[dict[str, Any]]:
    """Volumes of one part, or single slices of its training volumes; no two parts share a patient.

    The folder holds ``training`` and ``validation`` (or ``testing``) with
    ``patientNNN/patientNNN_frameMM.nii.gz`` and ``..._gt.nii.gz``: 1 right ventricle, 2 myocardium, 3 cavity of the
    left ventricle. The folds are cut by patient inside ``training``; the other folder is the test part.

    Args:
        dataset_dir: the folder.
        part: ``train``, ``val``, ``test``, or ``all`` of training and validation.
        fold: validation fold, 0 to ``num_folds`` - 1; None: ``train`` and ``val`` are both all of ``training``.
        num_folds: number of folds, default 5.
        seed: seed of the folds and of the drawn slices.
        num_images: None (default): volumes. Otherwise, for ``train`` alone, so many slices that hold the left
            ventricle, drawn from all such slices; with one seed and fold, a smaller set lies inside a larger one.

    Returns:
        list of {"image", "label", "case", "patient", "phase"}, a drawn slice with its index along the last axis as
        "slice";
        ``phase`` is ``ED`` or ``ES`` by ``Info.cfg``, without that file ``ED`` for a patient's first frame.

    Raises:
        FileNotFoundError: for missing folders or files, naming them.
        ValueError: for an unknown option, too few patients, or more slices than there are.

    Note:
        The paper (Nguyen & Ray, 2019) nests its training subsets, but does not say how they are drawn.

    Reference:
        Bernard et al., Deep Learning Techniques for Automatic MRI Cardiac Multi-Structures Segmentation and Diagnosis,
        IEEE TMI 2018.
    """
    if part not in PARTS:
        raise ValueError(f"`part` must be one of {list(PARTS)}, got {part!r}")
    if num_images is not None and (part != "train" or num_images < 1):
        raise ValueError(f"`num_images` must be >= 1 with part 'train' and None otherwise, got {num_images}, {part!r}")
    patients = _patients(_part_folder(Path(dataset_dir), part))
    if part != "test":
        patients = cross_validation_part(patients, part, fold, num_folds, seed)
    volumes = [volume for patient in patients for volume in _volumes(patient)]
    return volumes if num_images is None else _drawn_slices(volumes, num_images, seed)


def _part_folder(root: Path, part: str) -> Path:
    names = TEST_FOLDERS if part == "test" else ("training",)
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"expected ACDC's folder {' or '.join(names)} in {root}, but there is none")


def _patients(folder: Path) -> list[Path]:
    patients = sorted(path for path in folder.glob("patient*") if path.is_dir())
    if not patients:
        raise FileNotFoundError(f"expected folders patientNNN in {folder}, but there is none")
    return patients


def _volumes(patient: Path) -> list[dict[str, Any]]:
    """Both frames of a patient, in their order in time."""
    images = {int(match[2]): path for path in sorted(patient.iterdir()) if (match := FRAME.fullmatch(path.name))}
    if not images:
        raise FileNotFoundError(f"{patient} has no file {patient.name}_frameMM.nii.gz")
    diastole = _diastole(patient / "Info.cfg") or min(images)
    volumes = []
    for frame, image in sorted(images.items()):
        case, suffix = image.name.split(".", 1)
        label = image.with_name(f"{case}_gt.{suffix}")
        if not label.is_file():
            raise FileNotFoundError(f"the label of {case} is missing: expected {label}")
        phase = "ED" if frame == diastole else "ES"
        known = {"case": case, "patient": patient.name, "phase": phase}
        volumes.append({"image": str(image), "label": str(label), **known})
    return volumes


def _diastole(info: Path) -> int | None:
    """Number of the frame of end diastole, from lines such as ``ED: 1``; None without that file or line."""
    found = re.search(r"^ED:\s*(\d+)", info.read_text(encoding="utf-8"), re.MULTILINE) if info.is_file() else None
    return int(found[1]) if found else None


def _drawn_slices(volumes: list[dict[str, Any]], number: int, seed: int) -> list[dict[str, Any]]:
    slices = []
    for volume in volumes:
        label = np.asanyarray(nib.nifti1.load(volume["label"]).dataobj)
        present = np.flatnonzero((label == LEFT_VENTRICLE).any(axis=(0, 1)))
        slices += [{**volume, "slice": int(index)} for index in present]
    if number > len(slices):
        raise ValueError(f"`num_images` must be at most the slices with a left ventricle, {len(slices)}, got {number}")
    order = np.random.default_rng(seed).permutation(len(slices))  # its beginning does not depend on the number
    return [slices[index] for index in order[:number]]
