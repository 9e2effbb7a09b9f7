"""The weights of the best validation epoch, in one file."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import ignite.distributed as idist
import torch
from ignite.engine import Events
from monai.engines import Evaluator
from monai.networks.utils import get_state_dict
from torch import nn

from monai_lsext.atomic import replace_when_done

__all__ = ["BestModelSaver"]


class BestModelSaver:
    """Writes the network's bare state dict when the evaluator has just found a new best key metric.

    MONAI's CheckpointSaver keeps its own score, which a resumed training forgets; this handler trusts
    ``engine.state.best_metric_epoch``, which :class:`TrainingCheckpoint` restores.

    Args:
        network: whose weights are written; a DistributedDataParallel wrapper is taken off.
        path: the file, usually ``models/model.pt``; written whole or not at all, by rank 0.
        companions: networks that training needs and inference does not, by the name of the file beside ``path``
            that gets their weights at the same time; default none.
        name: logger's name, default the engine's logger.
    """

    def __init__(
        self,
        network: nn.Module,
        path: str | os.PathLike[str],
        companions: Mapping[str, nn.Module] | None = None,
        name: str | None = None,
    ) -> None:
        self.networks = {Path(path): network}
        self.networks |= {Path(path).with_name(file): other for file, other in (companions or {}).items()}
        self.logger = logging.getLogger(name)
        self._name = name

    def attach(self, engine: Evaluator) -> None:
        """Attach to the evaluator, whose key metric decides."""
        if self._name is None:
            self.logger = engine.logger
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Evaluator) -> None:
        """Write if this epoch is the best so far."""
        if engine.state.best_metric_epoch != engine.state.epoch or idist.get_rank() != 0:
            return
        for path, network in self.networks.items():
            weights = {key: value.cpu() for key, value in get_state_dict(network).items()}
            with replace_when_done(path) as temporary:
                torch.save(weights, temporary)
        self.logger.info(f"Saved the best model: epoch {engine.state.epoch}, {engine.state.best_metric:.4f}")
