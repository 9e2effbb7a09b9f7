"""Bundles whose network is a threshold, so that masks are exact, and images for them.

Photographs: disc where red > 0.5, cup where green > 0.5. Grey volumes: cavity where the grey value > 0.5.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
import yaml
from PIL import Image

NAME = "racenet_optic_disc_cup"  # the registry's entry for the stub of photographs
CHECKS = "monai_lsext.transforms.image_checks"


def inference_config() -> dict[str, Any]:
    return {
        "imports": ["$import torch", "$from monai_lsext.data.image_file import image_datalist"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/data'",
        "output_dir": "$@bundle_root + '/output'",
        "device": "$torch.device('cpu')",
        "network_def": {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 2, "kernel_size": 1},
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": f"{CHECKS}.CheckImageFiled", "keys": "image", "channels": 3},
                {"_target_": "LoadImaged", "keys": "image", "reader": ["NibabelReader", "PILReader"]},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": f"{CHECKS}.CheckImaged", "keys": "image", "channels": 3},
                # undone by Invertd: a mask that comes back mirrored would show
                {"_target_": "Flipd", "keys": "image", "spatial_axis": 0},
                {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 255, "b_min": 0, "b_max": 1},
            ],
        },
        "dataset": {
            "_target_": "monai_lsext.data.checked_dataset.CheckedDataset",
            "data": "$image_datalist(@dataset_dir)",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
                {
                    "_target_": "Invertd",
                    "keys": "pred",
                    "transform": "@preprocessing",
                    "orig_keys": "image",
                    "nearest_interp": False,
                },
                {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
                {"_target_": "Lambdad", "keys": "pred", "func": "$lambda x: x[:1] + x[:1] * x[1:]"},
                {
                    "_target_": "SaveImaged",
                    "keys": "pred",
                    "output_dir": "@output_dir",
                    "output_postfix": "seg",
                    "output_ext": ".png",
                    "output_dtype": "$torch.uint8",
                    "separate_folder": False,
                    "print_log": False,
                },
            ],
        },
        "handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@bundle_root + '/models/model.pt'",
                "load_dict": {"model": "@network"},
            }
        ],
        "evaluator": {
            "_target_": "monai_lsext.engines.CohortEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
            "output_dir": "@output_dir",
        },
        "run": ["$@evaluator.run()"],
    }


def write_stub_bundle(root: Path) -> str:
    """Write the bundle into ``root`` and return its weights' SHA-256."""
    channel_def = {"0": "background", "1": "optic disc rim", "2": "optic cup"}
    weight = torch.tensor([[20.0, 0, 0], [0, 20.0, 0]])[..., None, None]
    _write(root, inference_config(), channel_def, {"weight": weight, "bias": torch.tensor([-10.0, -10.0])})
    return hashlib.sha256((root / "models/model.pt").read_bytes()).hexdigest()


class Click(torch.nn.Module):
    """A network that finds one pixel: the given one, in every slice; nothing when there is none."""

    def __init__(self, centre: list[float] | None) -> None:
        super().__init__()
        self.centre = centre

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logit = torch.full_like(image[:, :1], -10.0)
        if self.centre is not None:
            logit[:, :, round(self.centre[0]), round(self.centre[1])] = 10.0
        return logit


class Settling(torch.nn.Module):
    """A network that finds nothing before its last step: where the first channel is above 0.5."""

    num_steps = 4

    def evolve(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [torch.full_like(image[:, :1], -10.0)] * self.num_steps + [20 * image[:, :1] - 10]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.evolve(image)[-1]


SLICES = {"_target_": "SliceInferer", "roi_size": [16, 16], "spatial_dim": 2, "sw_batch_size": 8, "progress": False}


def write_one_label_bundle(root: Path, form: str) -> None:
    """Write a bundle with the single label "cavity".

    Args:
        form: ``slices`` (a 2D net over a grey volume), ``volume`` (a 3D net), ``nuclei`` (red of a photograph),
            ``click`` and ``click_slices``: :class:`Click`, with the id ``centre``, on photographs and volumes;
            ``settling`` and ``settling_slices``: :class:`Settling`.
    """
    config = inference_config()
    steps = config["preprocessing"]["transforms"]
    volume = form not in ("nuclei", "click", "settling")
    if volume:
        for step in (steps[0], steps[3]):
            step["channels"] = 1
        steps[3]["spatial_dims"] = 3
    channels, dims = (1 if volume else 3), (3 if form == "volume" else 2)
    config["network_def"] = {
        "_target_": f"torch.nn.Conv{dims}d",
        "in_channels": channels,
        "out_channels": 1,
        "kernel_size": 1,
    }
    weight = torch.tensor([20.0, 0, 0][:channels]).reshape(1, channels, *[1] * dims)
    state = {"weight": weight, "bias": torch.tensor([-10.0])}
    if form.startswith("click"):
        config["centre"] = None
        config["network_def"] = {"_target_": "stub_bundle.Click", "centre": "@centre"}
        state = {}
        del steps[4]  # a flip would move the point
    if form.startswith("settling"):
        config["network_def"], state = {"_target_": "stub_bundle.Settling"}, {}
    if form.endswith("slices"):
        config["inferer"] = SLICES
    config["postprocessing"]["transforms"] = [
        step for step in config["postprocessing"]["transforms"] if step["_target_"] != "Lambdad"
    ]
    _write(root, config, {"0": "background", "1": "cavity"}, state)


def _write(root: Path, config: dict[str, Any], channel_def: dict[str, str], state: dict[str, torch.Tensor]) -> None:
    (root / "configs").mkdir(parents=True)
    (root / "models").mkdir()
    (root / "configs/inference.yaml").write_text(yaml.dump(config, sort_keys=False))
    metadata = {"version": "0.1.0", "network_data_format": {"outputs": {"pred": {"channel_def": channel_def}}}}
    (root / "configs/metadata.json").write_text(json.dumps(metadata))
    torch.save(state, root / "models/model.pt")


def save_volume(
    path: Path, mask: np.ndarray, affine: np.ndarray | None = None, unit: str | None = "mm"
) -> nib.Nifti1Image:
    """A grey volume that the stub segments into this mask [W, H, D]."""
    image = nib.Nifti1Image(np.where(mask, 200, 40).astype(np.uint8), np.eye(4) if affine is None else affine)
    image.header.set_xyzt_units(unit)
    nib.save(image, path)
    return image


def box(size: tuple[int, ...], *ends: tuple[int, int]) -> np.ndarray:
    """A mask that holds on first .. last - 1 along each axis."""
    mask = np.zeros(size, dtype=bool)
    mask[tuple(slice(*end) for end in ends)] = True
    return mask


def expected_labels(size: tuple[int, int] = (48, 40)) -> np.ndarray:
    """Label map [H, W] with a disc of 20 x 24 (columns x rows) and in it a cup of 10 x 6, nothing centred."""
    labels = np.zeros(size[::-1], dtype=np.uint8)
    labels[6:30, 8:28] = 1
    labels[12:18, 12:22] = 2
    return labels


def photograph(labels: np.ndarray) -> np.ndarray:
    """RGB [H, W, 3] that the stub segments into these labels."""
    red = np.where(labels >= 1, 230, 60)
    green = np.where(labels == 2, 200, 40)
    return np.stack([red, green, np.full_like(red, 30)], axis=-1).astype(np.uint8)


def save_photograph(path: Path, labels: np.ndarray | None = None, mode: str = "RGB") -> Path:
    pixels = photograph(expected_labels() if labels is None else labels)
    Image.fromarray(pixels).convert(mode).save(path)
    return path
