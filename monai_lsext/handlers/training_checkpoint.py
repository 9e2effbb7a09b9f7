"""One file from which an interrupted training resumes."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Events
from monai.engines import Evaluator, Trainer
from monai.networks.utils import get_state_dict

from monai_lsext.atomic import replace_when_done
from monai_lsext.networks.unwrap import unwrapped

__all__ = ["TrainingCheckpoint"]


class TrainingCheckpoint:
    """Saves the whole training at the end of an epoch, and resumes from it when the training starts again.

    The file holds the state dict of each object, the trainer's epoch and iteration, the AMP scaler and the
    evaluator's best metric. When the trainer starts and the file's epoch is below ``max_epochs``, all of it is
    restored; a file of a finished training is ignored (the training starts afresh, a line in the log says so). At the
    end of a training of which no epoch was validated, the evaluator validates the last one.
    Random state is not stored: use :class:`EpochSeed`.

    Args:
        save_dir: folder of the file; under several processes all of them must see it.
        save_dict: objects with ``state_dict`` and ``load_state_dict``, e.g. network, optimiser, scheduler.
        evaluator: MONAI evaluator whose ``best_metric`` belongs to the training, or None.
        interval: epochs between two writes, >= 1, default 1; the last epoch is always written.
        filename: default ``training_state.pt``.
        name: logger's name, default the engine's logger.

    Raises:
        ValueError: for an ``interval`` below 1 or an empty ``save_dict``; at the start of the training, for a
            file that does not fit the objects.

    Note:
        Validation, learning rate schedule and whatever else acts at the end of an epoch must come before the
        write, so the handler registers its write when the training starts, behind all others, wherever it
        stands in the list of handlers.
    """

    def __init__(
        self,
        save_dir: str | os.PathLike[str],
        save_dict: Mapping[str, Any],
        evaluator: Evaluator | None = None,
        interval: int = 1,
        filename: str = "training_state.pt",
        name: str | None = None,
    ) -> None:
        if interval < 1:
            raise ValueError(f"`interval` must be >= 1, got {interval}")
        if not save_dict:
            raise ValueError("`save_dict` must hold at least one object, got none")
        self.path = Path(save_dir) / filename
        self.save_dict = dict(save_dict)
        self.evaluator = evaluator
        self.interval = interval
        self.logger = logging.getLogger(name)
        self._name = name

    def attach(self, engine: Trainer) -> None:
        """Attach to the trainer."""
        if self._name is None:
            self.logger = engine.logger
        engine.add_event_handler(Events.STARTED, self.resume)
        engine.add_event_handler(Events.COMPLETED, self.validate)

    def resume(self, engine: Trainer) -> None:
        """Restore the stored training if there is an unfinished one."""
        if not engine.has_event_handler(self.save, Events.EPOCH_COMPLETED):
            engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)
        # a trainer that goes on in the same process, as in federated rounds, has newer weights than the file
        if not self.path.is_file() or engine.state.iteration > 0:
            return
        try:
            stored = torch.load(self.path, map_location="cpu", weights_only=True)
            epoch = stored["epoch"]
            if epoch >= engine.state.max_epochs:
                self.logger.info(f"Stored training is finished (epoch {epoch}): starting afresh")
                return
            self._restore(engine, stored)
        except Exception as error:
            raise ValueError(f"`{self.path}` does not fit this training; delete it to start afresh: {error}") from error
        self.logger.info(f"Resuming after epoch {epoch} of {engine.state.max_epochs}")

    def save(self, engine: Trainer) -> None:
        """Write the state at the end of an epoch, rank 0 only."""
        state = engine.state
        if (state.epoch % self.interval and state.epoch != state.max_epochs) or idist.get_rank() != 0:
            return
        stored = {
            "epoch": state.epoch,
            "iteration": state.iteration,
            "objects": {key: get_state_dict(item) for key, item in self.save_dict.items()},
        }
        scaler = getattr(engine, "scaler", None)
        if scaler is not None:
            stored["scaler"] = scaler.state_dict()
        if self.evaluator is not None:
            best = self.evaluator.state
            stored["best"] = (float(best.best_metric), int(best.best_metric_epoch))
        with replace_when_done(self.path) as temporary:
            torch.save(stored, temporary)

    def validate(self, engine: Trainer) -> None:
        """At the end, where no epoch was validated (few epochs, a long interval): else no weights would be kept."""
        if self.evaluator is not None and self.evaluator.state.best_metric_epoch < 1 and engine.state.epoch > 0:
            self.logger.info("No epoch was validated: validating the last one")
            self.evaluator.run(engine.state.epoch)

    def _restore(self, engine: Trainer, stored: dict[str, Any]) -> None:
        for key, item in self.save_dict.items():
            unwrapped(item).load_state_dict(stored["objects"][key])
        engine.state.epoch = stored["epoch"]
        engine.state.iteration = stored["iteration"]
        scaler = getattr(engine, "scaler", None)
        if scaler is not None and "scaler" in stored:
            scaler.load_state_dict(stored["scaler"])
        if self.evaluator is not None and "best" in stored:
            self.evaluator.state.best_metric, self.evaluator.state.best_metric_epoch = stored["best"]
