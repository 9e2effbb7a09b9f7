"""Loss and soft Dice of every time step, per epoch, to the log, a CSV file and TensorBoard."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Events
from monai.engines import IterationEvents, SupervisedTrainer
from monai.losses import DiceLoss
from monai.utils import CommonKeys as Keys
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_lsext.atomic import replace_when_done

__all__ = ["StepMetricsHandler"]


class StepMetricsHandler:
    """Follows how each of the T steps of a recurrent net improves, in a SupervisedTrainer.

    Reads ``engine.state.output["pred"]``, a list of T tensors [B, K, \\*S] (or one tensor: T = 1), and
    ``["label"]`` [B, K, \\*S]; reports the epoch's mean loss and mean soft Dice of sigmoid(phi_t) per step.
    Under several processes the values are their mean and rank 0 writes.

    Args:
        loss: any loss of (input, target), applied to each step.
        csv_path: one row per epoch (``epoch, loss_1 .. loss_T, dice_1 .. dice_T``), written whole; None for no
            file. A resumed training drops the rows from its first epoch on, a fresh one drops all.
        summary_writer: TensorBoard's SummaryWriter, or None.
        log_dir: where to make a SummaryWriter when none is given; None for no TensorBoard.
        interval: use every n-th iteration of an epoch, from its first, >= 1, default 1.
        name: logger's name, default the engine's logger.

    Raises:
        ValueError: for an ``interval`` below 1, or both a writer and a ``log_dir``.
    """

    def __init__(
        self,
        loss: Callable[[Tensor, Tensor], Tensor],
        csv_path: str | os.PathLike[str] | None = None,
        summary_writer: Any = None,
        log_dir: str | os.PathLike[str] | None = None,
        interval: int = 1,
        name: str | None = None,
    ) -> None:
        if interval < 1:
            raise ValueError(f"`interval` must be >= 1, got {interval}")
        if summary_writer is not None and log_dir is not None:
            raise ValueError("give either `summary_writer` or `log_dir`, got both")
        self.loss = loss
        self.dice_loss = DiceLoss(sigmoid=True)
        self.csv_path = None if csv_path is None else Path(csv_path)
        self.writer = summary_writer
        self.log_dir = log_dir
        self.interval = interval
        self.logger = logging.getLogger(name)
        self._name = name
        self._seen, self._used = 0, 0
        self._sums: Tensor | None = None

    def attach(self, engine: SupervisedTrainer) -> None:
        """Attach to a SupervisedTrainer."""
        if self._name is None:
            self.logger = engine.logger
        engine.add_event_handler(Events.EPOCH_STARTED, self.reset)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.update)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.report)

    def reset(self, engine: SupervisedTrainer) -> None:
        """Forget the last epoch."""
        self._seen, self._used, self._sums = 0, 0, None

    @torch.no_grad()
    def update(self, engine: SupervisedTrainer) -> None:
        """Add this iteration's [loss, Dice] of each step."""
        self._seen += 1
        if (self._seen - 1) % self.interval:
            return
        pred, label = engine.state.output[Keys.PRED], engine.state.output[Keys.LABEL]
        target = convert_to_tensor(label, dtype=torch.float32, track_meta=False)
        rows = []
        for step in [pred] if isinstance(pred, Tensor) else pred:
            phi = convert_to_tensor(step, dtype=torch.float32, track_meta=False)
            rows.append(torch.stack([self.loss(phi, target).mean(), 1 - self.dice_loss(phi, target)]))
        values = torch.stack(rows, dim=1)
        self._sums = values if self._sums is None else self._sums + values
        self._used += 1

    def report(self, engine: SupervisedTrainer) -> None:
        """Write the epoch's means."""
        if self._sums is None:
            return
        # every rank takes part in the mean before all but the first leave
        total = idist.all_reduce(self._sums / self._used)
        means = torch.as_tensor(total) / idist.get_world_size()
        if idist.get_rank() != 0:
            return
        losses, dices = means.cpu().tolist()
        self.logger.info(
            f"Epoch {engine.state.epoch}, steps 1 to {len(losses)}: "
            f"loss {' '.join(f'{v:.4f}' for v in losses)}, Dice {' '.join(f'{v:.4f}' for v in dices)}"
        )
        scalars = {f"loss_{t}": value for t, value in enumerate(losses, start=1)}
        scalars |= {f"dice_{t}": value for t, value in enumerate(dices, start=1)}
        if self.csv_path is not None:
            _put_row(self.csv_path, {"epoch": engine.state.epoch, **scalars})
        self._write_scalars(scalars, engine.state.epoch)

    def _write_scalars(self, scalars: dict[str, float], epoch: int) -> None:
        if self.writer is None and self.log_dir is not None:
            from torch.utils.tensorboard import SummaryWriter

            # events of a training that was killed after this epoch are hidden
            self.writer = SummaryWriter(str(self.log_dir), purge_step=epoch)
        if self.writer is not None:
            for key, value in scalars.items():
                self.writer.add_scalar(f"step_{key.replace('_', '/')}", value, epoch)
            self.writer.flush()


def _put_row(path: Path, row: dict[str, float]) -> None:
    """Append ``row`` after the rows of earlier epochs; later ones are dropped."""
    earlier = []
    if path.is_file():
        with path.open(newline="") as file:
            earlier = [old for old in csv.DictReader(file) if int(old["epoch"]) < row["epoch"]]
    with replace_when_done(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), extrasaction="ignore")
        writer.writeheader()
        writer.writerows([*earlier, {k: v if k == "epoch" else f"{v:.6g}" for k, v in row.items()}])
