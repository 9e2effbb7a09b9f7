"""The report of one case: what was measured, by which bundle, on which part of the image."""

from __future__ import annotations

import json
import platform
from typing import Any

import monai
import torch

import monai_lsext
from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.cases import CaseImage
from monai_lsext.apps.measure import MEASUREMENTS, measure, warn
from monai_lsext.apps.overlay import Box
from monai_lsext.apps.segmentation import Segmentation
from monai_lsext.registry import BundleInfo

__all__ = ["captions", "case_report", "report_json", "roi_box"]


def roi_box(roi: dict[str, Any] | None, size: tuple[int, ...]) -> Box | None:
    """Box of the region that ``OpticDiscROId`` cut out, within the image; None where the whole image was kept.

    Args:
        roi: ``meta["roi"]``: "start" (column, row) and "side_px".
        size: of the image (width, height).
    """
    if len(size) != 2 or not roi or roi.get("start") is None or not roi.get("side_px"):
        return None
    x, y = (int(value) for value in roi["start"])
    side = int(roi["side_px"])
    box = (max(x, 0), max(y, 0), min(x + side, size[0]), min(y + side, size[1]))
    return None if box == (0, 0, *size) else box


def case_report(
    case: str,
    runner: BundleRunner,
    info: BundleInfo,
    image: CaseImage,
    segmentation: Segmentation,
    meta: dict[str, Any],
) -> dict[str, Any]:
    """All that is known of a case: no path, nothing of the patient beyond the file's own name.

    Args:
        meta: of the preprocessed image, with ``roi`` and ``notes`` where a transform wrote them.
    """
    box = roi_box(meta.get("roi"), image.size)
    window = () if box is None else (slice(box[0], box[2]), slice(box[1], box[3]))
    slices = {"num_slices": image.size[2]} if len(image.size) == 3 else {}
    return {
        "case": case,
        "bundle": {
            "name": runner.name,
            "version": runner.metadata.get("version"),
            "weights_sha256": runner.weights_sha256,
        },
        "image": {
            "width_px": image.size[0],
            "height_px": image.size[1],
            **slices,
            "header_spacing": image.header_spacing,
            "spacing_mm": image.spacing_mm,
        },
        "roi": meta.get("roi"),
        "centre": runner.centre,
        "measurements": measure(segmentation, info, image.voxel_mm),
        "notes": [*meta.get("notes", []), *image.notes],
        "warnings": warn(segmentation, info, window),
        "software": {
            "monai_lsext": monai_lsext.__version__,
            "monai": monai.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def captions(report: dict[str, Any], info: BundleInfo) -> list[str]:
    """Lines for the picture: the bundle's own measurements, counts of objects, volumes."""
    values = report["measurements"]
    titled = [(MEASUREMENTS[name][0], values[name]) for name in info.measurements if name in values]
    lines = [f"{title} {'not defined' if value is None else format(value, '.2f')}" for title, value in titled]
    for region in info.regions:
        if f"{region.name}_count" in values:
            lines.append(f"{region.title}: {values[f'{region.name}_count']}")
        if f"{region.name}_volume_ml" in values:
            lines.append(f"{region.title} {values[f'{region.name}_volume_ml']:.1f} ml")
        elif f"{region.name}_volume_voxels" in values:
            lines.append(f"{region.title} {values[f'{region.name}_volume_voxels']} voxels")
    return lines


def report_json(report: dict[str, Any]) -> bytes:
    """The report as JSON; numbers of numpy and torch become plain ones."""
    return (json.dumps(report, indent=2, default=_plain) + "\n").encode()


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
