"""Growth of a network unit by unit: the next one when the loss of the one before has plateaued."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import ignite.distributed as idist
import torch
from ignite.engine import Events
from monai.engines import IterationEvents, SupervisedTrainer
from monai.utils import CommonKeys as Keys
from monai.utils import convert_to_tensor
from torch import Tensor

__all__ = ["PLATEAU_RULES", "GrowingNetwork", "StageGrowth"]


class GrowingNetwork(Protocol):
    """What :class:`StageGrowth` needs of a network, e.g. of :class:`monai_lsext.networks.nets.PNetMSA`."""

    active_units: Tensor

    def set_active_units(self, number: int) -> None:
        """Let the first units take part."""

    def unlock_next_unit(self) -> bool:
        """Let one more unit take part; false where all do."""


def _no_better_than_best(losses: Sequence[float], patience: int, threshold: float) -> bool:
    """None of the last ``patience`` epochs is below (1 - threshold) times the best one before them."""
    return min(losses[-patience:]) >= (1 - threshold) * min(losses[:-patience], default=math.inf)


def _mean_no_better(losses: Sequence[float], patience: int, threshold: float) -> bool:
    """The mean of the last ``patience`` epochs is not below (1 - threshold) times that of as many before."""
    last, before = losses[-patience:], losses[-2 * patience : -patience]
    return len(before) == patience and sum(last) >= (1 - threshold) * sum(before)


# rule -> has it plateaued(losses of the unit's epochs, patience, threshold)
PLATEAU_RULES: dict[str, Callable[[Sequence[float], int, float], bool]] = {
    "best": _no_better_than_best,
    "mean": _mean_no_better,
}


class StageGrowth:
    """Unlocks the next unit of a growing network when the loss of its newest unit has plateaued.

    Reads ``engine.state.output["pred"]``, the list [U_1, .., U_k, Y] of a network with k active units, and
    ``["label"]``; takes the epoch's mean of ``loss(U_k, label)`` and at the end of the epoch asks the rule. The
    network starts with one unit, from the moment that the handler is attached.

    Goes into the ``save_dict`` of :class:`TrainingCheckpoint` together with the network: a resumed training has the
    units (a buffer of the network) and the losses of the present stage.

    Args:
        network: with ``set_active_units`` and ``unlock_next_unit``, not wrapped for several processes.
        loss: any loss of (input, target), applied to U_k; usually the one of the training.
        rule: ``best`` (default): no epoch of the last ``patience`` is better than the best before them by the share
            ``threshold``; ``mean``: the mean of the last ``patience`` epochs is not better than the mean of as many
            before by that share; or a callable (losses of the stage's epochs, patience, threshold) -> bool.
        patience: epochs, >= 1, default 5.
        threshold: share of the loss that counts as progress, 0 <= threshold < 1, default 0.01.
        max_stage_epochs: unlock after so many epochs in any case, >= 1; None (default) for no limit.
        name: logger's name, default the engine's logger.

    Raises:
        ValueError: for an unknown rule or a number out of range; during the training, for a ``pred`` that is not the
            list of the active units and their blend.

    Note:
        The paper adds a unit "when the L_k-plot converges" and gives no rule. Losses are compared by ratio, so they
        must be > 0, as Dice, Jaccard and cross-entropy are. The list grows with the network: give
        :class:`MultiStepLoss` a rule (``uniform`` is Eq. 4 divided by the number of terms), not a list of weights.

    Reference:
        Cai, Lu, Xing & Yang, 2018, section III-A.
    """

    def __init__(
        self,
        network: GrowingNetwork,
        loss: Callable[[Tensor, Tensor], Tensor],
        rule: str | Callable[[Sequence[float], int, float], bool] = "best",
        patience: int = 5,
        threshold: float = 0.01,
        max_stage_epochs: int | None = None,
        name: str | None = None,
    ) -> None:
        if isinstance(rule, str) and rule not in PLATEAU_RULES:
            raise ValueError(f"`rule` must be one of {sorted(PLATEAU_RULES)} or a callable, got {rule!r}")
        if patience < 1:
            raise ValueError(f"`patience` must be >= 1, got {patience}")
        if not 0 <= threshold < 1:
            raise ValueError(f"`threshold` must be >= 0 and < 1, got {threshold}")
        if max_stage_epochs is not None and max_stage_epochs < 1:
            raise ValueError(f"`max_stage_epochs` must be >= 1, got {max_stage_epochs}")
        self.network = network
        self.loss = loss
        self.rule = PLATEAU_RULES[rule] if isinstance(rule, str) else rule
        self.patience = patience
        self.threshold = threshold
        self.max_stage_epochs = max_stage_epochs
        self.logger = logging.getLogger(name)
        self._name = name
        self._losses: list[float] = []  # of the present stage's epochs
        self._sum: Tensor | None = None
        self._count = 0

    def attach(self, engine: SupervisedTrainer) -> None:
        """Attach to a SupervisedTrainer and set the network back to one unit."""
        if self._name is None:
            self.logger = engine.logger
        self.network.set_active_units(1)
        engine.add_event_handler(Events.EPOCH_STARTED, self.reset)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.update)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.grow)

    def state_dict(self) -> dict[str, Any]:
        """The losses of the present stage; the units are in the network's own state."""
        return {"losses": list(self._losses)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        self._losses = [float(loss) for loss in state["losses"]]

    def reset(self, _engine: SupervisedTrainer) -> None:
        """Forget the iterations of the last epoch."""
        self._sum, self._count = None, 0

    @torch.no_grad()
    def update(self, engine: SupervisedTrainer) -> None:
        """Add the newest unit's loss of this iteration."""
        pred, active = engine.state.output[Keys.PRED], int(self.network.active_units)
        if not isinstance(pred, (list, tuple)) or len(pred) != active + 1:
            found = f"{len(pred)} tensors" if isinstance(pred, (list, tuple)) else type(pred).__name__
            raise ValueError(f"`pred` must be the list of {active} active units and their blend, got {found}")
        unit, label = (
            convert_to_tensor(tensor, dtype=torch.float32, track_meta=False)
            for tensor in (pred[active - 1], engine.state.output[Keys.LABEL])
        )
        value = self.loss(unit, label).mean()
        self._sum = value if self._sum is None else self._sum + value
        self._count += 1

    def grow(self, engine: SupervisedTrainer) -> None:
        """Note the epoch's mean loss, and unlock the next unit where it has plateaued."""
        if self._sum is None:
            return
        total = idist.all_reduce(self._sum / self._count)  # all processes must unlock together
        self._losses.append(float(total) / idist.get_world_size())
        epochs, active = len(self._losses), int(self.network.active_units)
        plateau = epochs > self.patience and self.rule(self._losses, self.patience, self.threshold)
        if not (plateau or epochs == self.max_stage_epochs) or not self.network.unlock_next_unit():
            return
        self.logger.info(
            f"Epoch {engine.state.epoch}: loss of unit {active} at {self._losses[-1]:.4f} after {epochs} epochs "
            f"({'plateau' if plateau else 'limit of epochs'}); unit {active + 1} unlocked"
        )
        self._losses = []
