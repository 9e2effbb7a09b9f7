"""Pictures of how contours evolve over the time steps, during training."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import ignite.distributed as idist
from ignite.engine import Events
from monai.engines import IterationEvents, SupervisedEvaluator
from monai.networks.utils import eval_mode
from monai.utils import CommonKeys as Keys
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_lsext.visualize import draw_evolution_strip

__all__ = ["ContourEvolutionImages"]


class ContourEvolutionImages:
    """Writes a strip of pictures for the first items of an evaluation: image, truth, zero level of each step.

    Files are named ``evolution_item00_epoch0005.png``: by place and epoch, never by patient. Rank 0 only.

    Args:
        steps_fn: gives all steps of a batch, the start first, e.g. ``network.evolve``; called without gradient
            and with the evaluator's network in eval mode.
        output_dir: where the pictures go.
        interval: draw in the epochs divisible by it (of those that are validated), >= 1, default 1.
        max_items: how many items from the start of the data set, >= 1, default 3.
        truth_key: entry of the batch with the binary truth on the network's grid, default ``label``; where the
            label keeps the grid of the file, a copy that went through the image's spatial transforms.

    Shape:
        ``steps_fn``: image [B, C, \\*S] -> list of [B, K, \\*S]. The truth, when there is one, is [B, K, \\*S].

    Raises:
        ValueError: for an ``interval`` or ``max_items`` below 1.
    """

    def __init__(
        self,
        steps_fn: Callable[[Tensor], Sequence[Tensor]],
        output_dir: str | os.PathLike[str],
        interval: int = 1,
        max_items: int = 3,
        truth_key: str = Keys.LABEL,
    ) -> None:
        for name, value in (("interval", interval), ("max_items", max_items)):
            if value < 1:
                raise ValueError(f"`{name}` must be >= 1, got {value}")
        self.steps_fn = steps_fn
        self.output_dir = Path(output_dir)
        self.interval = interval
        self.max_items = max_items
        self.truth_key = truth_key
        self._drawn = 0

    def attach(self, engine: SupervisedEvaluator) -> None:
        """Attach to a SupervisedEvaluator."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.reset)
        # before post-processing and decollation change the batch
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self.draw)

    def reset(self, engine: SupervisedEvaluator) -> None:
        """Begin again with the first item."""
        self._drawn = 0

    def draw(self, engine: SupervisedEvaluator) -> None:
        """Draw the items of this batch that are still wanted."""
        epoch, missing = engine.state.epoch, self.max_items - self._drawn
        if epoch % self.interval or missing <= 0 or idist.get_rank() != 0:
            return
        images = convert_to_tensor(engine.state.output[Keys.IMAGE][:missing], track_meta=False)
        labels = engine.state.batch.get(self.truth_key)
        with eval_mode(engine.network):
            steps = self.steps_fn(images)
        for index, image in enumerate(images):
            draw_evolution_strip(
                image,
                [step[index] for step in steps],
                None if labels is None else labels[index],
                self.output_dir / f"evolution_item{self._drawn:02d}_epoch{epoch:04d}.png",
            )
            self._drawn += 1
