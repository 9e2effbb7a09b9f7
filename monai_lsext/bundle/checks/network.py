"""Checks of the weights and of what the network takes and gives."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from monai.utils import get_equivalent_dtype
from torch import Tensor

from monai_lsext.bundle.source import BundleError, BundleSource, one_line

__all__ = ["check_network_in_out", "check_weights"]

NAMED_AT_MOST = 3


def check_weights(source: BundleSource) -> Iterator[str]:
    """models/model.pt fits network_def of train.yaml and inference.yaml key by key."""
    for name in ("train.yaml", "inference.yaml"):
        expected = source.network(name).state_dict()
        missing = sorted(expected.keys() - source.weights.keys())
        unexpected = sorted(source.weights.keys() - expected.keys())
        yield from _named(missing, f"models/model.pt lacks weights of network_def in {name}")
        yield from _named(unexpected, f"models/model.pt has weights that network_def in {name} lacks")
        for key in sorted(expected.keys() & source.weights.keys()):
            wanted, found = tuple(expected[key].shape), tuple(source.weights[key].shape)
            if wanted != found:
                yield f"weight {key} must have shape {wanted} for {name}, got {found}"


def check_network_in_out(source: BundleSource) -> Iterator[str]:
    """The network takes an input as the metadata declares it and gives the declared output, finite."""
    declared = source.tensor_format("outputs", "pred")
    network, image = source.trained_network, source.example()
    try:
        with torch.no_grad():
            output = network(image)
    except (RuntimeError, ValueError, TypeError) as e:
        raise BundleError(f"the network refuses the declared input {list(image.shape)}: {one_line(e)}") from e
    if not isinstance(output, Tensor):
        raise BundleError(f"the network must give one tensor in eval mode, got {type(output).__name__}")
    if output.shape[1] != declared["num_channels"]:
        yield f"outputs#pred declares {declared['num_channels']} channels, the network gives {output.shape[1]}"
    spatial = source.shape("outputs", "pred")[2:]
    if tuple(output.shape[2:]) != spatial:
        yield f"outputs#pred declares the size {spatial}, the network gives {tuple(output.shape[2:])}"
    if output.dtype != get_equivalent_dtype(declared["dtype"], Tensor):
        yield f"outputs#pred declares {declared['dtype']}, the network gives {output.dtype}"
    if not torch.isfinite(output).all():
        yield "the network's output is not finite"


def _named(keys: list[str], sentence: str) -> Iterator[str]:
    if not keys:
        return
    more = f" and {len(keys) - NAMED_AT_MOST} more" if len(keys) > NAMED_AT_MOST else ""
    yield f"{sentence}: {', '.join(keys[:NAMED_AT_MOST])}{more}"
