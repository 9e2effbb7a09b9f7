"""Gradient clipping for MONAI trainers, which have no argument for it."""

from __future__ import annotations

import torch
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents

__all__ = ["GradientClipping"]


class GradientClipping:
    """Scale the gradient to ``g * min(1, max_norm / ||g||)`` between the backward pass and the optimiser's step.

    A recurrent net multiplies T Jacobians; a rare image can make the product huge and undo all training.

    Args:
        max_norm: largest Euclidean norm over all parameters of the trainer's network, > 0, default 1.

    Raises:
        ValueError: when ``max_norm`` is not positive.
    """

    def __init__(self, max_norm: float = 1.0) -> None:
        if max_norm <= 0:
            raise ValueError(f"`max_norm` must be > 0, got {max_norm}")
        self.max_norm = max_norm

    def attach(self, engine: SupervisedTrainer) -> None:
        """Hook into a ``SupervisedTrainer``-like engine (with ``network``, ``optimizer`` and ``scaler``)."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: SupervisedTrainer) -> None:
        if engine.scaler is not None:
            engine.scaler.unscale_(engine.optimizer)
        torch.nn.utils.clip_grad_norm_(engine.network.parameters(), self.max_norm)
