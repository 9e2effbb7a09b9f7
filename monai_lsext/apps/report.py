"""The report of one case: what was measured, by which bundle, on which part of the image."""

from __future__ import annotations

import json
import platform
from typing import Any

import monai
import numpy as np
import torch

import monai_lsext
from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.cases import Picture
from monai_lsext.apps.measure import MEASUREMENTS, measure, warn
from monai_lsext.apps.overlay import Box
from monai_lsext.registry import BundleInfo

__all__ = ["captions", "case_report", "report_json", "roi_box"]


def roi_box(roi: dict[str, Any] | None, size: tuple[int, int]) -> Box | None:
    """Box of the region that ``OpticDiscROId`` cut out, within the image; None where the whole image was kept.

    Args:
        roi: ``meta["roi"]``: "start" (column, row) and "side_px".
        size: of the image (width, height).
    """
    if not roi or roi.get("start") is None or not roi.get("side_px"):
        return None
    x, y = (int(value) for value in roi["start"])
    side = int(roi["side_px"])
    box = (max(x, 0), max(y, 0), min(x + side, size[0]), min(y + side, size[1]))
    return None if box == (0, 0, *size) else box


def case_report(
    case: str, runner: BundleRunner, info: BundleInfo, picture: Picture, label_map: np.ndarray, meta: dict[str, Any]
) -> dict[str, Any]:
    """All that is known of a case: no path, nothing of the patient beyond the file's own name.

    Args:
        label_map: integers [W, H].
        meta: of the preprocessed image, with ``roi`` and ``notes`` where a transform wrote them.
    """
    width, height = picture.pixels.shape[1::-1]
    box = roi_box(meta.get("roi"), (width, height)) or (0, 0, width, height)
    window = (slice(box[0], box[2]), slice(box[1], box[3]))
    return {
        "case": case,
        "bundle": {
            "name": runner.name,
            "version": runner.metadata.get("version"),
            "weights_sha256": runner.weights_sha256,
        },
        "image": {"width_px": width, "height_px": height, "spacing_mm": picture.spacing_mm},
        "roi": meta.get("roi"),
        "measurements": measure(label_map, info, picture.spacing_mm),
        "notes": list(meta.get("notes", [])),
        "warnings": warn(label_map, info, window),
        "software": {
            "monai_lsext": monai_lsext.__version__,
            "monai": monai.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def captions(report: dict[str, Any]) -> list[str]:
    """Lines for the picture: the measurements that have a title."""
    values = report["measurements"]
    titled = [(MEASUREMENTS[name][0], value) for name, value in values.items() if name in MEASUREMENTS]
    return [f"{title} {'not defined' if value is None else format(value, '.2f')}" for title, value in titled]


def report_json(report: dict[str, Any]) -> bytes:
    """The report as JSON; numbers of numpy and torch become plain ones."""
    return (json.dumps(report, indent=2, default=_plain) + "\n").encode()


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
