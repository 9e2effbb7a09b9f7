"""Bad inputs to ``predict``: pictures, volumes, options, bundles and outputs; see ``bad_series`` for DICOM."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from PIL import Image
from stub_bundle import box, expected_labels, photograph, save_photograph

__all__ = ["GREY_MASK", "PICTURES", "START", "VOLUMES", "Bad", "Place", "Spoil", "put"]


@dataclass
class Place:
    """Where a run finds what it needs; what is bad is written into it.

    Args:
        folder: an empty one beside the others.
        bundle: the stand-in.
        source: the input, with a healthy case in it.
        output: does not exist yet.
    """

    folder: Path
    bundle: Path
    source: Path
    output: Path
    options: list[str] = field(default_factory=list)
    trust: bool = True
    file_limit: int | None = None


Spoil = Callable[[Place], object]


@dataclass(frozen=True)
class Bad:
    """One row: an input and what becomes of it.

    Args:
        name: what is bad.
        spoil: writes it.
        status: 0: done, with a warning or a note; 2: nothing is done; 3: the case ``bad`` is skipped.
        text: in the message.
        healthy: whether the healthy case is done; of no meaning with status 2.
        drawn: whether pictures are drawn, which takes most of the time.
    """

    name: str
    spoil: Spoil
    status: int
    text: str
    healthy: bool = True
    drawn: bool = False


def put(name: str, content: bytes | str = "neither picture nor volume") -> Spoil:
    """A file beside the healthy case."""
    return lambda place: (place.source / name).write_bytes(content.encode() if isinstance(content, str) else content)


def picture(name: str, pixels: np.ndarray | None = None, mode: str | None = None, **options: Any) -> Spoil:
    return put(name, _encoded(name, pixels, mode, **options))


def _encoded(name: str, pixels: np.ndarray | None = None, mode: str | None = None, **options: Any) -> bytes:
    image = Image.fromarray(photograph(expected_labels()) if pixels is None else pixels)
    stream = io.BytesIO()
    kinds = {".jpg": "JPEG", ".tif": "TIFF", ".png": "PNG"}
    (image if mode is None else image.convert(mode)).save(stream, **{"format": kinds[Path(name).suffix], **options})
    return stream.getvalue()


def _transparent() -> np.ndarray:
    pixels = photograph(expected_labels())
    return np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 99, np.uint8)], axis=-1)


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _two_names(place: Place) -> None:
    save_photograph(place.source / "eye.png")
    save_photograph(place.source / "EYE.jpg")


def _only(place: Place, *files: tuple[str, bytes]) -> None:
    """The input becomes a folder of these files alone."""
    place.source = place.folder / "only"
    place.source.mkdir()
    for name, content in files:
        (place.source / name).write_bytes(content)


def _elsewhere(name: str, content: bytes | None = None) -> Spoil:
    """The input is this file, or what does not exist."""

    def spoil(place: Place) -> None:
        place.source = place.folder / name
        if content is not None:
            place.source.write_bytes(content)

    return spoil


PICTURES = [
    Bad("text called .png", put("bad.png"), 3, "bad.png: expected a PNG, JPEG or TIFF image, found something else"),
    Bad("empty file", put("bad.png", b""), 3, "bad.png: expected a PNG, JPEG or TIFF image, found something else"),
    Bad("PNG cut off", put("bad.png", _encoded("a.png")[:150]), 3, "expected a whole image file, found a truncated"),
    Bad("JPEG cut off", put("bad.jpg", _encoded("a.jpg")[:-300]), 3, "expected a whole image file, found a truncated"),
    Bad("grey for colour", picture("bad.png", mode="L"), 3, "bad.png: expected 8-bit RGB, found a grey image"),
    Bad("16-bit PNG", picture("bad.png", np.full((40, 48), 999, np.uint16)), 3, "found more than 8 bits per channel"),
    Bad("palette", picture("bad.png", mode="P"), 3, "found a palette image; save it with plain colours"),
    Bad("transparent", picture("bad.png", _transparent()), 3, "expected 8-bit RGB, found a partly transparent image"),
    Bad("turned by EXIF", picture("bad.jpg", exif=_turned()), 3, "EXIF orientation 6 (turned or mirrored); save it"),
    Bad("pages", picture("bad.tif", save_all=True, append_images=[Image.new("RGB", (9, 9))]), 3, "found 2 pages"),
    Bad("one pixel", picture("bad.png", np.full((1, 1, 3), 255, np.uint8)), 0, "no optic disc was found", drawn=True),
    Bad("one colour", picture("bad.png", np.full((40, 48, 3), 255, np.uint8)), 0, "no optic disc was found"),
    Bad("link to nothing", lambda place: (place.source / "bad.png").symlink_to("away.png"), 3, "No such file"),
    Bad("two of one name", _two_names, 2, "case names must differ, got EYE.jpg and eye.png; rename one of them"),
    Bad("case called run", picture("Run.png"), 2, "an input's report must not be run_report.json; rename Run.png"),
    Bad("no such path", _elsewhere("none.png"), 2, "input must be an existing file or folder, got"),
    Bad("empty folder", _only, 2, "input folder must hold PNG, JPEG, TIFF or NIfTI files, found none in"),
    Bad("folder of texts", lambda place: _only(place, ("a.txt", b"a")), 2, "JPEG, TIFF or NIfTI files, found none in"),
    Bad(
        "wrong suffix", _elsewhere("a.bmp", b"BM"), 2, "input file must be PNG, JPEG, TIFF or NIfTI by its name, got a"
    ),
    Bad("archive", _elsewhere("all.zip", b"PK\3\4"), 2, "must be PNG, JPEG, TIFF or NIfTI by its name, got all.zip"),
]


def nifti(values: np.ndarray, name: str = "bad.nii.gz", **header: Any) -> Spoil:
    """A volume of 1 mm voxels beside the healthy case; ``header`` replaces fields of its header as they are."""
    raw = nib.nifti1.Nifti1Image(values, np.eye(4)).to_bytes()
    block = nib.nifti1.Nifti1Header(raw[:348])
    for key, value in {"xyzt_units": 2, **header}.items():
        block[key] = value
    content = block.binaryblock + raw[348:]
    return put(name, gzip.compress(content) if name.endswith(".gz") else content)


GREY_MASK = box((24, 20, 6), (2, 12), (3, 13), (1, 5))


def grey(*more: int, dtype: type = np.float32) -> np.ndarray:
    """The healthy volume's values, repeated along further axes."""
    values = np.where(GREY_MASK, 200, 40).astype(dtype)
    return values.reshape(*values.shape, *[1] * len(more)) * np.ones(more, dtype)


def _with(value: float) -> np.ndarray:
    values = grey()
    values[3, 4, 2] = value
    return values


def _gz(cut: int) -> bytes:
    image = nib.nifti1.Nifti1Image(np.random.default_rng(0).integers(0, 255, (24, 20, 6)).astype(np.uint8), np.eye(4))
    return gzip.compress(image.to_bytes())[:cut]


PACKED = np.zeros((24, 20, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
NO_UNIT = "the file's header gives no voxel size in a known unit: sizes are in pixels or voxels alone"

VOLUMES = [
    Bad("text called .nii.gz", put("bad.nii.gz"), 3, "expected a NIfTI file, found one that cannot be read as such"),
    Bad(
        "NIfTI cut off in the voxels",
        put("bad.nii.gz", _gz(2000)),
        3,
        "Compressed file ended before the end-of-stream marker was reached",
    ),
    Bad(
        "more voxels in the header than in the file",
        nifti(grey(), dim=[3, 30000, 30000, 30000, 1, 1, 1, 1]),
        3,
        "expected a whole NIfTI file, found less than 30000 x 30000 x 30000 voxels",
    ),
    Bad("NaN", nifti(_with(np.nan)), 3, "image must have finite values, got 1 that are nan or infinite"),
    Bad("infinite", nifti(_with(-np.inf)), 3, "image must have finite values, got 1 that are nan or infinite"),
    Bad("one grey value", nifti(np.full((24, 20, 6), 200, np.uint8)), 0, "no cavity was found"),
    Bad("one slice of two axes", nifti(grey()[..., 0]), 3, "image must have 3 spatial axes"),
    Bad("times on a fourth axis", nifti(grey(5)), 3, "image must have 1 channel(s), got 5"),
    Bad(
        "two channels",
        nifti(grey(1, 2)),
        3,
        "image must have 3 spatial axes and channels first, got shape (2, 24, 20, 6, 1)",
    ),
    Bad("packed colours", nifti(PACKED), 3, "expected one number per voxel and channel, found packed RGB voxels"),
    Bad(
        "complex numbers",
        nifti(grey(dtype=np.complex64)),
        3,
        "expected one number per voxel and channel, found complex numbers",
    ),
    Bad("colour picture", picture("bad.png"), 3, "bad.png: expected 8-bit grey, found a colour image"),
    Bad("grey picture", picture("bad.png", mode="L"), 3, "image must have 3 spatial axes and channels first"),
    Bad("one voxel", nifti(np.full((1, 1, 1), 200, np.uint8)), 0, "no cavity was found", drawn=True),
    Bad("singular affine", nifti(grey(), srow_z=[0, 0, 0, 0], qform_code=0), 0, NO_UNIT),
    Bad("NaN affine", nifti(grey(), srow_z=[0, 0, np.nan, 0], qform_code=0), 0, NO_UNIT, drawn=True),
    Bad(
        "zero spacing",
        nifti(grey(), pixdim=[1, 0, 0, 0, 0, 0, 0, 0], sform_code=0),
        3,
        "bad.nii.gz: expected voxel sizes > 0, found 0 x 0 x 0",
    ),
    Bad(
        "negative spacing",
        nifti(grey(), pixdim=[1, -1, -1, -1, 0, 0, 0, 0], sform_code=0),
        3,
        "bad.nii.gz: expected voxel sizes > 0, found -1 x -1 x -1",
    ),
]


def _bundle(change: Callable[[Path], object]) -> Spoil:
    """A change of the bundle."""
    return lambda place: change(place.bundle)


def _options(*options: str) -> Spoil:
    return lambda place: place.options.extend(options)


def _weights(content: Any) -> Spoil:
    return _bundle(lambda bundle: torch.save(content, bundle / "models" / "model.pt"))


class Code:
    """Makes the file ``stolen`` where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def _weights_with_code(place: Place) -> None:
    torch.save({"weight": Code(place.folder / "stolen")}, place.bundle / "models" / "model.pt")


def _config(old: str, new: str) -> Spoil:
    def change(bundle: Path) -> None:
        path = bundle / "configs" / "inference.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return _bundle(change)


def _untrusted(place: Place) -> None:
    place.trust = False


def _no_bundle(place: Place) -> None:
    place.bundle = place.folder / "none"


def _output_below_a_file(place: Place) -> None:
    (place.folder / "file").write_text("mine")
    place.output = place.folder / "file" / "out"


def _output_with_the_input(place: Place) -> None:
    save_photograph(place.source / "bad.png")
    save_photograph(place.source / "bad_seg.png")
    place.output = place.source


def _no_space(limit: int) -> Spoil:
    def spoil(place: Place) -> None:
        save_photograph(place.source / "bad.png")
        place.file_limit = limit

    return spoil


START = [
    Bad("output below a file", _output_below_a_file, 2, "output must be a folder that can be written to, got"),
    Bad("no space for a picture", _no_space(1000), 3, "File too large", healthy=False),
    Bad("no space for the run's report", _no_space(100), 2, "File too large"),
    Bad("output would replace an input", _output_with_the_input, 3, "bad_seg.png would replace an input of this name"),
    Bad("weights with code", _weights_with_code, 2, "model.pt is refused by weights_only=True: it must hold tensors"),
    Bad("weights of another network", _weights({"weight": torch.zeros(1)}), 2, "does not fit network_def of inference"),
    Bad("weights cut off", _bundle(lambda b: os.truncate(b / "models/model.pt", 300)), 2, "model.pt cannot be loaded"),
    Bad(
        "no weights", _bundle(lambda b: (b / "models/model.pt").unlink()), 2, "must have its weights in models/model.pt"
    ),
    Bad("foreign bundle", _untrusted, 2, "can execute code: read them, then add --trust"),
    Bad("no such bundle", _no_bundle, 2, "bundle must be a directory with configs/inference.yaml or one of"),
    Bad("no metadata", _bundle(lambda b: (b / "configs/metadata.json").unlink()), 2, "metadata.json cannot be read"),
    Bad("config that is no YAML", _config("dataset:", "dataset: ]"), 2, "configs/inference.yaml cannot be read"),
    Bad(
        "config of an unknown class",
        _config("torch.nn.Conv2d", "torch.nn.Conv2dd"),
        2,
        "network_def of configs/inference.yaml cannot be built",
    ),
    Bad(
        "config without preprocessing",
        _config("preprocessing:", "processing:"),
        2,
        "preprocessing of configs/inference.yaml cannot be built",
    ),
    Bad(
        "--roi of a bundle without", _options("--roi", "find"), 2, "needs a bundle whose inference.yaml has the id roi"
    ),
    Bad("bad --roi", _options("--roi", "left"), 2, "argument --roi: invalid choice: 'left'"),
    Bad("bad --device", _options("--device", "cuda:77"), 2, "must be a device of this machine, got cuda:77"),
    Bad("--seg of photographs", _options("--seg"), 2, "no DICOM series fits"),
]
