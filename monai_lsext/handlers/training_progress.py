"""One progress bar over the whole training."""

from __future__ import annotations

import torch
from ignite.engine import Events
from monai.engines import Evaluator, SupervisedTrainer
from tqdm.auto import tqdm

__all__ = ["TrainingProgress"]


class TrainingProgress:
    """Progress bar over all iterations of all epochs, with rate, time left, loss and best validation metric.

    Args:
        evaluator: the validation engine whose best key metric is shown; default none.
    """

    def __init__(self, evaluator: Evaluator | None = None) -> None:
        self.evaluator = evaluator
        self.bar: tqdm | None = None

    def attach(self, engine: SupervisedTrainer) -> None:
        """Hook into the trainer, after the handler that resumes an interrupted training."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
        for event in (Events.COMPLETED, Events.EXCEPTION_RAISED):
            engine.add_event_handler(event, self._close)

    def _start(self, engine: SupervisedTrainer) -> None:
        state = engine.state
        self.bar = tqdm(
            total=state.max_epochs * state.epoch_length,
            initial=state.epoch * state.epoch_length,
            desc="training",
            unit="it",
            dynamic_ncols=True,
        )

    def _advance(self, engine: SupervisedTrainer) -> None:
        if self.bar is None:
            return
        output = engine.state.output
        first = output[0] if isinstance(output, list) else output
        loss = float(torch.as_tensor(first["loss"]).detach())
        shown = {"epoch": f"{engine.state.epoch}/{engine.state.max_epochs}", "loss": f"{loss:.4g}"}
        if self.evaluator is not None and self.evaluator.state.best_metric_epoch > 0:
            shown["best"] = f"{float(self.evaluator.state.best_metric):.4f}"
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update()

    def _close(self, _engine: SupervisedTrainer, error: BaseException | None = None) -> None:
        if self.bar is not None:
            self.bar.close()
        if error is not None:
            raise error
