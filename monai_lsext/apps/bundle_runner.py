"""A bundle's inference of one image: preprocessing, network and post-processing of its ``inference.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate
from monai.transforms import AsDiscreted, Compose, EnsureChannelFirstd, LoadImaged, SaveImaged

from monai_lsext.apps.step_spread import LastSteps, has_steps
from monai_lsext.bundle.source import BundleSource, built, file_sha256
from monai_lsext.transforms.image_checks import CheckImaged
from monai_lsext.transforms.save_objects import SaveObjectsd

__all__ = ["BundleRunner", "Prediction"]

_IDS = ("device", "preprocessing", "inferer", "postprocessing", "network_def")


class Prediction(NamedTuple):
    """What a bundle makes of one case.

    Args:
        pred: post-processed prediction [K, \\*S] on the file's grid.
        meta: of the preprocessed image (``roi``, ``notes``).
        probability: [C, \\*S] on the file's grid, what the post-processing's first ``AsDiscreted`` is given; None
            where it has none.
        steps: [T, C, \\*S] the same of the network's last steps; None where they were not asked for.
    """

    pred: torch.Tensor
    meta: dict[str, Any]
    probability: torch.Tensor | None = None
    steps: torch.Tensor | None = None


class BundleRunner:
    """What a bundle makes of an image by its own configuration, in two steps: ``load``, then a call.

    Args:
        root: the bundle's directory; its configs can execute code, so it must be trusted.
        device: torch device, default the bundle's own choice.
        roi: value for the id ``roi`` of ``inference.yaml``: auto, find or none; default the bundle's own.
        centre: value for the id ``centre``: a point in the object, the first two indices of a voxel in the file (in a
            2D image column and row), the same for every case and slice; default the bundle's own.
        weights: file of weights to use instead of the bundle's, such as those of one's own training.

    Raises:
        ValueError: when the bundle cannot be read, lacks the id of a given option or has no weights, or weights that do
            not fit its network.
    """

    def __init__(
        self,
        root: Path,
        device: str | None = None,
        roi: str | None = None,
        centre: tuple[float, float] | None = None,
        weights: str | None = None,
    ) -> None:
        source = BundleSource(root, None if weights is None else Path(weights))
        self.name = root.name
        self.config_path = root / "configs" / "inference.yaml"
        self.centre = centre
        self.metadata = source.metadata
        parser = source.parser("inference.yaml")
        options = {"device": device, "roi": roi, "centre": None if centre is None else list(centre)}
        self.options = {name: value for name, value in options.items() if name != "device"}
        for name, value in options.items():
            if value is None:
                continue
            if name not in parser:
                raise ValueError(f"`--{name}` needs a bundle whose inference.yaml has the id {name}, got {self.name}")
            parser[name] = value
        content = {name: built(parser, name, "inference.yaml") for name in _IDS}
        self.device = torch.device(content["device"])
        self.preprocessing = content["preprocessing"]
        self._loading_end = _loading_end(self.preprocessing)
        self.inferer = content["inferer"]
        self.postprocessing = _without_saving(content["postprocessing"])
        self._discrete_at = _first_discrete(self.postprocessing)
        self.network = source.with_weights(content["network_def"])
        self.weights_sha256 = file_sha256(source.weights_path)
        self.network.to(self.device).eval()

    def load(self, item: dict[str, Any]) -> dict[str, Any]:
        """The item with its file checked and decoded: the first steps of the preprocessing, up to the first that
        changes a pixel or the grid.

        Args:
            item: {"image": path, ...}.

        Raises:
            ValueError: for an unfit file, and for a ``centre`` outside the image.
        """
        loaded = self.preprocessing(dict(item), end=self._loading_end)
        width, height = loaded["image"].shape[1:3]
        x, y = self.centre or (0, 0)
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
            raise ValueError(f"`--centre` must lie in the image of {width} x {height} pixels, got {x:g},{y:g}")
        return loaded

    @property
    def gives_probability(self) -> bool:
        """Whether a prediction holds the probability of which its mask is made."""
        return self._discrete_at is not None

    @property
    def gives_steps(self) -> bool:
        """Whether a prediction can hold the probabilities of the network's last steps."""
        return self.gives_probability and has_steps(self.network)

    def __call__(self, loaded: dict[str, Any], steps: bool = False) -> Prediction:
        """Prediction of one case.

        Args:
            loaded: what ``load`` gave; its image may be changed.
            steps: whether the network's last steps are wanted, default False; see ``gives_steps``.
        """
        prepared = self.preprocessing(loaded, start=self._loading_end)
        meta = dict(prepared["image"].meta) if isinstance(prepared["image"], MetaTensor) else {}
        batch = list_data_collate([prepared])
        network = LastSteps(self.network) if steps else self.network
        with torch.inference_mode():
            outputs = self.inferer(batch["image"].to(self.device), network)
        outputs = outputs.chunk(network.count, dim=1) if isinstance(network, LastSteps) else [outputs]
        probabilities = []
        for output in outputs:
            result = decollate_batch({**batch, "pred": output})[0]
            if self._discrete_at is None:
                return Prediction(torch.as_tensor(self.postprocessing(result)["pred"]).cpu(), meta)
            result = self.postprocessing(result, end=self._discrete_at)
            probabilities.append(torch.as_tensor(result["pred"]).cpu().clone())
        result = self.postprocessing(result, start=self._discrete_at)
        pred = torch.as_tensor(result["pred"]).cpu()
        return Prediction(pred, meta, probabilities[-1], torch.stack(probabilities) if steps else None)


def _loading_end(preprocessing: Any) -> int:
    """Number of the first transforms that do no more than to check and to load."""
    transforms = preprocessing.transforms if isinstance(preprocessing, Compose) else ()
    for end, transform in enumerate(transforms, 1):
        if isinstance(transform, LoadImaged):
            while end < len(transforms) and isinstance(transforms[end], (EnsureChannelFirstd, CheckImaged)):
                end += 1
            return end
    raise ValueError("preprocessing of inference.yaml must be a Compose that holds LoadImaged")


def _first_discrete(postprocessing: Any) -> int | None:
    transforms = postprocessing.transforms if isinstance(postprocessing, Compose) else ()
    return next((i for i, transform in enumerate(transforms) if isinstance(transform, AsDiscreted)), None)


def _without_saving(transform: Any) -> Any:
    """All before the last saving but what saves; what follows is for programs that write the map themselves."""
    if not isinstance(transform, Compose):
        return transform
    steps = list(transform.transforms)
    saving = [i for i, step in enumerate(steps) if isinstance(step, (SaveImaged, SaveObjectsd))]
    end = saving[-1] if saving else len(steps)
    return Compose([step for i, step in enumerate(steps[:end]) if i not in saving])
