"""Objects of a COCO file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["coco_categories", "coco_datalist"]

_PARTS = ("images", "annotations", "categories")


def coco_categories(annotation_file: str | Path) -> list[str]:
    """Names of the categories in the order of their ids; the class of the first is 1.

    Raises:
        FileNotFoundError: for a missing file.
        ValueError: for a file that is no COCO file.
    """
    return [entry["name"] for entry in _ordered(_read(Path(annotation_file)))]


def coco_datalist(
    annotation_file: str | Path, image_dir: str | Path, categories: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """All images of a COCO file of instances, those without objects too.

    COCO's category ids have gaps: the class of an object is the place of its category in ``categories``, from 1.

    Args:
        annotation_file: JSON with images, annotations and categories.
        image_dir: where the images lie.
        categories: names of the wanted ones; default all, in the order of their ids. Objects of others are left out, as
            are crowds.

    Returns:
        list of {"image", "label", "case"}; "label" is {"objects": [{"segmentation", "class"}, ..], "size": [rows,
        columns]}, which ``LoadInstancesd`` draws.

    Raises:
        FileNotFoundError: for a missing file or image, naming the first of them.
        ValueError: for a file that is no COCO file, an annotation of an image or a category that it does not list or
            without a segmentation, or an unknown name in ``categories``.
    """
    path, folder = Path(annotation_file), Path(image_dir)
    content = _read(path)
    listed = {entry["id"]: entry["name"] for entry in _ordered(content)}
    wanted = list(listed.values()) if categories is None else list(categories)
    unknown = [name for name in wanted if name not in listed.values()]
    if unknown or not wanted:
        raise ValueError(f"`categories` must be some of {list(listed.values())}, got {wanted}")
    classes = {number: wanted.index(name) + 1 for number, name in listed.items() if name in wanted}
    objects: dict[int, list[dict[str, Any]]] = {entry["id"]: [] for entry in content["images"]}
    for entry in content["annotations"]:
        if entry["image_id"] not in objects:
            raise ValueError(f"{path.name}: annotation {entry['id']} is of image {entry['image_id']}, not in the file")
        if entry["category_id"] not in listed:
            raise ValueError(
                f"{path.name}: annotation {entry['id']} has category id {entry['category_id']}, but the categories are "
                f"{sorted(listed)}"
            )
        if "segmentation" not in entry:
            raise ValueError(f"{path.name}: annotation {entry['id']} has no segmentation")
        if entry["category_id"] in classes and not entry.get("iscrowd", 0):
            drawn = {"segmentation": entry["segmentation"], "class": classes[entry["category_id"]]}
            objects[entry["image_id"]].append(drawn)
    missing = [e["file_name"] for e in content["images"] if not (folder / e["file_name"]).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(objects)} images of {path.name} are missing in {folder}: {', '.join(missing[:5])}"
        )
    return [
        {
            "image": str(folder / entry["file_name"]),
            "label": {"objects": objects[entry["id"]], "size": [entry["height"], entry["width"]]},
            "case": Path(entry["file_name"]).stem,
        }
        for entry in content["images"]
    ]


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"expected a COCO file {path}, but there is none")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} must be a COCO file, got one that is not JSON") from error
    lacking = [part for part in _PARTS if not isinstance(content, dict) or part not in content]
    if lacking:
        raise ValueError(f"{path.name} must be a COCO file of instances, but has no {', '.join(lacking)}")
    return dict(content)


def _ordered(content: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(content["categories"], key=lambda entry: int(entry["id"]))
