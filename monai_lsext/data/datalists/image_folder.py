"""A user's own data: a folder with ``images/`` and ``labels/`` of the same names."""

from __future__ import annotations

from pathlib import Path

from monai.data import partition_dataset

from .folds import cross_validation_part
from .listed_cases import folder_files, some_of

__all__ = ["image_folder_datalist", "image_folder_part"]

SUFFIXES = (".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def image_folder_datalist(dataset_dir: str | Path, need_labels: bool = True) -> list[dict[str, str]]:
    """Pairs of ``images/<case>.*`` and ``labels/<case>.*``, sorted by case; the suffixes may differ.

    Args:
        dataset_dir: folder with ``images`` and ``labels``; files are PNG, JPEG, TIFF, BMP or NIfTI, others are ignored.
        need_labels: whether an image without a label is an error, default True; otherwise its item has no "label".

    Returns:
        list of {"image", "label", "case"}.

    Raises:
        FileNotFoundError: when a folder is missing or empty, or a case has no partner, naming them.
        ValueError: when two files of a folder differ in their suffix only.
    """
    images, labels = (_by_case(Path(dataset_dir) / name) for name in ("images", "labels"))
    pairs = [(images, labels, "label")] if need_labels else []
    for have, lack, name in [*pairs, (labels, images, "image")]:
        alone = sorted(set(have) - set(lack))
        if alone:
            others = [f"{name}s/{case}" for case in sorted(set(lack) - set(have))]
            advice = f"rename {some_of(others)}, or the other file" if others else "add it, or leave these cases out"
            raise FileNotFoundError(
                f"{len(alone)} cases have no {name} in {dataset_dir}: {some_of(alone, 5)}; "
                f"an image and its label must have the same name: {advice}"
            )
    items = []
    for case, image in sorted(images.items()):
        label = {"label": str(labels[case])} if case in labels else {}
        items.append({"image": str(image), **label, "case": case})
    return items


def image_folder_part(
    dataset_dir: str | Path,
    part: str = "train",
    fold: int | None = 0,
    num_folds: int = 5,
    seed: int = 0,
    test_fraction: float = 0.2,
    need_labels: bool = True,
) -> list[dict[str, str]]:
    """One part of :func:`image_folder_datalist`; training, validation and test never share a case.

    Only labelled cases are cut into parts; unlabelled ones belong to ``train`` and ``all``.

    Args:
        dataset_dir: the folder.
        part: ``train``, ``val``, ``test``, or ``all`` of training and validation.
        fold: validation fold, as for :func:`cross_validation_part`.
        num_folds: number of folds, default 5.
        seed: seed of the folds.
        test_fraction: share of the cases that is held back as ``test``, the same for every ``seed``; 0 < share < 1.
        need_labels: as for :func:`image_folder_datalist`.

    Raises:
        FileNotFoundError: for missing folders or files, naming them.
        ValueError: for an option out of range, or too few cases.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"`test_fraction` must lie between 0 and 1, got {test_fraction}")
    cases = image_folder_datalist(dataset_dir, need_labels)
    labelled = [case for case in cases if "label" in case]
    training, test = partition_dataset(labelled, ratios=[1 - test_fraction, test_fraction], shuffle=True)
    if not training or not test:
        raise ValueError(
            f"{dataset_dir} has too few images to hold back {test_fraction} of them for the test: "
            f"{len(labelled)} with a label; add cases"
        )
    if part == "test":
        return list(test)
    rest = [case for case in cases if "label" not in case] if part in ("train", "all") else []
    return cross_validation_part(training, part, fold, num_folds, seed) + rest


def _by_case(folder: Path) -> dict[str, Path]:
    files = folder_files(folder)
    found: dict[str, Path] = {}
    for path in files:
        suffix = next((end for end in SUFFIXES if path.name.lower().endswith(end)), None)
        if suffix is None:
            continue
        case = path.name[: -len(suffix)]
        if case in found:
            raise ValueError(f"{folder} has two files of case {case}: {found[case].name} and {path.name}")
        found[case] = path
    if not found:
        there = some_of([path.name for path in files]) or "nothing"
        raise FileNotFoundError(f"{folder} holds no image ({', '.join(SUFFIXES)}), but {there}: convert these files")
    return found
