"""Writes the smallest bundle that passes every check: a two-level U-Net for RGB photographs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
import yaml
from monai.networks.nets import UNet

NETWORK = {
    "_target_": "UNet",
    "spatial_dims": 2,
    "in_channels": 3,
    "out_channels": 2,
    "channels": [4, 8],
    "strides": [2],
    "dropout": 0.0,
}

SHARED: dict[str, Any] = {
    "imports": ["$import glob"],
    "bundle_root": ".",
    "dataset_dir": "/workspace/data",
    "output_dir": "$@bundle_root + '/eval'",
    "device": "$torch.device('cpu')",
    "image_size": [32, 32],
    "network_def": NETWORK,
    "network": "$@network_def.to(@device)",
    "initialize": ["$monai.utils.set_determinism(0)"],
}
# Empty without data: the list is read when the workflow starts, not when it is built.
DATA = "$[{'image': f, 'label': f} for f in sorted(glob.glob(@dataset_dir + '/*.png'))]"
EVALUATION_POSTPROCESSING = {
    "_target_": "Compose",
    "transforms": [{"_target_": "AsDiscreted", "keys": "pred", "argmax": True}],
}


def _preprocessing(*keys: str) -> dict[str, Any]:
    mode = ["bilinear", "nearest"] if len(keys) == 2 else "bilinear"
    transforms = [
        {"_target_": "LoadImaged", "keys": list(keys), "ensure_channel_first": True},
        {"_target_": "ScaleIntensityd", "keys": "image"},
        {"_target_": "Resized", "keys": list(keys), "spatial_size": "@image_size", "mode": mode},
    ]
    if "label" in keys:
        transforms.append({"_target_": "AsDiscreted", "keys": "label", "threshold": 0.5})
    return {"_target_": "Compose", "transforms": transforms}


def _loader(dataset: str) -> dict[str, Any]:
    return {"_target_": "DataLoader", "dataset": dataset, "batch_size": 1}


def _dataset(transform: str) -> dict[str, Any]:
    return {"_target_": "Dataset", "data": DATA, "transform": transform}


def _checkpoint_loader() -> dict[str, Any]:
    return {
        "_target_": "CheckpointLoader",
        "load_path": "$@bundle_root + '/models/model.pt'",
        "load_dict": {"model": "@network"},
    }


def train_config() -> dict[str, Any]:
    random_flip = {"_target_": "RandFlipd", "keys": ["image", "label"], "prob": 0.5}
    return {
        **SHARED,
        "loss": {"_target_": "DiceLoss", "sigmoid": True},
        "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()"},
        "val_interval": 1,
        "train": {
            "random_transforms": [random_flip],
            "preprocessing": {
                "_target_": "Compose",
                "transforms": "$@validate#preprocessing#transforms + @train#random_transforms",
            },
            "dataset": _dataset("@train#preprocessing"),
            "dataloader": _loader("@train#dataset"),
            "inferer": {"_target_": "SimpleInferer"},
            "handlers": [
                {
                    "_target_": "ValidationHandler",
                    "validator": "@validate#evaluator",
                    "epoch_level": True,
                    "interval": "@val_interval",
                }
            ],
            "trainer": {
                "_target_": "SupervisedTrainer",
                "max_epochs": 2,
                "device": "@device",
                "train_data_loader": "@train#dataloader",
                "network": "@network",
                "optimizer": "@optimizer",
                "loss_function": "@loss",
                "inferer": "@train#inferer",
                "train_handlers": "@train#handlers",
            },
        },
        "validate": {
            "preprocessing": _preprocessing("image", "label"),
            "dataset": _dataset("@validate#preprocessing"),
            "dataloader": _loader("@validate#dataset"),
            "inferer": {"_target_": "SimpleInferer"},
            "postprocessing": EVALUATION_POSTPROCESSING,
            "evaluator": {
                "_target_": "SupervisedEvaluator",
                "device": "@device",
                "val_data_loader": "@validate#dataloader",
                "network": "@network",
                "inferer": "@validate#inferer",
                "postprocessing": "@validate#postprocessing",
            },
        },
        "run": ["$@train#trainer.run()"],
    }


def inference_config() -> dict[str, Any]:
    return {
        **SHARED,
        "preprocessing": _preprocessing("image"),
        "dataset": {**_dataset("@preprocessing"), "data": DATA.replace(", 'label': f", "")},
        "dataloader": _loader("@dataset"),
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": EVALUATION_POSTPROCESSING,
        "handlers": [_checkpoint_loader()],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
        },
        "run": ["$@evaluator.run()"],
    }


def evaluate_config() -> dict[str, Any]:
    return {
        "validate#handlers": [_checkpoint_loader()],
        "validate#evaluator#val_handlers": "@validate#handlers",
        "run": ["$@validate#evaluator.run()"],
    }


def multi_gpu_config() -> dict[str, Any]:
    return {
        "backend": "gloo",
        "network": {"_target_": "torch.nn.parallel.DistributedDataParallel", "module": "$@network_def.to(@device)"},
        "initialize": ["$torch.distributed.init_process_group(backend=@backend)"],
    }


def metadata(weights_sha256: str) -> dict[str, Any]:
    tensor = {
        "type": "image",
        "format": "magnitude",
        "modality": "fundus photograph",
        "num_channels": 3,
        "spatial_shape": ["8*n", "8*n"],
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": {"0": "red", "1": "green", "2": "blue"},
    }
    pred = {"format": "segmentation", "num_channels": 2, "value_range": []}
    channel_def = {"0": "background", "1": "disc rim", "2": "cup"}
    return {
        "schema": "https://project-monai.github.io/schema/meta_schema_20240725.json",
        "version": "0.2.0",
        "changelog": {"0.2.0": "second", "0.1.0": "first"},
        "monai_version": "1.6.0",
        "pytorch_version": "2.8.0",
        "numpy_version": "1.26.0",
        "required_packages_version": {"pytorch-ignite": "0.5.0"},
        "supported_apps": {"monai-label": ""},
        "task": "segmentation",
        "description": "A bundle for tests.",
        "authors": "nobody",
        "copyright": "none",
        "weights_sha256": weights_sha256,
        "network_data_format": {
            "inputs": {"image": tensor},
            "outputs": {"pred": {**tensor, **pred, "channel_def": channel_def}},
        },
    }


def write_tiny_bundle(root: Path) -> Path:
    """Write the bundle into ``root`` and return it."""
    for folder in ("configs/variants", "models", "docs"):
        (root / folder).mkdir(parents=True)
    for name in ("LICENSE", "docs/README.md", "docs/data_license.txt"):
        (root / name).write_text("tiny bundle\n")
    logging = "[loggers]\nkeys=root\n[handlers]\nkeys=\n[formatters]\nkeys=\n[logger_root]\nlevel=INFO\nhandlers=\n"
    (root / "configs/logging.conf").write_text(logging)
    configs = {
        "train": train_config(),
        "inference": inference_config(),
        "evaluate": evaluate_config(),
        "multi_gpu_train": multi_gpu_config(),
        "variants/basicunet": {
            "network_def": {"_target_": "BasicUNet", "spatial_dims": 2, "in_channels": 3, "features": [4] * 6},
        },
    }
    for name, config in configs.items():
        text = yaml.dump(json.loads(json.dumps(config)), sort_keys=False)
        (root / f"configs/{name}.yaml").write_text(text)
    torch.manual_seed(0)
    network = UNet(**{key: value for key, value in NETWORK.items() if key != "_target_"})
    torch.save(network.state_dict(), root / "models/model.pt")
    digest = hashlib.sha256((root / "models/model.pt").read_bytes()).hexdigest()
    (root / "configs/metadata.json").write_text(json.dumps(metadata(digest), indent=2))
    return root
