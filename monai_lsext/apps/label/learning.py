"""Next sample by step spread: which images a network with time steps is least settled on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from torch import Tensor

from monai_lsext.apps.label.served import ServedBundle
from monai_lsext.apps.step_spread import step_spread
from monai_lsext.data.checked_dataset import error_sentence

__all__ = ["SpreadScoring", "SpreadStrategy"]

_PATIENCE_S = 20.0


class SpreadScoring(ScoringMethod):
    """Scores all images without a label by how much the network's last steps differ.

    A score is kept with the weights that gave it; new weights make it anew.

    Args:
        bundle: whose network has steps.
    """

    def __init__(self, bundle: ServedBundle) -> None:
        super().__init__(f"spread of the last time steps of {bundle.name}")
        self.bundle = bundle
        self.key = f"step_spread_{bundle.name}"

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score without a limit of time."""
        return self.score(datastore)

    def score(self, datastore: Datastore, patience_s: float | None = None) -> dict[str, float]:
        """Image -> spread, of the images without a label.

        Args:
            datastore: of the images; keeps the scores.
            patience_s: after so many seconds no further image is scored, default None: all are.
        """
        runner = self.bundle.runner()
        began, scores = time.monotonic(), {}
        for image in sorted(datastore.get_unlabeled_images()):
            kept = datastore.get_image_info(image).get(self.key, {})
            if kept.get("weights_sha256") != runner.weights_sha256:
                if patience_s is not None and time.monotonic() - began > patience_s:
                    continue
                kept = {"weights_sha256": runner.weights_sha256}
                try:
                    loaded = runner.load({"image": datastore.get_image_uri(image)})
                    kept["spread"] = step_spread(cast(Tensor, runner(loaded, steps=True).steps))
                except Exception as error:  # an image of another kind can fail in any transform; the others go on
                    kept["unfit"] = error_sentence(error)
                datastore.update_image_info(image, {self.key: kept})
            if "spread" in kept:
                scores[image] = kept["spread"]
        return scores


class SpreadStrategy(Strategy):
    """The image without a label whose last steps differ most.

    Args:
        scoring: gives the spreads; what is not scored yet is scored now, for 20 seconds at most, the rest when asked
            again or by the scoring method.
    """

    def __init__(self, scoring: SpreadScoring) -> None:
        super().__init__(f"largest {scoring.description}")
        self.scoring = scoring

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """The image's name and spread; None when nothing is left."""
        scores = self.scoring.score(datastore, _PATIENCE_S)
        if not scores:
            return None
        image = max(scores, key=lambda name: scores[name])
        return {"id": image, "spread": scores[image]}
