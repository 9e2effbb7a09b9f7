"""Next sample: the images that a network is least settled on, or on which its units do not agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from torch import Tensor

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.label.epistemic import epistemic_entropy, with_dropout
from monai_lsext.apps.label.served import ServedBundle
from monai_lsext.apps.step_spread import step_spread
from monai_lsext.data.checked_dataset import error_sentence

__all__ = ["EpistemicScoring", "HighestScore", "ImageScoring", "SpreadScoring"]

_PATIENCE_S = 20.0

Score = Callable[[dict[str, Any]], float]


class ImageScoring(ScoringMethod):
    """Scores all images without a label; those to be labelled first get the highest score.

    A score is kept with the weights that gave it; new weights make it anew.

    Args:
        bundle: scores by its inference.
        name: of the score; with the bundle's behind it, that of the method.
        description: of the score, for viewers.
    """

    def __init__(self, bundle: ServedBundle, name: str, description: str) -> None:
        super().__init__(f"{description} of {bundle.name}")
        self.bundle = bundle
        self.key = f"{name}_{bundle.name}"

    def scorer(self, runner: BundleRunner) -> Score:
        """Score of a loaded image."""
        raise NotImplementedError

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score without a limit of time."""
        return self.score(datastore)

    def score(self, datastore: Datastore, patience_s: float | None = None) -> dict[str, float]:
        """Image -> score, of the images without a label.

        Args:
            datastore: of the images; keeps the scores.
            patience_s: after so many seconds no further image is scored, default None: all are.
        """
        runner = self.bundle.runner()
        scorer = self.scorer(runner)
        began, scores = time.monotonic(), {}
        for image in sorted(datastore.get_unlabeled_images()):
            kept = datastore.get_image_info(image).get(self.key, {})
            if kept.get("weights_sha256") != runner.weights_sha256:
                if patience_s is not None and time.monotonic() - began > patience_s:
                    continue
                kept = {"weights_sha256": runner.weights_sha256}
                try:
                    kept["score"] = scorer(runner.load({"image": datastore.get_image_uri(image)}))
                except Exception as error:  # an image of another kind can fail in any transform; the others go on
                    kept["unfit"] = error_sentence(error)
                datastore.update_image_info(image, {self.key: kept})
            if "score" in kept:
                scores[image] = kept["score"]
        return scores


class SpreadScoring(ImageScoring):
    """By how much the network's last steps differ.

    Args:
        bundle: whose network has steps.
    """

    def __init__(self, bundle: ServedBundle) -> None:
        super().__init__(bundle, "step_spread", "spread of the last time steps")

    def scorer(self, runner: BundleRunner) -> Score:
        """Spread of the last steps."""
        return lambda loaded: step_spread(cast(Tensor, runner(loaded, steps=True).steps))


class EpistemicScoring(ImageScoring):
    """By the entropy over units dropped at random, as MONAI Label's own apps score.

    Args:
        bundle: whose network takes ``dropout``.
    """

    def __init__(self, bundle: ServedBundle) -> None:
        super().__init__(bundle, "epistemic", "entropy over dropped units")

    def scorer(self, runner: BundleRunner) -> Score:
        """Entropy over dropped units."""
        dropping = with_dropout(runner, cast(str, self.bundle.dropout))
        return lambda loaded: epistemic_entropy(dropping, loaded)


class HighestScore(Strategy):
    """The image without a label whose score is highest.

    Args:
        scoring: gives the scores; what is not scored yet is scored now, for 20 seconds at most, the rest when asked
            again or by the scoring method.
    """

    def __init__(self, scoring: ImageScoring) -> None:
        super().__init__(f"largest {scoring.description}")
        self.scoring = scoring

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """The image's name and score; None when nothing is left."""
        scores = self.scoring.score(datastore, _PATIENCE_S)
        if not scores:
            return None
        image = max(scores, key=lambda name: scores[name])
        return {"id": image, "score": scores[image]}
