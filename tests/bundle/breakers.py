"""Table of faults that can be put into any good bundle, with the check and the words that must name each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml


class Breaker(NamedTuple):
    """A fault: what makes it, the check that finds it, and words that its sentence must hold."""

    name: str
    break_bundle: Callable[[Path], None]
    check: str
    expected: str


@contextmanager
def edited_metadata(root: Path) -> Iterator[dict[str, Any]]:
    path = root / "configs/metadata.json"
    content = json.loads(path.read_text())
    yield content
    path.write_text(json.dumps(content))


@contextmanager
def edited_config(root: Path, name: str) -> Iterator[dict[str, Any]]:
    path = root / "configs" / name
    content = yaml.safe_load(path.read_text()) if path.is_file() else {}
    yield content
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.dump(content, sort_keys=False))


@contextmanager
def edited_weights(root: Path) -> Iterator[dict[str, torch.Tensor]]:
    path = root / "models/model.pt"
    state = torch.load(path, weights_only=True)
    yield state
    torch.save(state, path)


def no_licence(root: Path) -> None:
    (root / "LICENSE").unlink()


def empty_data_licence(root: Path) -> None:
    (root / "docs/data_license.txt").write_text("")


def large_file(root: Path) -> None:
    with open(root / "docs/movie.png", "wb") as f:
        f.truncate(10_000_000)


def second_model(root: Path) -> None:
    (root / "models/model_old.pt").write_bytes(b"0")


def blank_readme(root: Path) -> None:
    (root / "docs/README.md").write_text("\n\n")


def broken_json(root: Path) -> None:
    (root / "configs/metadata.json").write_text("{")


def schema_field_missing(root: Path) -> None:
    with edited_metadata(root) as metadata:
        del metadata["required_packages_version"]


def value_range_of_one(root: Path) -> None:
    with edited_metadata(root) as metadata:
        metadata["network_data_format"]["inputs"]["image"]["value_range"] = [0]


def version_not_in_changelog(root: Path) -> None:
    with edited_metadata(root) as metadata:
        metadata["version"] = "99.0.0"


def unreadable_version(root: Path) -> None:
    with edited_metadata(root) as metadata:
        metadata["monai_version"] = "newest"


def version_from_the_future(root: Path) -> None:
    with edited_metadata(root) as metadata:
        metadata["required_packages_version"]["pytorch-ignite"] = "99.0"


def channel_gap(root: Path) -> None:
    with edited_metadata(root) as metadata:
        metadata["network_data_format"]["outputs"]["pred"]["channel_def"]["9"] = "vessel"


def no_background(root: Path) -> None:
    with edited_metadata(root) as metadata:
        metadata["network_data_format"]["outputs"]["pred"]["channel_def"]["0"] = "disc"


def other_hash(root: Path) -> None:
    with edited_metadata(root) as metadata:
        metadata["weights_sha256"] = "0" * 64


def dangling_reference(root: Path) -> None:
    with edited_config(root, "inference.yaml") as config:
        config["initialize"].append("$@no_such_id")


def dangling_reference_in_overlay(root: Path) -> None:
    with edited_config(root, "multi_gpu_train.yaml") as config:
        config["initialize"].append("$@no_such_id")


def unreferenced_id(root: Path) -> None:
    with edited_config(root, "train.yaml") as config:
        config["forgotten"] = 3


def unreferenced_nested_id(root: Path) -> None:
    with edited_config(root, "train.yaml") as config:
        config["train"]["forgotten"] = "@train#trainer"


def unreferenced_id_in_overlay(root: Path) -> None:
    with edited_config(root, "evaluate.yaml") as config:
        config["forgotten"] = 3


def data_needed(root: Path) -> None:
    with edited_config(root, "train.yaml") as config:
        config["train"]["dataset"]["data"] = "$list(open(@dataset_dir + '/list.txt'))"


def property_missing(root: Path) -> None:
    with edited_config(root, "train.yaml") as config:
        del config["train"]["trainer"]["max_epochs"]


def optional_property_misnamed(root: Path) -> None:
    with edited_config(root, "inference.yaml") as config:
        config["after"] = config.pop("postprocessing")
        config["evaluator"]["postprocessing"] = "@after"


def unknown_net_in_variant(root: Path) -> None:
    with edited_config(root, "variants/broken.yaml") as config:
        config["network_def"] = {"_target_": "NoSuchNet"}


def variant_of_missing_parent(root: Path) -> None:
    with edited_config(root, "variants/broken.yaml") as config:
        config["no_parent#child"] = 1


def other_network(root: Path) -> None:
    with edited_config(root, "inference.yaml") as config:
        config["network_def"]["dropout"] = 0.123


def other_preprocessing(root: Path) -> None:
    with edited_config(root, "inference.yaml") as config:
        config["preprocessing"]["transforms"].append({"_target_": "ShiftIntensityd", "keys": "image", "offset": 1})


def weights_with_code(root: Path) -> None:
    torch.save(torch.nn.Linear(1, 1), root / "models/model.pt")


def renamed_weight(root: Path) -> None:
    with edited_weights(root) as state:
        state["renamed_weight"] = state.pop(next(iter(state)))


def other_weight_shape(root: Path) -> None:
    with edited_weights(root) as state:
        state[next(iter(state))] = torch.zeros(1, 2, 3, 4, 5)


def weight_not_a_number(root: Path) -> None:
    with edited_weights(root) as state:
        for weight in state.values():
            if weight.is_floating_point():
                weight.fill_(float("nan"))


def other_input_channels(root: Path) -> None:
    with edited_metadata(root) as metadata:
        metadata["network_data_format"]["inputs"]["image"]["num_channels"] += 4


def other_output_channels(root: Path) -> None:
    with edited_metadata(root) as metadata:
        metadata["network_data_format"]["outputs"]["pred"]["num_channels"] = 7


def other_output_type(root: Path) -> None:
    with edited_metadata(root) as metadata:
        metadata["network_data_format"]["outputs"]["pred"]["dtype"] = "uint8"


BREAKERS = [
    Breaker("no licence", no_licence, "files", "required file LICENSE is missing"),
    Breaker("empty data licence", empty_data_licence, "files", "docs/data_license.txt is empty"),
    Breaker("large file", large_file, "files", "docs/movie.png must be smaller than 10 MB, got 10.0 MB"),
    Breaker("second model", second_model, "models folder", "models/model_old.pt belongs in models/aux"),
    Breaker("blank readme", blank_readme, "readme", "docs/README.md has no text"),
    Breaker("broken JSON", broken_json, "metadata schema", "configs/metadata.json cannot be read: JSONDecodeError"),
    Breaker("schema field", schema_field_missing, "metadata schema", "'required_packages_version' is a required"),
    Breaker("value range", value_range_of_one, "metadata schema", "#inputs#image#value_range: [0]"),
    Breaker("version", version_not_in_changelog, "versions", "version 99.0.0 is missing in the changelog"),
    Breaker("unreadable version", unreadable_version, "versions", "monai_version must be a version such as"),
    Breaker("future version", version_from_the_future, "versions", "pytorch-ignite 99.0, newer than the installed"),
    Breaker("channel gap", channel_gap, "channel definition", "channel_def of outputs#pred must count 0, 1"),
    Breaker("no background", no_background, "channel definition", "must name 0 the background, got 'disc'"),
    Breaker("hash", other_hash, "weights hash", "weights_sha256 states 0000"),
    Breaker("dangling", dangling_reference, "references", "inference.yaml: initialize#"),
    Breaker("dangling overlay", dangling_reference_in_overlay, "references", "refers to @no_such_id, which does not"),
    Breaker("unreferenced", unreferenced_id, "unreferenced ids", "train.yaml: nothing refers to id forgotten"),
    Breaker("unreferenced nested", unreferenced_nested_id, "unreferenced ids", "refers to id train#forgotten"),
    Breaker("unreferenced overlay", unreferenced_id_in_overlay, "unreferenced ids", "evaluate.yaml: nothing refers"),
    Breaker("data needed", data_needed, "properties", "train.yaml does not start without data: "),
    Breaker("no max_epochs", property_missing, "properties", "max_epochs"),
    Breaker("misnamed id", optional_property_misnamed, "properties", "property postprocessing is missing or has"),
    Breaker("variant's net", unknown_net_in_variant, "variants", "variants/broken.yaml cannot be built"),
    Breaker("variant's parent", variant_of_missing_parent, "variants", "variants/broken.yaml cannot be read: KeyError"),
    Breaker("other network", other_network, "same network", "network_def#dropout differs: "),
    Breaker("other preprocessing", other_preprocessing, "same preprocessing", "'ShiftIntensityd'"),
    Breaker("weights with code", weights_with_code, "weights", "model.pt is refused by weights_only=True"),
    Breaker("renamed weight", renamed_weight, "weights", "has weights that network_def in train.yaml lacks: renamed_"),
    Breaker("weight's shape", other_weight_shape, "weights", "for train.yaml, got (1, 2, 3, 4, 5)"),
    Breaker("NaN weights", weight_not_a_number, "network in and out", "is not finite"),
    Breaker("input channels", other_input_channels, "network in and out", "the network refuses the declared input [1,"),
    Breaker("output channels", other_output_channels, "network in and out", "outputs#pred declares 7 channels"),
    Breaker("output type", other_output_type, "network in and out", "declares uint8, the network gives torch.float32"),
]
