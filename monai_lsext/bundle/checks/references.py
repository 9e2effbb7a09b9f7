"""Checks of the configs' ids: every reference leads somewhere, and somebody refers to every id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monai.bundle import ConfigParser, InferProperties, TrainProperties
from monai.bundle.reference_resolver import ReferenceResolver
from monai.bundle.utils import ID_SEP_KEY, MACRO_KEY, MERGE_KEY
from monai.utils import BundleProperty, BundlePropertyConfig

from monai_lsext.bundle.source import BundleSource

__all__ = ["check_references", "check_unreferenced_ids"]

NAMESPACES = ("train", "validate")
ENTRY_POINTS = {"imports", "initialize", "run", "finalize"}
# Applications read these by name; MONAI asks for the required properties even where no other id needs them.
PUBLIC_IDS = {"_meta_", "output_dir"} | {
    p[BundlePropertyConfig.ID]
    for p in [*TrainProperties.values(), *InferProperties.values()]
    if p[BundleProperty.REQUIRED]
}


def check_references(source: BundleSource) -> Iterator[str]:
    """Every @reference of every config, overlays laid over train.yaml, leads to an id."""
    base = _dangling(source.parser("train.yaml"))
    yield from _dangling_faults("train.yaml", base)
    yield from _dangling_faults("inference.yaml", _dangling(source.parser("inference.yaml")))
    for name in source.overlays:
        yield from _dangling_faults(name, _dangling(source.parser("train.yaml", name)) - base)


def _dangling(parser: ConfigParser) -> set[tuple[str, str]]:
    """(id of the item, id that it refers to) for each reference that leads nowhere."""
    return {(place, reference) for place, reference in _references(parser.get()) if reference not in parser}


def _dangling_faults(name: str, dangling: set[tuple[str, str]]) -> Iterator[str]:
    for place, reference in sorted(dangling):
        yield f"configs/{name}: {_shown(place)} refers to @{_shown(reference)}, which does not exist"


def check_unreferenced_ids(source: BundleSource) -> Iterator[str]:
    """Every id of every config is reached from imports, initialize, run or finalize."""
    base = source.parser("train.yaml")
    merged = {name: source.parser("train.yaml", name) for name in source.overlays}
    reached = _reached(base).union(*map(_reached, merged.values()))
    unused = _nodes(base) - reached
    yield from _unused_faults("train.yaml", unused)
    for name, parser in merged.items():
        keys = ConfigParser.load_config_file(source.root / "configs" / name)
        own = {_node(key.removeprefix(MERGE_KEY), parser) for key in keys}
        members = {member for node in own for member in _members(node, parser)}
        yield from _unused_faults(name, members - reached - unused)
    inference = source.parser("inference.yaml")
    yield from _unused_faults("inference.yaml", _nodes(inference) - _reached(inference))


def _unused_faults(name: str, nodes: set[str]) -> Iterator[str]:
    for node in sorted(nodes - PUBLIC_IDS):
        yield f"configs/{name}: nothing refers to id {_shown(node)}"


def _references(config: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(id of the item, id that it refers to) for each @reference and %macro below ``config``."""
    if isinstance(config, str):
        text = ConfigParser.resolve_relative_ids(place, config)
        for reference in ReferenceResolver.match_refs_pattern(text):
            yield place, reference
        path, macro = ConfigParser.split_path_id(text.removeprefix(MACRO_KEY))
        if text.startswith(MACRO_KEY) and not path:
            yield place, macro
    elif isinstance(config, (dict, list)):
        for _, sub_id, value in ReferenceResolver.iter_subconfigs(place, config):
            yield from _references(value, sub_id)


def _nodes(parser: ConfigParser) -> set[str]:
    """The ids that are looked at: top-level ones, for ``train`` and ``validate`` those directly below."""
    return {node for key in parser.get() for node in _members(key, parser)}


def _members(node: str, parser: ConfigParser) -> set[str]:
    """A namespace's children; else the node itself."""
    if node in NAMESPACES and isinstance(parser.get(node), dict):
        return {f"{node}{ID_SEP_KEY}{child}" for child in parser[node]}
    return {node}


def _node(reference: str, parser: ConfigParser) -> str:
    """The node that holds an id."""
    steps = ReferenceResolver.split_id(reference)
    depth = 2 if steps[0] in NAMESPACES and isinstance(parser.get(steps[0]), dict) else 1
    return ID_SEP_KEY.join(steps[:depth])


def _reached(parser: ConfigParser) -> set[str]:
    """All nodes to which the entry points lead, directly or through others."""
    reached: set[str] = set()
    waiting = {key for key in parser.get() if key in ENTRY_POINTS}
    while waiting:
        node = waiting.pop()
        reached.add(node)
        targets = {_node(reference, parser) for _, reference in _references(parser.get(node), node)}
        waiting |= {member for target in targets for member in _members(target, parser)} - reached
    return reached


def _shown(identifier: str) -> str:
    """An id with ``#``, as the configs write it."""
    return identifier.replace(ID_SEP_KEY, "#")
