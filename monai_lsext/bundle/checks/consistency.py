"""Checks that train and inference agree on network and preprocessing, and that variants can be built."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver
from monai.utils import ensure_tuple

from monai_lsext.bundle.source import BundleError, BundleSource

__all__ = ["check_same_network", "check_same_preprocessing", "check_variants"]

IMAGE_KEY = "image"
# Arguments of MONAI's dictionary transforms that may hold one value for each key.
PER_KEY_ARGUMENTS = ("mode", "padding_mode", "align_corners", "dtype", "anti_aliasing", "meta_keys")
IRRELEVANT_ARGUMENTS = ("_desc_", "allow_missing_keys", "keys", "reader")  # a label's format may need its own reader
SUM_OF_REFERENCES = re.compile(r"\$\s*@[\w:#]+(\s*\+\s*@[\w:#]+)*\s*")


def check_same_network(source: BundleSource) -> Iterator[str]:
    """network_def is the same in train.yaml and inference.yaml, with the values that it refers to."""
    train, inference = (_expanded(_resolved(source, name), "network_def") for name in ("train.yaml", "inference.yaml"))
    if not isinstance(train, dict) or not isinstance(inference, dict):
        raise BundleError("network_def must be a component in train.yaml and in inference.yaml")
    for key in sorted(train.keys() | inference.keys()):
        if (ours := _stated(train, key)) != (theirs := _stated(inference, key)):
            yield f"network_def#{key} differs: {ours} in train.yaml, {theirs} in inference.yaml"


def check_same_preprocessing(source: BundleSource) -> Iterator[str]:
    """Validation in train.yaml prepares the image as inference.yaml does."""
    train = _image_transforms(_resolved(source, "train.yaml"), "validate#preprocessing")
    inference = _image_transforms(_resolved(source, "inference.yaml"), "preprocessing")
    for step, (ours, theirs) in enumerate(zip_longest(train, inference, fillvalue="nothing")):
        if ours != theirs:
            yield f"preprocessing step {step} differs: {ours} in train.yaml, {theirs} in inference.yaml"
            return  # the steps after it are shifted or follow from it


def check_variants(source: BundleSource) -> Iterator[str]:
    """Every configs/variants/*.yaml can be laid over train.yaml, and its network can be built."""
    for name in source.overlays:
        if name.startswith("variants/"):
            try:
                source.network("train.yaml", name)
            except BundleError as e:
                yield str(e)


def _resolved(source: BundleSource, name: str) -> ConfigParser:
    parser = source.parser(name)
    parser.resolve_macro_and_relative_ids()
    return parser


def _expanded(parser: ConfigParser, identifier: str) -> Any:
    """The raw config of an id, with each plain reference replaced by what it refers to."""
    if identifier not in parser:
        raise BundleError(f"id {identifier} is missing in a config")

    def expand(config: Any) -> Any:
        if isinstance(config, dict):
            return {key: expand(value) for key, value in config.items()}
        if isinstance(config, list):
            return [expand(value) for value in config]
        is_reference = isinstance(config, str) and config.startswith("@") and config[1:] in parser
        return expand(parser[config[1:]]) if is_reference else config

    return expand(parser[identifier])


def _stated(config: dict[str, Any], key: str) -> str:
    return repr(config[key]) if key in config else "nothing"


def _image_transforms(parser: ConfigParser, identifier: str) -> list[dict[str, Any]]:
    """The deterministic transforms of a Compose that touch the image, reduced to it."""
    transforms = _transform_list(parser, f"{identifier}#transforms")
    reduced = [_reduced_to_image(t) for t in transforms if not str(t.get("_target_")).split(".")[-1].startswith("Rand")]
    return [t for t in reduced if t is not None]


def _transform_list(parser: ConfigParser, identifier: str) -> list[dict[str, Any]]:
    """A list of transforms, given in place, by reference, or as a sum of references."""
    if identifier not in parser:
        raise BundleError(f"id {identifier} is missing in a config")
    value = parser[identifier]
    if isinstance(value, list):
        return value
    if isinstance(value, str) and SUM_OF_REFERENCES.fullmatch(f"${value.removeprefix('$')}"):
        names = ReferenceResolver.match_refs_pattern(f"${value.removeprefix('$')}")
        return [transform for name in names for transform in _transform_list(parser, name)]
    raise BundleError(f"{identifier} must be a list of transforms or a sum of references, got {value!r}")


def _reduced_to_image(transform: dict[str, Any]) -> dict[str, Any] | None:
    """The transform as it acts on the image; None when its keys leave the image out."""
    keys = ensure_tuple(transform.get("keys", IMAGE_KEY))
    if IMAGE_KEY not in keys:
        return None
    index, reduced = keys.index(IMAGE_KEY), {}
    for name, value in transform.items():
        if name in PER_KEY_ARGUMENTS and isinstance(value, (list, tuple)) and len(value) == len(keys):
            value = value[index]
        if name not in IRRELEVANT_ARGUMENTS:
            reduced[name] = _by_last_name(value)
    return reduced


def _by_last_name(value: Any) -> Any:
    """References by the last part of their id: @train#roi and @roi are one, whatever their values."""
    if isinstance(value, str) and value.startswith("@"):
        return "@" + ReferenceResolver.split_id(value[1:])[-1]
    return value
