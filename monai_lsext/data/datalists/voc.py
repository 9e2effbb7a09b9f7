"""Objects of PASCAL VOC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["VOC_CLASSES", "voc_datalist"]

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def voc_datalist(dataset_dir: str | Path, part: str = "train") -> list[dict[str, Any]]:
    """Images of PASCAL VOC with a segmentation of their objects.

    Args:
        dataset_dir: folder ``VOC2012`` with ``JPEGImages``, ``SegmentationObject``, ``SegmentationClass`` and
            ``ImageSets/Segmentation``.
        part: name of a list in ``ImageSets/Segmentation``: ``train``, ``val`` or ``trainval``.

    Returns:
        list of {"image", "label", "case"}; "label" is {"instances": file, "classes": file}, which ``LoadInstancesd``
        loads; class ids are the places in ``VOC_CLASSES``, from 1.

    Raises:
        FileNotFoundError: for a missing list or files, naming them.
        ValueError: for an empty list.

    Reference:
        Everingham et al., "The PASCAL visual object classes (VOC) challenge", 2010.
    """
    root = Path(dataset_dir)
    cases_file = root / "ImageSets" / "Segmentation" / f"{part}.txt"
    if not cases_file.is_file():
        raise FileNotFoundError(f"expected the list of `part` {part!r} in {cases_file}, but there is none")
    cases = cases_file.read_text(encoding="utf-8").split()
    if not cases:
        raise ValueError(f"{cases_file} names no image")
    items = [
        {
            "image": str(root / "JPEGImages" / f"{case}.jpg"),
            "label": {
                "instances": str(root / "SegmentationObject" / f"{case}.png"),
                "classes": str(root / "SegmentationClass" / f"{case}.png"),
            },
            "case": case,
        }
        for case in cases
    ]
    named = [path for item in items for path in (item["image"], *item["label"].values())]  # type: ignore[attr-defined]
    missing = [path for path in named if not Path(path).is_file()]
    if missing:
        raise FileNotFoundError(f"{len(missing)} files of part {part!r} are missing: {', '.join(missing[:5])}")
    return items
