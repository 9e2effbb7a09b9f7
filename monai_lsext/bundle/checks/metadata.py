"""Checks of configs/metadata.json: schema, versions, channel names, hash of the weights."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from collections.abc import Iterator
from pathlib import Path

from jsonschema import Draft202012Validator
from monai.utils import version_leq

from monai_lsext.bundle.source import BundleError, BundleSource

__all__ = [
    "SCHEMA_FILE",
    "check_channel_definition",
    "check_metadata_schema",
    "check_versions",
    "check_weights_hash",
]

SCHEMA_FILE = Path(__file__).parents[1] / "metadata_schema.json"
VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[\w.]+)?")
PACKAGES = {"monai_version": "monai", "pytorch_version": "torch", "numpy_version": "numpy"}


def check_metadata_schema(source: BundleSource) -> Iterator[str]:
    """The metadata follows the schema of the MONAI Bundle Specification."""
    validator = Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    errors = sorted(validator.iter_errors(source.metadata), key=lambda e: [str(step) for step in e.absolute_path])
    for error in errors:
        yield f"metadata: {'#'.join(map(str, error.absolute_path)) or 'top level'}: {error.message}"


def check_versions(source: BundleSource) -> Iterator[str]:
    """The version is in the changelog; stated package versions can be read, none newer than the installed."""
    metadata = source.metadata
    version = metadata.get("version")
    if version not in metadata.get("changelog", {}):
        yield f"version {version} is missing in the changelog"
    stated = {key: (package, metadata.get(key)) for key, package in PACKAGES.items()}
    required = metadata.get("required_packages_version", {})
    stated |= {f"required_packages_version#{package}": (package, v) for package, v in required.items()}
    for key, (package, wanted) in {"version": ("", version), **stated}.items():
        if not isinstance(wanted, str) or not VERSION.fullmatch(wanted):
            yield f"{key} must be a version such as 1.2.0, got {wanted!r}"
        elif (installed := _installed_version(package)) and not version_leq(wanted, installed):
            yield f"{key} states {package} {wanted}, newer than the installed {installed}"


def _installed_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package).split("+")[0] if package else None
    except importlib.metadata.PackageNotFoundError:
        return None


def check_channel_definition(source: BundleSource) -> Iterator[str]:
    """channel_def of the output counts 0, 1, 2, ... and begins with the background."""
    channel_def = source.tensor_format("outputs", "pred").get("channel_def")
    if not isinstance(channel_def, dict):
        raise BundleError("metadata has no network_data_format#outputs#pred#channel_def")
    expected = [str(i) for i in range(len(channel_def))]
    if sorted(channel_def) != sorted(expected):
        yield f"channel_def of outputs#pred must count {', '.join(expected)}, got {', '.join(channel_def)}"
    if "background" not in str(channel_def.get("0", "")).lower():
        yield f"channel_def of outputs#pred must name 0 the background, got {channel_def.get('0')!r}"


def check_weights_hash(source: BundleSource) -> Iterator[str]:
    """weights_sha256, where the metadata states it, is the SHA-256 of models/model.pt."""
    stated = source.metadata.get("weights_sha256")
    if stated is None:
        return
    path = source.root / "models/model.pt"
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if found != stated:
        yield f"weights_sha256 states {stated}, models/model.pt has {found}"
