"""A bundle as the server holds it: what it takes, and its networks with shipped or fine-tuned weights."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from pydoc import locate
from typing import Any

import numpy as np
import torch
import yaml
from scipy import ndimage

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.cases import CaseImage
from monai_lsext.apps.label.epistemic import dropout_id
from monai_lsext.apps.label.errors import RequestError
from monai_lsext.apps.label.labels import case_of
from monai_lsext.apps.label.points import Box, Click, box_of, clicks_of
from monai_lsext.apps.label.starts import CentreInferer, StartInferer
from monai_lsext.apps.segmentation import Segmentation, found_in
from monai_lsext.apps.step_spread import has_steps
from monai_lsext.bundle.source import file_sha256
from monai_lsext.registry import BundleInfo, bundle_folders, bundle_info

__all__ = ["WEIGHTS", "ServedBundle", "one_object", "served_bundles"]

WEIGHTS = ("latest", "shipped")
_SAID_AS = {"phi0": ("click", "box"), "centre": ("click",)}


class ServedBundle:
    """A bundle and the weights that were fine-tuned from it.

    Args:
        root: the bundle's directory; nothing is written there.
        tuned: folder of the fine-tuned weights, ``<training>/model.pt``; may be missing.
    """

    def __init__(self, root: Path, tuned: Path) -> None:
        self.root = root
        self.name = root.name
        self.tuned = tuned
        self._runners: dict[Path, BundleRunner] = {}

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Of the bundle."""
        return dict(yaml.safe_load((self.root / "configs/metadata.json").read_text(encoding="utf-8")))

    @cached_property
    def info(self) -> BundleInfo:
        """The registry's entry."""
        outputs = self.metadata["network_data_format"]["outputs"]
        return bundle_info(self.name, outputs.get("pred", {}).get("channel_def", {}))

    @cached_property
    def _network_def(self) -> dict[str, Any]:
        config = yaml.safe_load((self.root / "configs/inference.yaml").read_text(encoding="utf-8"))
        return dict(config["network_def"])

    @cached_property
    def start(self) -> str | None:
        """Argument of the network that a click gives: ``centre``, ``phi0``, or None."""
        network: Any = locate(self._network_def["_target_"])
        parameters = inspect.signature(network.forward).parameters if network is not None else {}
        return next((name for name in ("centre", "phi0") if name in parameters), None)

    @cached_property
    def has_steps(self) -> bool:
        """Whether the network has an evolution in time."""
        return has_steps(locate(self._network_def["_target_"]))

    @cached_property
    def dropout(self) -> str | None:
        """Id of the network's probability to drop a unit, in the config; None where it drops none."""
        return dropout_id(self._network_def)

    def weights(self, choice: str = "latest") -> Path:
        """File of the weights: of the last training, or where there is none the shipped ones.

        Raises:
            RequestError: for an unknown choice.
        """
        if choice not in WEIGHTS:
            raise RequestError(f"`weights` must be one of {list(WEIGHTS)}, got {choice}")
        files = sorted(self.tuned.glob("*/model.pt")) if choice == "latest" else []
        return files[-1] if files else self.root / "models/model.pt"

    def runner(self, choice: str = "latest") -> BundleRunner:
        """The bundle's inference with these weights, kept until there are newer ones.

        Raises:
            ValueError: when the bundle or the weights cannot be used.
        """
        shipped, path = self.root / "models/model.pt", self.weights(choice)
        if path not in self._runners:
            runner = BundleRunner(self.root)
            if path != shipped:
                runner.network.load_state_dict(torch.load(path, map_location=runner.device, weights_only=True))
                runner.weights_sha256 = file_sha256(path)
            self._runners = {other: kept for other, kept in self._runners.items() if other == shipped}
            self._runners[path] = runner
        return self._runners[path]

    def segment(self, runner: BundleRunner, request: Mapping[str, Any]) -> tuple[Segmentation, CaseImage]:
        """What the bundle finds in an image: by itself, one object for each click, or the object in a box.

        Args:
            runner: one of this bundle.
            request: ``image`` is a path; ``foreground`` and ``roi`` as :mod:`monai_lsext.apps.label.points` says.

        Raises:
            RequestError: for a click or box that the bundle does not take, or outside the image.
            ValueError: for an image that the bundle does not take.
        """
        loaded = runner.load({"image": request["image"]})
        size = tuple(loaded["image"].shape[1:])
        clicks, box = clicks_of(request, size), box_of(request, size)
        header = case_of(request["image"]).header
        image = CaseImage(np.zeros((0,)), size, header)
        taken = _SAID_AS.get(self.start or "", ())
        for word, given in (("click", clicks), ("box", box)):
            if given and word not in taken:
                raise RequestError(f"{self.name} takes {' or '.join(taken) or 'no click and no box'}, got a {word}")
        starts: list[Click | Box] = [*clicks, *([] if box is None else [box])]
        if not starts:
            return found_in(runner(loaded).pred, self.info, image), image
        label_map, instances = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        for number, start in enumerate(starts, 1):
            one = self._from(runner, start, copy.deepcopy(loaded), image)
            label_map = np.where(one > 0, one, label_map)
            instances = np.where(one > 0, number, instances)
        return Segmentation(label_map, instances), image

    def _from(self, runner: BundleRunner, start: Click | Box, loaded: dict[str, Any], image: CaseImage) -> np.ndarray:
        started = copy.copy(runner)
        if self.start != "centre" or isinstance(start, Box):
            started.inferer = StartInferer(runner.inferer, start, self._network_def.get("initial") == "disk")
            return one_object(found_in(started(loaded).pred, self.info, image).label_map, start)
        started.inferer = CentreInferer(runner.inferer, start)
        if len(start) == 2:
            return one_object(found_in(started(loaded).pred, self.info, image).label_map, start)
        label_map = np.zeros(image.size, dtype=np.int64)
        loaded["slice"] = round(start[2])
        in_slice = found_in(started(loaded).pred, self.info, CaseImage(image.pixels, image.size[:2]))
        label_map[..., loaded["slice"]] = one_object(in_slice.label_map, start[:2])
        return label_map


def one_object(label_map: np.ndarray, start: Click | Box) -> np.ndarray:
    """The connected object that holds a click, or the nearest; of a box, the object with most points in it.

    Args:
        label_map: integers [W, H] or [W, H, D]; whatever is > 0 and touches is one object.
        start: voxel indices.
    """
    objects, count = ndimage.label(label_map > 0)
    if count < 2:
        return label_map
    if isinstance(start, Box):
        ends = zip(start.low, start.high, strict=True)
        inside = objects[tuple(slice(int(low), int(high) + 1) for low, high in ends)]
        counts = np.bincount(inside[inside > 0], minlength=count + 1)
        number = int(counts.argmax()) or 1
    else:
        points = np.argwhere(objects > 0)
        nearest = points[((points - np.array(start)) ** 2).sum(1).argmin()]
        number = int(objects[tuple(nearest)])
    return np.where(objects == number, label_map, 0)


def served_bundles(model_dir: Path, names: list[str] | None = None) -> dict[str, ServedBundle]:
    """Every bundle that comes with the package and has weights, by name.

    Args:
        model_dir: of the app; ``<bundle>/<training>/model.pt`` are fine-tuned weights.
        names: of the only ones to serve; default all.

    Raises:
        ValueError: for a name without a bundle.
    """
    found: dict[str, ServedBundle] = {}
    for folder in bundle_folders():
        for root in sorted(folder.iterdir()):
            complete = (root / "configs/inference.yaml").is_file() and (root / "models/model.pt").is_file()
            if complete and root.name not in found:
                found[root.name] = ServedBundle(root.resolve(), model_dir / root.name)
    unknown = sorted(set(names or []) - set(found))
    if unknown:
        raise ValueError(f"there is no bundle {', '.join(unknown)} with weights; there are: {', '.join(found)}")
    return {name: bundle for name, bundle in found.items() if not names or name in names}
