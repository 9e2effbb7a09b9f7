"""Fine-tuning of a bundle by its own ``train.yaml`` on a list of images and labels."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from monai.utils import set_determinism

from monai_lsext.bundle.source import BundleSource, file_sha256

__all__ = ["TRAIN_OPTIONS", "fine_tune", "split"]

# name in a request -> default
TRAIN_OPTIONS: dict[str, Any] = {"max_epochs": 10, "val_split": 0.2, "weights": "latest", "device": "", "seed": 0}
_VALIDATIONS = 5


def split(items: Sequence[dict[str, str]], val_split: float, seed: int) -> tuple[list[Any], list[Any]]:
    """Training and validation items; with fewer than two of either, both are all of them.

    Args:
        items: labelled cases.
        val_split: share for validation, 0 to 0.9.
        seed: of the shuffle.

    Raises:
        ValueError: without an item, or for a share out of range.
    """
    if not items:
        raise ValueError("a training needs at least one labelled image, got none; save a label first")
    if not 0 <= val_split <= 0.9:
        raise ValueError(f"`val_split` must be 0 to 0.9, got {val_split}")
    order = torch.randperm(len(items), generator=torch.Generator().manual_seed(seed)).tolist()
    cases = [dict(items[index]) for index in order]
    held_back = round(val_split * len(cases))
    if held_back < 1 or len(cases) - held_back < 1:
        return cases, list(cases)
    return cases[held_back:], cases[:held_back]


def fine_tune(
    root: Path, start: Path, items: Sequence[dict[str, str]], output: Path, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Train a bundle on from given weights; the best ones by validation are ``<output>/model.pt``.

    Preprocessing, loss, optimiser, rate and handlers are those of ``train.yaml``; only the data, the number of epochs,
    the interval of validation and the folders are set.

    Args:
        root: the bundle's directory; nothing is written there.
        start: weights to start from.
        items: {"image", "label"}, paths.
        output: folder for the weights and, in ``log``, for logs and pictures; must not exist.
        options: those of ``TRAIN_OPTIONS`` that differ; ``max_epochs`` >= 1.

    Returns:
        what was trained on, the best validation metric and the sha256 of the new and the shipped weights.

    Raises:
        ValueError: for an option out of range, no item, or weights that do not fit.
    """
    chosen = {**TRAIN_OPTIONS, **(options or {})}
    epochs = int(chosen["max_epochs"])
    if epochs < 1:
        raise ValueError(f"`max_epochs` must be >= 1, got {epochs}")
    source = BundleSource(root)
    training, validation = split(items, float(chosen["val_split"]), int(chosen["seed"]))
    parser = source.parser("train.yaml")
    parser["output_dir"], parser["ckpt_dir"] = str(output / "log"), str(output)
    parser["train#dataset#data"], parser["validate#dataset#data"] = training, copy.deepcopy(validation)
    parser["train#trainer#max_epochs"] = epochs
    parser["val_interval"] = max(1, epochs // _VALIDATIONS)
    if chosen["device"]:
        parser["device"] = str(chosen["device"])
    shipped = file_sha256(source.weights_path)
    output.mkdir(parents=True)
    began = time.time()
    try:
        network = parser.get_parsed_content("network_def")
        network.load_state_dict(torch.load(start, map_location="cpu", weights_only=True))
        parser.get_parsed_content("initialize")
        parser.get_parsed_content("run")
    except RuntimeError as error:
        if "state_dict" in str(error):
            raise ValueError(f"the weights {start.name} do not fit network_def of {root.name}'s train.yaml") from error
        raise
    finally:
        set_determinism(None)
    if not (output / "model.pt").is_file():
        raise ValueError("no validation gave a metric, so there are no new weights; do the labels hold the object?")
    state = parser.get_parsed_content("validate#evaluator").state
    return {
        "model": root.name,
        "epochs": epochs,
        "train_images": len(training),
        "val_images": len(validation),
        "val_metric": {state.key_metric_name: float(state.best_metric)},
        "weights": str(output / "model.pt"),
        "weights_sha256": file_sha256(output / "model.pt"),
        "shipped_weights_sha256": shipped,
        "seconds": round(time.time() - began, 1),
    }
