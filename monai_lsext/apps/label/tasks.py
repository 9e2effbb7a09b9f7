"""MONAI Label's tasks: segmentation by a bundle, refinement of a label, fine-tuning."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.interfaces.tasks.train import TrainTask

from monai_lsext.apps.label.annotations import annotation
from monai_lsext.apps.label.errors import RequestError
from monai_lsext.apps.label.labels import case_of, label_values
from monai_lsext.apps.label.refine import REFINE_OPTIONS, refined_label
from monai_lsext.apps.label.served import WEIGHTS, ServedBundle
from monai_lsext.apps.label.training import TRAIN_OPTIONS, fine_tune
from monai_lsext.apps.segmentation import Segmentation, mask_file
from monai_lsext.registry import BUNDLES, Region

__all__ = ["BundleSegmentation", "BundleTraining", "LabelRefinement"]

_NRRD = ".nrrd"


class BundleSegmentation(InferTask):
    """A bundle's own inference, from clicks or a box where its network takes them.

    Args:
        bundle: to run.
        clicks: whether this is the entry for viewers' tools of clicks, which refuses a request without one.
    """

    def __init__(self, bundle: ServedBundle, clicks: bool = False) -> None:
        info = bundle.info
        super().__init__(
            type=InferType.DEEPGROW if clicks else InferType.SEGMENTATION,
            labels={label.name: label.value for label in info.labels},
            dimension=info.spatial_dims,
            description=f"{info.task}: {info.takes}" + (", one contour for each click" if clicks else ""),
            config={
                "weights": list(WEIGHTS),
                "label_colors": {label.name: list(label.colour) for label in info.labels},
            },
        )
        self.bundle = bundle
        self.clicks = clicks

    def is_valid(self) -> bool:
        """Always: bundles without weights are not served."""
        return True

    def get_path(self, validate: bool = True) -> str:
        """File of the weights in use."""
        return str(self.bundle.weights())

    def __call__(self, request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """File of the label map, and facts."""
        if self.clicks and not request.get("foreground") and not request.get("roi"):
            raise RequestError(f"{self.bundle.name}_click needs `foreground`: a list of voxels [x, y] or [x, y, z]")
        choice = request.get("weights") or WEIGHTS[0]
        runner = self.bundle.runner(choice if isinstance(choice, str) else choice[0])
        segmentation, image = self.bundle.segment(runner, request)
        suffix, content = mask_file(segmentation.label_map, image, np.uint8)
        facts = {
            "label_names": self.labels,
            "model": self.bundle.name,
            "weights_sha256": runner.weights_sha256,
            "voxels": {
                label.name: int((segmentation.label_map == label.value).sum()) for label in self.bundle.info.labels
            },
        }
        if segmentation.label_map.ndim == 2:
            facts["annotation"] = annotation(segmentation, self.bundle.info.regions)
        return _written(suffix, content, request.get("result_extension")), facts


class LabelRefinement(InferTask):
    """Refines a label that is there, of any organ: one sent along, or the image's saved one.

    Args:
        datastore: of the saved labels.
    """

    def __init__(self, datastore: Datastore) -> None:
        super().__init__(
            type=InferType.SEGMENTATION,
            labels=sorted({label.name for info in BUNDLES.values() for label in info.labels}),
            dimension=3,
            description="a level set smooths the saved label and draws it to edges; any organ, learns nothing",
            config=dict(REFINE_OPTIONS),
        )
        self.datastore = datastore

    def is_valid(self) -> bool:
        """Always."""
        return True

    def __call__(self, request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """File of the refined label map, and facts."""
        image = case_of(request["image"])
        before = label_values(self._label(request), image)
        options = {name: _number(request[name], name) for name in REFINE_OPTIONS if name in request}
        after = refined_label(before, request["image"], options)
        suffix, content = mask_file(after, image, np.uint8)
        names = {f"label {value}": int(value) for value in np.unique(before) if value}
        facts = {"label_names": names, "model": "refine", "changed_voxels": int((after != before).sum())}
        if after.ndim == 2:
            regions = [Region(name, name, (value,), (0, 230, 118)) for name, value in names.items()]
            facts["annotation"] = annotation(Segmentation(after), regions)
        return _written(suffix, content, request.get("result_extension")), facts

    def _label(self, request: Mapping[str, Any]) -> str:
        label = request.get("label")
        if isinstance(label, str) and Path(label).is_file():
            return label
        tags = [str(request["label_tag"])] if request.get("label_tag") else ["final", "original"]
        for tag in tags:
            path = self.datastore.get_label_uri(request.get("image_id", ""), tag)
            if path and Path(path).is_file():
                return str(path)
        raise RequestError("there is no label to refine: send one as `label`, or save one for this image first", 404)


class BundleTraining(TrainTask):
    """Fine-tuning of a bundle on the labelled images; each training has a folder of its own.

    Args:
        bundle: whose ``train.yaml`` is used; new weights lie in its ``tuned`` folder.
    """

    def __init__(self, bundle: ServedBundle) -> None:
        super().__init__(f"fine-tunes {bundle.name} on the labelled images; the shipped weights stay as they are")
        self.bundle = bundle
        self.last: dict[str, Any] = {}

    def config(self) -> dict[str, Any]:
        """Options and their defaults."""
        return {**TRAIN_OPTIONS, "weights": list(WEIGHTS)}

    def stats(self) -> dict[str, Any]:
        """Of the last training in this process."""
        return self.last

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train and give the facts of it."""
        options = {name: request[name] for name in TRAIN_OPTIONS if request.get(name) not in (None, "")}
        choice = options.pop("weights", WEIGHTS[0])
        start = self.bundle.weights(choice if isinstance(choice, str) else choice[0])
        name = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        self.last = fine_tune(self.bundle.root, start, datastore.datalist(), self.bundle.tuned / name, options)
        return self.last


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise RequestError(f"`{name}` must be a number, got {value}") from error


def _written(suffix: str, content: bytes, wanted: str | None) -> str:
    """A temporary file of the mask; 3D Slicer and OHIF want NRRD."""
    with tempfile.NamedTemporaryFile(suffix=suffix, delete=False) as file:
        file.write(content)
    if wanted != _NRRD:
        return file.name
    other = Path(file.name).with_suffix("").with_suffix(_NRRD)
    SimpleITK.WriteImage(SimpleITK.ReadImage(file.name), str(other))
    Path(file.name).unlink()
    return str(other)
