"""Step weights that move from one set to another during training."""

from __future__ import annotations

from collections.abc import Sequence

from ignite.engine import Events
from monai.handlers import ParamSchedulerHandler

from monai_lsext.losses import MultiStepLoss

__all__ = ["StepWeightSchedule"]


class StepWeightSchedule(ParamSchedulerHandler):
    """Moves the step weights of a loss geometrically, ``w_t = a_t**(1 - f) * b_t**f``.

    f rises linearly from 0 at ``first_epoch`` (and before) to 1 at ``last_epoch`` (and after). The weights are
    a function of the epoch, set when it starts, so a resumed training has them right.

    Args:
        loss: the loss that the trainer uses.
        start_weights: a_t, one per step, > 0.
        end_weights: b_t, one per step, > 0.
        first_epoch: last epoch with the start weights, counted from 1, default 1.
        last_epoch: first epoch with the end weights, > ``first_epoch``.
        name: logger's name, default the engine's logger.

    Raises:
        ValueError: for weights that are not positive or differ in number, or epochs out of order.
    """

    def __init__(
        self,
        loss: MultiStepLoss,
        start_weights: Sequence[float],
        end_weights: Sequence[float],
        last_epoch: int,
        first_epoch: int = 1,
        name: str | None = None,
    ) -> None:
        if len(start_weights) != len(end_weights):
            raise ValueError(
                "`start_weights` and `end_weights` must have one weight per step, "
                f"got {len(start_weights)} and {len(end_weights)}"
            )
        if not start_weights or min(*start_weights, *end_weights) <= 0:
            raise ValueError(f"weights must be > 0, got {list(start_weights)} and {list(end_weights)}")
        if last_epoch <= first_epoch:
            raise ValueError(f"`last_epoch` must be > `first_epoch` = {first_epoch}, got {last_epoch}")
        self.start_weights = list(start_weights)
        self.end_weights = list(end_weights)
        self.first_epoch = first_epoch
        self.last_epoch = last_epoch
        super().__init__(
            parameter_setter=loss.set_step_weights,
            value_calculator=self.weights_at,
            vc_kwargs={},
            epoch_level=True,
            name=name,
            event=Events.EPOCH_STARTED,  # type: ignore[arg-type]
        )

    def weights_at(self, current_step: int) -> list[float]:
        """The weights of epoch ``current_step``."""
        share = (current_step - self.first_epoch) / (self.last_epoch - self.first_epoch)
        share = min(max(share, 0.0), 1.0)
        return [a ** (1 - share) * b**share for a, b in zip(self.start_weights, self.end_weights, strict=True)]
