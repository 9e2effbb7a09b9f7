"""Checks of a bundle's files: presence, size, place."""

from __future__ import annotations

from collections.abc import Iterator

from monai_lsext.bundle.source import BundleSource

__all__ = ["REQUIRED_FILES", "check_files", "check_models_folder", "check_readme"]

REQUIRED_FILES = (
    "LICENSE",
    "configs/metadata.json",
    "configs/train.yaml",
    "configs/inference.yaml",
    "configs/evaluate.yaml",
    "configs/multi_gpu_train.yaml",
    "configs/logging.conf",
    "models/model.pt",
    "docs/README.md",
    "docs/data_license.txt",
)
MODEL_FILES = ("model.pt", "model.ts", "model.onnx")
LARGEST_FILE_MB = 10


def check_files(source: BundleSource) -> Iterator[str]:
    """The required files are there, none is empty, and every file is below 10 MB."""
    for name in REQUIRED_FILES:
        path = source.root / name
        if not path.is_file():
            yield f"required file {name} is missing"
        elif path.stat().st_size == 0:
            yield f"required file {name} is empty"
    for path in sorted(p for p in source.root.rglob("*") if p.is_file()):
        size_mb = path.stat().st_size / 1e6
        if size_mb >= LARGEST_FILE_MB:
            name = path.relative_to(source.root).as_posix()
            yield f"{name} must be smaller than {LARGEST_FILE_MB} MB, got {size_mb:.1f} MB"


def check_models_folder(source: BundleSource) -> Iterator[str]:
    """Only model.pt and its exports lie directly in models/, where MONAI Label looks for models."""
    for path in sorted((source.root / "models").glob("*")):
        if path.is_file() and path.name not in MODEL_FILES:
            yield f"models/{path.name} belongs in models/aux"


def check_readme(source: BundleSource) -> Iterator[str]:
    """docs/README.md has a text."""
    path = source.root / "docs/README.md"
    if not path.is_file() or not path.read_text(encoding="utf-8", errors="replace").strip():
        yield "docs/README.md has no text"
