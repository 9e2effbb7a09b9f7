"""Instance labels from files: ids and classes of one picture, one mask a file, or outlines and runs of COCO."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.utils import optional_import
from numpy.typing import NDArray
from PIL import Image

from .image_file import NIFTI_SUFFIXES

__all__ = ["decode_segmentation", "read_instance_label"]

VOID = 255
rle, has_rle = optional_import("pycocotools.mask")
logger = logging.getLogger(__name__)
Label = NDArray[np.int64]


def read_instance_label(label: Any) -> Label:
    """Instance ids and class ids of one picture, in the axes that ``LoadImaged`` gives an image.

    Args:
        label: one of

            - a file of instance ids: all objects have class 1;
            - a list of files, one object each: likewise;
            - {"instances": file, "classes": file}, as in PASCAL VOC; where the class is 255 (void) is background;
            - {"objects": [{"segmentation": .., "class": k}, ..], "size": [rows, columns]}, as :func:`coco_datalist`
              gives; where objects overlap, the smaller lies above.

    Shape:
        [2, W, H] of a picture, whose rows are its second axis as in MONAI; NIfTI: its axes.

    Raises:
        ValueError: for files of different sizes, colour pictures, objects of one list that overlap, another form of
            label, or a segmentation that :func:`decode_segmentation` refuses.
        ImportError: for COCO's outlines and runs without pycocotools.
    """
    if isinstance(label, (str, os.PathLike)):
        ids = _plane(label)
        return np.stack([ids, (ids > 0).astype(np.int64)])
    if isinstance(label, Mapping) and {"instances", "classes"} <= set(label):
        planes = [_plane(label[key]) for key in ("instances", "classes")]
        _same_size(planes, label["classes"])
        return np.stack([np.where(planes[1] == VOID, 0, plane) for plane in planes])
    if isinstance(label, Mapping) and {"objects", "size"} <= set(label):
        return _drawn(label["objects"], tuple(label["size"]))
    if isinstance(label, Sequence) and label:
        return _listed(label)
    raise ValueError(f"a label must be a file, a list of files, or a dict of a data list here, got {label!r}")


def decode_segmentation(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask of a COCO segmentation: polygons, runs as numbers, or runs as a string.

    Args:
        segmentation: as in the file; without any polygon the mask is empty.
        size: rows and columns of the image.

    Shape:
        bool [rows, columns].

    Raises:
        ValueError: for runs of another size, or polygons that are not lists of x and y of three points or more.
        ImportError: without pycocotools.
    """
    if not has_rle:
        raise ImportError("COCO's segmentations are read by pycocotools: install monai-lsext[coco]")
    if isinstance(segmentation, Mapping):
        if tuple(segmentation["size"]) != tuple(size):
            raise ValueError(f"runs must have the image's size {tuple(size)}, got {tuple(segmentation['size'])}")
        runs = (
            segmentation if isinstance(segmentation["counts"], (str, bytes)) else rle.frPyObjects(segmentation, *size)
        )
    else:
        _check_polygons(segmentation)
        if not segmentation:
            return np.zeros(size, bool)
        runs = rle.merge(rle.frPyObjects(segmentation, *size))
    return np.asarray(rle.decode(runs)).astype(bool)


def _check_polygons(segmentation: Any) -> None:
    """Refuse what pycocotools would take for boxes, cut short, or refuse without a reason."""
    listed = isinstance(segmentation, list) and all(isinstance(polygon, list) for polygon in segmentation)
    if not listed or any(len(polygon) < 6 or len(polygon) % 2 for polygon in segmentation):
        shown = str(segmentation)[:60]
        raise ValueError(f"a segmentation must be runs, or polygons [x1, y1, x2, y2, x3, y3, ..], got {shown}")


def _plane(path: str | os.PathLike[str]) -> Label:
    """Whole numbers of a grey or palette picture, or of a NIfTI slice."""
    if str(path).lower().endswith(NIFTI_SUFFIXES):
        return np.asarray(nib.nifti1.load(path).dataobj).squeeze().astype(np.int64)
    with Image.open(path) as picture:
        if len(picture.getbands()) > 1:
            raise ValueError(f"label {Path(path).name} must be a grey or palette picture, got {picture.mode}")
        return np.asarray(picture).astype(np.int64).T


def _same_size(planes: Sequence[NDArray[Any]], name: str) -> None:
    sizes = sorted({plane.shape for plane in planes})
    if len(sizes) > 1:
        raise ValueError(
            f"label {Path(name).name} must have the size of the other files, got {sizes[0]} and {sizes[1]}"
        )


def _listed(paths: Sequence[str]) -> Label:
    masks = [_plane(path) > 0 for path in paths]
    _same_size(masks, paths[0])
    ids = np.zeros(masks[0].shape, np.int64)
    for number, mask in enumerate(masks, 1):
        if ids[mask].any():
            other = int(ids[mask].max())
            names, shared = (Path(paths[n - 1]).name for n in (other, number)), int((ids[mask] == other).sum())
            raise ValueError(f"objects must not overlap, but {' and '.join(names)} share {shared} pixels")
        ids[mask] = number
    return np.stack([ids, (ids > 0).astype(np.int64)])


def _drawn(objects: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> Label:
    label = np.zeros((2, *size), np.int64)
    masks = [decode_segmentation(item["segmentation"], size) for item in objects]
    areas = [int(mask.sum()) for mask in masks]
    for number, index in enumerate(sorted(range(len(masks)), key=lambda i: -areas[i]), 1):
        if not areas[index]:
            logger.warning("an object of class %s without any pixel is left out", objects[index]["class"])
        label[:, masks[index]] = np.array([number, objects[index]["class"]])[:, None]
    return label.transpose(0, 2, 1)
