"""Replay of recent samples during training."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from torch import Tensor

__all__ = ["ReplayBuffer", "Replayable"]


class Replayable(Protocol):
    """A trainer with memory of its last samples, e.g. :class:`monai_lsext.engines.LevelSetSemiSupervisedTrainer`."""

    samples: list[tuple[Tensor, Tensor]]

    def train_on(self, image: Tensor, target: Tensor) -> Tensor: ...


class ReplayBuffer:
    """First-in-first-out buffer of the samples a trainer has learned from; when it is full, it is learned once more.

    After each iteration the trainer's samples (image, target) are put in, oldest out. When the buffer is full, there is
    one pass over it, oldest first, in batches; then the ``num_leaving`` oldest leave.

    Its state belongs into the training's checkpoint: ``TrainingCheckpoint(save_dict={.., "replay": buffer})``.

    Args:
        capacity: samples, >= 1.
        batch_size: samples in one step of a pass, >= 1, default 12.
        num_leaving: how many leave after a pass, 1 .. capacity; default 1, as published: once full, each iteration
            is followed by a pass. With ``capacity`` every sample is learned exactly twice.

    Raises:
        ValueError: for an argument out of range.

    Note:
        The paper gives no capacity. Targets are those of the moment when the sample was learned. Under several
        processes each has a buffer; a pass waits until all are full, and the checkpoint holds the one of rank 0.

    Reference:
        Tang, Valipour, Zhang, Cobzas & Jagersand, "A deep level set method for image segmentation", 2017, Section 2.3.
    """

    def __init__(self, capacity: int, batch_size: int = 12, num_leaving: int = 1) -> None:
        for name, value in (("capacity", capacity), ("batch_size", batch_size)):
            if value < 1:
                raise ValueError(f"`{name}` must be >= 1, got {value}")
        if not 1 <= num_leaving <= capacity:
            raise ValueError(f"`num_leaving` must be within 1 to {capacity}, the capacity, got {num_leaving}")
        self.capacity = capacity
        self.batch_size = batch_size
        self.num_leaving = num_leaving
        self.samples: deque[tuple[Tensor, Tensor]] = deque(maxlen=capacity)

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Replayable) -> None:
        """Take in the samples of the iteration; replay when the buffer is full."""
        for image, target in engine.samples:
            self.samples.append((image.detach().cpu(), target.detach().to("cpu", torch.uint8)))
        full = len(self.samples) == self.capacity
        if idist.get_world_size() > 1:
            full = bool(idist.all_reduce(int(full), "MIN"))
        if not full:
            return
        samples = list(self.samples)
        for start in range(0, self.capacity, self.batch_size):
            images, targets = zip(*samples[start : start + self.batch_size], strict=True)
            engine.train_on(torch.stack(images), torch.stack(targets))
        for _ in range(self.num_leaving):
            self.samples.popleft()

    def state_dict(self) -> dict[str, Any]:
        """The samples, oldest first."""
        return {"images": [image for image, _ in self.samples], "targets": [target for _, target in self.samples]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`state_dict` gave; of more than the capacity the latest are kept."""
        self.samples = deque(zip(state["images"], state["targets"], strict=True), maxlen=self.capacity)
