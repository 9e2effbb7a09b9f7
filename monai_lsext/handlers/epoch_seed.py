"""Random state as a function of seed and epoch, so that a resumed training draws what an undisturbed one draws."""

from __future__ import annotations

import random
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.data.utils import set_rnd

__all__ = ["EpochSeed"]


class EpochSeed:
    """Seeds torch, numpy, ``random`` and the data set's random transforms when an epoch starts.

    The seed is numpy's ``SeedSequence((seed, epoch, rank))``, so neighbouring seeds, epochs and ranks share
    nothing. The data loader's iterator is made anew after seeding: its shuffling and its workers draw from it.

    Args:
        seed: >= 0.
        dataset: whose random transforms are seeded; default the data set of the engine's data loader.

    Raises:
        ValueError: for a negative seed, or at attachment to an engine whose workers outlive the epoch.

    Note:
        Give the trainer no sampler or ``generator`` of its own state; MONAI's DistributedSampler is a function
        of the epoch already.
    """

    def __init__(self, seed: int, dataset: Any = None) -> None:
        if seed < 0:
            raise ValueError(f"`seed` must be >= 0, got {seed}")
        self.seed = seed
        self.dataset = dataset

    def attach(self, engine: Engine) -> None:
        """Seed ``engine``, a MONAI trainer, at each EPOCH_STARTED."""
        if getattr(getattr(engine, "data_loader", None), "persistent_workers", False):
            raise ValueError("`persistent_workers` of the data loader must be False: its workers keep their own seed")
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed for the epoch that starts."""
        entropy = (self.seed, engine.state.epoch, idist.get_rank())
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        loader = getattr(engine, "data_loader", None)
        dataset = getattr(loader, "dataset", None) if self.dataset is None else self.dataset
        if dataset is not None:
            set_rnd(dataset, seed)
        if loader is not None:
            engine.set_data(loader)
