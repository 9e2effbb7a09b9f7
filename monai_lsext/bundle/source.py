"""Reading of a bundle directory: metadata, configs, networks, weights; nothing is written."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.bundle.scripts import _get_fake_spatial_shape
from monai.utils import get_equivalent_dtype
from torch import Tensor, nn

__all__ = ["BundleError", "BundleSource", "CheckSkippedError", "built", "file_sha256", "one_line"]

SMALLEST_SIDE = 32


class BundleError(ValueError):
    """A fault of the bundle that leaves nothing to check or to run; its text is the sentence for the user."""


class CheckSkippedError(Exception):
    """A check that does not apply here; its text says why."""


def one_line(error: BaseException, length: int = 200) -> str:
    """Type and message of an exception and of its causes, on one line; at most ``length`` characters of each."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    text = text if len(text) <= length else text[: length - 3] + "..."
    return text if error.__cause__ is None else f"{text} (from {one_line(error.__cause__, length)})"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, by which weights are told apart."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def built(parser: ConfigParser, item: str, *names: str) -> Any:
    """What an id of configs stands for.

    Args:
        parser: of the configs.
        item: the id.
        names: of the configs' files, for the sentence.

    Raises:
        BundleError: where it cannot be built.
    """
    try:
        return parser.get_parsed_content(item)
    except Exception as e:  # a config can fail in any way; the sentence must name the file
        raise BundleError(f"{item} of configs/{' + '.join(names)} cannot be built: {one_line(e)}") from e


@dataclass(frozen=True)
class BundleSource:
    """What is read of a bundle, by its checks and to run it.

    Args:
        root: the bundle's directory, absolute.
        other_weights: a file of weights instead of the bundle's own; None (default): ``models/model.pt``.
    """

    root: Path
    other_weights: Path | None = None

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Content of ``configs/metadata.json``."""
        try:
            content = json.loads((self.root / "configs/metadata.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as e:
            raise BundleError(f"configs/metadata.json cannot be read: {one_line(e)}") from e
        if not isinstance(content, dict):
            raise BundleError(f"configs/metadata.json must hold a dictionary, got {type(content).__name__}")
        return content

    @cached_property
    def overlays(self) -> list[str]:
        """Names of the configs that are laid over ``train.yaml``."""
        variants = sorted((self.root / "configs/variants").glob("*.yaml"))
        names = ["evaluate.yaml", "multi_gpu_train.yaml"] + [f"variants/{path.name}" for path in variants]
        return [name for name in names if (self.root / "configs" / name).is_file()]

    def parser(self, *names: str) -> ConfigParser:
        """MONAI's parser of configs laid one over the other, macros and relative ids as written.

        Args:
            names: file names in ``configs``, the base first.
        """
        parser = ConfigParser()
        try:
            parser.read_config([str(self.root / "configs" / name) for name in names])
            parser.read_meta(self.metadata)
            parser["bundle_root"] = str(self.root)
        except Exception as e:  # as above
            raise BundleError(f"configs/{' + '.join(names)} cannot be read: {one_line(e)}") from e
        return parser

    def network(self, *names: str) -> nn.Module:
        """A fresh ``network_def`` of configs, in eval mode."""
        network = built(self.parser(*names), "network_def", *names)
        if not isinstance(network, nn.Module):
            raise BundleError(
                f"network_def of configs/{' + '.join(names)} must be a torch module, got {type(network).__name__}"
            )
        return network.eval()

    @property
    def weights_path(self) -> Path:
        """The file of the weights."""
        return self.other_weights or self.root / "models/model.pt"

    @property
    def weights_name(self) -> str:
        """That file as messages call it."""
        return self.other_weights.name if self.other_weights else "models/model.pt"

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The state dict in the file of the weights, loaded as data alone (``weights_only=True``)."""
        try:
            state = torch.load(self.weights_path, map_location="cpu", weights_only=True)
        except FileNotFoundError as e:
            name = self.other_weights or self.weights_name
            raise BundleError(f"bundle {self.root.name} must have its weights in {name}, found none") from e
        except pickle.UnpicklingError as e:
            raise BundleError(f"{self.weights_name} is refused by weights_only=True: it must hold tensors alone") from e
        except Exception as e:  # torch raises zip, runtime and OS errors here
            raise BundleError(f"{self.weights_name} cannot be loaded: {one_line(e)}") from e
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise BundleError(f"{self.weights_name} must be a plain state dict (name -> tensor) of network_def")
        return state

    @cached_property
    def trained_network(self) -> nn.Module:
        """``network_def`` of ``inference.yaml`` with the shipped weights, in eval mode."""
        return self.with_weights(self.network("inference.yaml"))

    def with_weights(self, network: nn.Module) -> nn.Module:
        """The network itself, with the shipped weights loaded strictly."""
        try:
            network.load_state_dict(self.weights)
        except RuntimeError as e:
            raise BundleError(f"models/model.pt does not fit network_def of inference.yaml: {one_line(e)}") from e
        return network

    def tensor_format(self, direction: str, name: str) -> dict[str, Any]:
        """Declared format of a tensor, such as ``("inputs", "image")``, in the metadata."""
        try:
            return self.metadata["network_data_format"][direction][name]
        except (KeyError, TypeError) as e:
            raise BundleError(f"metadata has no network_data_format#{direction}#{name}") from e

    def shape(self, direction: str, name: str) -> tuple[int, ...]:
        """An example [1, C, \\*S] of a declared shape.

        Note:
            MONAI's own helper fills "*" and expressions of p and n with 1, below the smallest size of most
            nets; here p = n is the least number that makes each such side at least 32 (8 at most).
        """
        declared = self.tensor_format(direction, name)
        spatial: tuple[int, ...] = ()
        for factor in range(1, 9):
            spatial = _get_fake_spatial_shape(declared["spatial_shape"], p=factor, n=factor, any=SMALLEST_SIDE)
            free = [side for side, d in zip(spatial, declared["spatial_shape"], strict=True) if isinstance(d, str)]
            if min(free, default=SMALLEST_SIDE) >= SMALLEST_SIDE:
                break
        return (1, declared["num_channels"], *spatial)

    def example(self, seed: int = 0) -> Tensor:
        """Uniform noise in [0, 1) of the declared input's shape and type."""
        dtype = get_equivalent_dtype(self.tensor_format("inputs", "image")["dtype"], Tensor)
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(self.shape("inputs", "image"), generator=generator).to(dtype)
