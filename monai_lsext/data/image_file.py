"""Image files of a cohort: the list of a folder, and the check of each file before it is loaded."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from monai.utils import ensure_tuple
from nibabel.openers import ImageOpener
from PIL import Image

__all__ = ["NIFTI_SUFFIXES", "PICTURE_SUFFIXES", "case_name", "check_image_file", "image_datalist", "is_picture"]

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
_FORMATS = ("PNG", "JPEG", "MPO", "TIFF")
_MODES = ("L", "LA", "RGB", "RGBA")
_KIND_OF_NET = {(1,): "8-bit grey", (3,): "8-bit RGB", (1, 3): "8-bit grey or RGB"}
_EXIF_ORIENTATION = 0x0112
_HEADER_BYTES = 348
_GZIP_RATIO = 1032  # at most


def case_name(path: str | os.PathLike[str]) -> str:
    """The file's name without its extensions: ``eye.nii.gz`` and ``eye.png`` are case ``eye``."""
    name = Path(path).name
    for suffix in (*PICTURE_SUFFIXES, *reversed(NIFTI_SUFFIXES)):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def is_picture(path: object) -> bool:
    """Whether a file is a PNG, JPEG or TIFF by its name; False for anything but a path."""
    return isinstance(path, (str, os.PathLike)) and str(path).lower().endswith(PICTURE_SUFFIXES)


def image_datalist(input_path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Data list of one image file, or of the PNG, JPEG, TIFF and NIfTI files that lie directly in a folder.

    Args:
        input_path: file or folder; in a folder, hidden files and other kinds of file are passed over.

    Returns:
        ``[{"image": path, "case": name without extensions}, ...]``, sorted by name.

    Raises:
        ValueError: for a missing path, a file of another kind, a folder without images, or two files that
            give the same case name (their outputs would overwrite each other).
    """
    path = Path(input_path)
    suffixes = PICTURE_SUFFIXES + NIFTI_SUFFIXES
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        # a link that leads nowhere is a case that cannot be loaded, not none
        files = [p for p in files if p.is_file() or (p.is_symlink() and not p.exists())]
        files = [p for p in files if p.name.lower().endswith(suffixes)]
        if not files:
            raise ValueError(f"input folder must hold PNG, JPEG, TIFF or NIfTI files, found none in {path}")
    elif not path.is_file():
        raise ValueError(f"input must be an existing file or folder, got {path}")
    elif not path.name.lower().endswith(suffixes):
        raise ValueError(f"input file must be PNG, JPEG, TIFF or NIfTI by its name, got {path.name}")
    else:
        files = [path]
    seen: dict[str, Path] = {}
    for file in files:
        # folded, since a file system may not tell A_seg.png from a_seg.png
        other = seen.setdefault(case_name(file).casefold(), file)
        if other is not file:
            raise ValueError(f"case names must differ, got {other.name} and {file.name}; rename one of them")
    return [{"image": str(file), "case": case_name(file)} for file in files]


def check_image_file(path: str | os.PathLike[str], channels: int | Sequence[int]) -> None:
    """Refuse an image file that would load as something else than the network expects.

    Args:
        path: PNG, JPEG or TIFF: read whole. NIfTI: its header and size alone. Other kinds pass.
        channels: that are taken: 3 (colour), 1 (grey), or [1, 3].

    Raises:
        ValueError: naming the file, what was expected and what was found.

    Note:
        A fully opaque alpha channel passes, as does a colour file with three equal channels for a grey net:
        nothing is lost, and ``CheckImaged`` reduces them. A palette image is refused since MONAI loads the
        palette's indices, a photograph with an EXIF orientation other than upright since MONAI loads it as
        stored: "vertical" would be another direction than the viewer shows.
    """
    file = Path(path)
    if file.name.lower().endswith(NIFTI_SUFFIXES):
        _check_nifti(file)
    elif file.name.lower().endswith(PICTURE_SUFFIXES):
        _check_picture(file, ensure_tuple(channels))


def _check_nifti(file: Path) -> None:
    try:
        with ImageOpener(str(file)) as stream:
            # unchecked: nibabel's own check would set voxel sizes of 0 to 1
            header = nib.nifti1.Nifti1Header(stream.read(_HEADER_BYTES), check=False)
        fault = _nifti_fault(header, file)
        if fault is None:
            nib.nifti1.load(file)
    except Exception as error:  # nibabel raises its own, gzip's and the system's errors for a broken file
        raise ValueError(f"{file.name}: expected a NIfTI file, found one that cannot be read as such") from error
    if fault is not None:
        raise ValueError(f"{file.name}: expected {fault}")


def _nifti_fault(header: nib.nifti1.Nifti1Header, file: Path) -> str | None:
    """What was expected and found, in words; None when the header is fit."""
    kind, shape = header.get_data_dtype(), header.get_data_shape()
    if kind.names is not None or kind.kind == "c":
        found = "complex numbers" if kind.kind == "c" else "packed RGB voxels"
        return f"one number per voxel and channel, found {found}"
    # the affine is made of the voxel sizes unless the header has one of its own
    sizes = header["pixdim"][1 : 1 + min(len(shape), 3)]
    if int(header["sform_code"]) <= 0 and not (sizes > 0).all():
        return f"voxel sizes > 0, found {' x '.join(f'{size:g}' for size in sizes)}"
    at_most = file.stat().st_size * (_GZIP_RATIO if file.name.lower().endswith(".gz") else 1)
    if math.prod(map(int, shape)) * kind.itemsize > at_most:
        return f"a whole NIfTI file, found less than {' x '.join(map(str, shape))} voxels"
    return None


def _check_picture(file: Path, channels: tuple[int, ...]) -> None:
    try:
        image = Image.open(file)
        packing = f"{image.mode} {image.tile}"  # how a pixel is stored; gone after load()
        image.load()
    except Image.UnidentifiedImageError as error:
        raise ValueError(f"{file.name}: expected a PNG, JPEG or TIFF image, found something else") from error
    except FileNotFoundError as error:
        raise ValueError(f"{file.name}: expected an image file, found none of this name") from error
    except Exception as error:  # a damaged file can raise anything inside Pillow's decoders
        raise ValueError(f"{file.name}: expected a whole image file, found a truncated or damaged one") from error
    found = _fault(image, packing, channels)
    if found is not None:
        raise ValueError(f"{file.name}: expected {_KIND_OF_NET[channels]}, found {found}")


def _fault(image: Image.Image, packing: str, channels: tuple[int, ...]) -> str | None:
    """What makes a picture unfit, in words; None when it is fit."""
    if image.format not in _FORMATS:
        return f"a {image.format} file"
    if ";16" in packing or image.mode in ("I", "F"):
        return "more than 8 bits per channel"
    if image.mode == "P":
        return "a palette image; save it with plain colours"
    if image.mode not in _MODES:
        return f"mode {image.mode}"
    if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
        return f"{getattr(image, 'n_frames', 1)} pages"
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    if orientation not in (0, 1):
        return f"EXIF orientation {orientation} (turned or mirrored); save it upright"
    may_be_transparent = image.mode in ("LA", "RGBA") or "transparency" in image.info
    if may_be_transparent and np.asarray(image.convert("RGBA").getchannel("A")).min() < 255:
        return "a partly transparent image"
    if 1 not in channels and image.mode in ("L", "LA"):
        return "a grey image"
    if 3 not in channels and image.mode in ("RGB", "RGBA"):
        red, green, blue = np.moveaxis(np.asarray(image)[..., :3], -1, 0)
        if (red != green).any() or (red != blue).any():
            return "a colour image"
    return None
