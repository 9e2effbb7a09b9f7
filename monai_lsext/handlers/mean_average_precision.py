"""Mean average precision of instance masks, over a run and for each image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ignite.metrics import Metric
from ignite.metrics.metric import reinit__is_reduced
from monai.engines import Evaluator

from monai_lsext.metrics import InstanceAveragePrecision

__all__ = ["MeanAveragePrecision"]


class MeanAveragePrecision(Metric):
    """mAP^r as an Ignite metric; its own value is ``mAP@0.5``, ``mAP@0.7`` and ``mAP@[.5:.95]`` stand beside it.

    ``engine.state.metric_details`` gets the same three of each image by itself, [N, 3], not a number for an image
    without objects.

    Args:
        num_classes: K, >= 1, default 1.
        max_detections: of each class in an image only so many, the best-scored, count, default 100.
        output_transform: gives (objects, labels) from the engine's output, e.g. ``from_engine(["pred", "label"])``;
            the engine must not decollate its batches.

    Raises:
        ValueError: as :class:`InstanceAveragePrecision`.
    """

    def __init__(
        self, num_classes: int = 1, max_detections: int = 100, output_transform: Callable = lambda x: x
    ) -> None:
        self.metric = InstanceAveragePrecision(num_classes, max_detections)
        self.engine: Evaluator | None = None
        self.name = ""
        super().__init__(output_transform)

    def attach(self, engine: Evaluator, name: str) -> None:  # type: ignore[override]
        """Attach to the evaluator under a name."""
        super().attach(engine, name)
        self.engine, self.name = engine, name

    @reinit__is_reduced
    def reset(self) -> None:
        """Forget all images."""
        self.metric.reset()

    @reinit__is_reduced
    def update(self, output: Any) -> None:
        """Add a batch: (objects of each image, labels)."""
        self.metric(*output)

    def compute(self) -> float:
        """``mAP@0.5``."""
        scores = self.metric.aggregate()
        if self.engine is not None:
            self.engine.state.metrics.update(scores)
            self.engine.state.metric_details[self.name] = self.metric.of_images()
        return scores["mAP@0.5"]
