"""The MONAI Label app: every bundle, refinement, fine-tuning, next sample by step spread or dropped units."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.tasks.activelearning.random import Random
from monailabel.utils.others.pathology import create_asap_annotations_xml, create_dsa_annotations_json

from monai_lsext import __version__
from monai_lsext.apps.label.datastore import CheckedDatastore, existing_image
from monai_lsext.apps.label.errors import RequestError
from monai_lsext.apps.label.learning import EpistemicScoring, HighestScore, ImageScoring, SpreadScoring
from monai_lsext.apps.label.served import served_bundles
from monai_lsext.apps.label.tasks import BundleSegmentation, BundleTraining, LabelRefinement

__all__ = ["BundlesApp"]

_PATHOLOGY_FILES = {"asap": create_asap_annotations_xml, "dsa": create_dsa_annotations_json}


class BundlesApp(MONAILabelApp):
    """Serves the bundles that come with the package.

    Args:
        app_dir: for models, logs and converted studies.
        studies: folder of the images; labels are kept below it.
        conf: ``models``: names of the only bundles to serve, with commas between.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        names = [name.strip() for name in conf.get("models", "").split(",") if name.strip()]
        self.bundles = served_bundles(Path(app_dir) / "model", names)
        super().__init__(
            app_dir,
            studies,
            conf,
            name="monai_lsext",
            description="learned level sets and snakes: contours at a click",
            version=__version__,
        )

    def init_datastore(self) -> Datastore:
        """A checked folder; a DICOMweb address as MONAI Label reads it."""
        if self.studies.startswith(("http://", "https://")):
            return super().init_datastore()
        return CheckedDatastore(
            self.studies,
            extensions=settings.MONAI_LABEL_DATASTORE_FILE_EXT,
            auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
            read_only=settings.MONAI_LABEL_DATASTORE_READ_ONLY,
        )

    def init_infers(self) -> dict[str, InferTask]:
        """Each bundle, once more for viewers' tools of clicks where its network takes them, and ``refine``."""
        tasks: dict[str, InferTask] = {name: BundleSegmentation(bundle) for name, bundle in self.bundles.items()}
        for name, bundle in self.bundles.items():
            if bundle.start:
                tasks[f"{name}_click"] = BundleSegmentation(bundle, clicks=True)
        tasks["refine"] = LabelRefinement(self.datastore())
        return tasks

    def init_trainers(self) -> dict[str, TrainTask]:
        """Fine-tuning of each bundle."""
        return {name: BundleTraining(bundle) for name, bundle in self.bundles.items()}

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """Step spread of each bundle whose network has steps, entropy of each whose network can drop units."""
        scorings: list[ImageScoring] = []
        for bundle in self.bundles.values():
            scorings += [SpreadScoring(bundle)] if bundle.has_steps else []
            scorings += [EpistemicScoring(bundle)] if bundle.dropout else []
        return {scoring.key: scoring for scoring in scorings}

    def init_strategies(self) -> dict[str, Strategy]:
        """Random, and by each score."""
        scored = {key: HighestScore(scoring) for key, scoring in self.init_scoring_methods().items()}
        return {"random": Random(), **scored}

    def infer(self, request: Mapping[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Run a task on an image of the datastore, of a session or of an upload.

        Raises:
            RequestError: for an unknown model or image, or a file that is gone.
        """
        store = datastore or self.datastore()
        task = self._infers.get(str(request.get("model")))
        if task is None:
            raise RequestError(f"there is no model {request.get('model')}; there are: {', '.join(self._infers)}", 404)
        final: dict[str, Any] = copy.deepcopy(dict(request))
        image_id = final["image"]
        if not isinstance(image_id, str):
            raise RequestError(f"`image` must be the name of an image, got {type(image_id).__name__}")
        of_store = not os.path.isabs(image_id)  # uploads and sessions come as paths
        final["image_id"] = image_id
        final["image"] = existing_image(store, image_id) if of_store else image_id
        if not Path(final["image"]).is_file():
            raise RequestError(f"the file of image {image_id} is gone", 404)
        file, facts = task(final)
        label = file
        if of_store and file and str(final.get("save_label", "")).lower() in ("true", "1"):
            tag = final.get("label_tag", DefaultLabelTag.ORIGINAL)
            label = store.save_label(image_id, file, tag, {"model": final["model"], "params": facts})
        return {"label": label, "tag": DefaultLabelTag.ORIGINAL, "file": file, "params": facts}

    def infer_wsi(self, request: Mapping[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Contours of a picture for QuPath and Digital Slide Archive; the picture is read whole."""
        result = self.infer(request, datastore)
        facts = result["params"]
        answer = {
            "name": f"{request['model']} by monai_lsext",
            "description": self._infers[request["model"]].description,
            "model": request["model"],
            "location": [0, 0],
            "size": [0, 0],
            "annotations": [facts],
        }
        if result["file"]:
            Path(result["file"]).unlink(missing_ok=True)
        write = _PATHOLOGY_FILES.get(str(request.get("output")))
        return {"file": write(answer)[0] if write else None, "params": answer}
