"""A user's own data: a folder with ``images/`` and ``labels/`` of the same names."""

from __future__ import annotations

from pathlib import Path

__all__ = ["image_folder_datalist"]

SUFFIXES = (".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def image_folder_datalist(dataset_dir: str | Path) -> list[dict[str, str]]:
    """Pairs of ``images/<case>.*`` and ``labels/<case>.*``, sorted by case; the suffixes may differ.

    Args:
        dataset_dir: folder with ``images`` and ``labels``; files are PNG, JPEG, TIFF, BMP or NIfTI, others are ignored.

    Returns:
        list of {"image", "label", "case"}.

    Raises:
        FileNotFoundError: when a folder is missing or empty, or a case has no partner, naming them.
        ValueError: when two files of a folder differ in their suffix only.
    """
    images, labels = (_by_case(Path(dataset_dir) / name) for name in ("images", "labels"))
    for have, lack, name in ((images, labels, "label"), (labels, images, "image")):
        alone = sorted(set(have) - set(lack))
        if alone:
            raise FileNotFoundError(f"{len(alone)} cases have no {name} in {dataset_dir}: {', '.join(alone[:5])}")
    return [{"image": str(images[case]), "label": str(labels[case]), "case": case} for case in sorted(images)]


def _by_case(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder {folder}, but there is none")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((end for end in SUFFIXES if path.name.lower().endswith(end)), None)
        if suffix is None or path.name.startswith("."):
            continue
        case = path.name[: -len(suffix)]
        if case in found:
            raise ValueError(f"{folder} has two files of case {case}: {found[case].name} and {path.name}")
        found[case] = path
    if not found:
        raise FileNotFoundError(f"{folder} holds no image ({', '.join(SUFFIXES)})")
    return found
