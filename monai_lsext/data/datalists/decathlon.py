"""Medical Segmentation Decathlon: a folder with ``dataset.json``, ``imagesTr`` and ``labelsTr``."""

from __future__ import annotations

import json
from pathlib import Path

from monai_lsext.data.image_file import case_name

from .listed_cases import ListedCases
from .volume_folder import pair_fault

__all__ = ["decathlon_cases"]


def decathlon_cases(dataset_dir: str | Path) -> ListedCases:
    """The labelled volumes that ``dataset.json`` lists under ``training``; its test volumes have no labels.

    Left out is what has no file, cannot be read, is no volume, or whose image and label do not lie on one grid. Each
    case is a patient of its own.

    Args:
        dataset_dir: the folder.

    Raises:
        FileNotFoundError: without ``dataset.json``, or when no case is left, with the reasons.
        ValueError: for a ``dataset.json`` that is no JSON or has no such list.

    Reference:
        Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 2022.
    """
    root = Path(dataset_dir)
    path = root / "dataset.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected the decathlon's list at {path}, but there is none")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON, got {error}") from error
    listed = content.get("training") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not all(isinstance(e, dict) and {"image", "label"} <= e.keys() for e in listed):
        raise ValueError(
            f'{path} must have a list "training" of entries with "image" and "label"; where it has none, as in '
            "nnU-Net, remove it, name the folders images and labels, and take _0000 off the images' names"
        )
    items, left_out = [], {}
    for entry in listed:
        image, label = (root / entry[key] for key in ("image", "label"))
        case = case_name(image)
        reason = pair_fault(*(path if path.is_file() else None for path in (image, label)))
        if reason:
            left_out[case] = reason
        else:
            items.append({"image": str(image), "label": str(label), "case": case, "patient": case})
    cases = ListedCases(items, left_out)
    if not items:
        raise FileNotFoundError(f"{root} holds no labelled volume of its dataset.json: {cases.summary()}")
    return cases
