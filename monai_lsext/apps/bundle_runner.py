"""A bundle's inference of one image: preprocessing, network and post-processing of its ``inference.yaml``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor, decollate_batch, list_data_collate
from monai.transforms import Compose, SaveImaged

from monai_lsext.apps.trust import read_metadata

__all__ = ["BundleRunner"]


class BundleRunner:
    """Callable that gives the label map of an image by a bundle's own configuration.

    Args:
        root: the bundle's directory; its configs can execute code, so it must be trusted.
        device: torch device, default the bundle's own choice.
        roi: value for the id ``roi`` of ``inference.yaml``: auto, find or none; default the bundle's own.

    Raises:
        ValueError: when the bundle has no id ``roi``, no weights, or weights that do not fit its network.
    """

    def __init__(self, root: Path, device: str | None = None, roi: str | None = None) -> None:
        self.name = root.name
        self.metadata = read_metadata(root)
        parser = ConfigParser()
        parser.read_config(str(root / "configs" / "inference.yaml"))
        parser.read_meta(self.metadata)
        parser["bundle_root"] = str(root)
        if device is not None:
            parser["device"] = device
        if roi is not None:
            if "roi" not in parser:
                raise ValueError(f"`--roi` needs a bundle whose inference.yaml has the id roi, got {self.name}")
            parser["roi"] = roi
        self.device = torch.device(parser.get_parsed_content("device"))
        self.preprocessing = parser.get_parsed_content("preprocessing")
        self.inferer = parser.get_parsed_content("inferer")
        self.postprocessing = _without_saving(parser.get_parsed_content("postprocessing"))
        self.network = parser.get_parsed_content("network_def")
        self.weights_sha256 = self._load_weights(root / "models" / "model.pt")
        self.network.to(self.device).eval()

    def _load_weights(self, path: Path) -> str:
        if not path.is_file():
            raise ValueError(f"bundle {self.name} must have its weights in models/model.pt, found none")
        try:
            self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # torch raises pickle, zip, runtime and type errors here
            raise ValueError(f"models/model.pt of bundle {self.name} does not fit its network") from error
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def __call__(self, item: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        """Label map of one case.

        Args:
            item: {"image": path, ...}.

        Returns:
            Label map [\\*S] on the input's grid, and the meta of the preprocessed image (``roi``, ``notes``).
        """
        prepared = self.preprocessing(dict(item))
        meta = dict(prepared["image"].meta) if isinstance(prepared["image"], MetaTensor) else {}
        batch = list_data_collate([prepared])
        with torch.inference_mode():
            batch["pred"] = self.inferer(batch["image"].to(self.device), self.network)
        result = self.postprocessing(decollate_batch(batch)[0])
        return torch.as_tensor(result["pred"])[0].cpu(), meta


def _without_saving(transform: Any) -> Any:
    if not isinstance(transform, Compose):
        return transform
    return Compose([t for t in transform.transforms if not isinstance(t, SaveImaged)])
