"""A stage of a training that starts from the weights of the stage before."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import torch
from ignite.engine import Events
from monai.engines import Trainer
from torch import nn

from monai_lsext.networks.unwrap import unwrapped

__all__ = ["StageWeights"]


class StageWeights:
    """Loads a part of the network, strictly, when the training starts, and lets all its units take part.

    A training that was interrupted and resumes has its own weights: then nothing is loaded. So this handler stands
    behind :class:`TrainingCheckpoint`.

    Args:
        network: the whole network; wrappers for several processes are looked through.
        path: file with the state dict of a whole network of an earlier stage. What is outside ``part`` may differ.
        part: name of the submodule that is loaded, default ``pnet``; "" for the whole network.
        name: logger's name, default the engine's logger.

    Raises:
        FileNotFoundError: when the training starts, for a missing file.
        ValueError: then, for a file without that part or whose part does not fit.

    Note:
        Weights of a network that had not yet grown to its full number of units are taken too; the units that were
        locked start untrained.
    """

    def __init__(
        self, network: nn.Module, path: str | os.PathLike[str], part: str = "pnet", name: str | None = None
    ) -> None:
        self.network = network
        self.path = Path(path)
        self.part = part
        self.logger = logging.getLogger(name)
        self._name = name

    def attach(self, engine: Trainer) -> None:
        """Attach to the trainer."""
        if self._name is None:
            self.logger = engine.logger
        engine.add_event_handler(Events.STARTED, self.load)

    def load(self, engine: Trainer) -> None:
        """Load unless the training resumes."""
        if engine.state.epoch > 0:
            return
        if not self.path.is_file():
            raise FileNotFoundError(
                f"`stage_weights` must name the model.pt of the stage before, there is none at {self.path}; "
                "train that stage first, or give its file"
            )
        stored = torch.load(self.path, map_location="cpu", weights_only=True)
        prefix = f"{self.part}." if self.part else ""
        weights = {key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)}
        part = unwrapped(self.network).get_submodule(self.part)
        if not weights:
            raise ValueError(f"`stage_weights` must hold weights of {self.part!r}, got none in {self.path}")
        try:
            part.load_state_dict(weights)
        except RuntimeError as error:
            first = str(error).split("\n\t")[1]  # of all the tensors that do not fit
            raise ValueError(f"`stage_weights` must fit {self.part!r} of this network, {self.path}: {first}") from error
        if hasattr(part, "set_active_units"):
            part.set_active_units(part.num_units)
        self.logger.info(f"Stage starts from {self.path}")
