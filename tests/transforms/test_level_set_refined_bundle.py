"""One YAML entry in the inference config of a bundle with a plain BasicUNet that knows nothing of this package."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow
from monai.networks.nets import BasicUNet
from scipy.ndimage import label

SPACING_MM = (1.0, 1.0, 2.0)
SIZE = (32, 32, 16)
BUNDLE = """
imports: [$import glob]
bundle_root: .
dataset_dir: .
network_def:
  _target_: BasicUNet
  spatial_dims: 3
  out_channels: 1
  features: [2, 2, 2, 2, 2, 2]
  norm: batch
preprocessing:
  _target_: Compose
  transforms:
  - {_target_: LoadImaged, keys: image, ensure_channel_first: true}
dataset:
  _target_: Dataset
  data: "$[{'image': path} for path in sorted(glob.glob(@dataset_dir + '/*.nii.gz'))]"
  transform: '@preprocessing'
dataloader: {_target_: DataLoader, dataset: '@dataset', batch_size: 1}
inferer: {_target_: SimpleInferer}
postprocessing:
  _target_: Compose
  transforms:
  - {_target_: Activationsd, keys: pred, sigmoid: true}
  - {_target_: Identityd, keys: pred}
  - {_target_: AsDiscreted, keys: pred, threshold: 0.5}
  - _target_: SaveImaged
    keys: pred
    output_dir: $@bundle_root + '/eval'
    separate_folder: false
    print_log: false
handlers:
- _target_: CheckpointLoader
  load_path: $@bundle_root + '/models/model.pt'
  load_dict: {model: '@network_def'}
evaluator:
  _target_: SupervisedEvaluator
  device: $torch.device('cpu')
  val_data_loader: '@dataloader'
  network: '@network_def'
  inferer: '@inferer'
  postprocessing: '@postprocessing'
  val_handlers: '@handlers'
run: ['$@evaluator.run()']
"""
ONE_ENTRY = {"_target_": "monai_lsext.transforms.LevelSetRefined", "keys": "pred"}


def body() -> np.ndarray:
    """A ball of 10 mm."""
    axes = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * h for n, h in zip(SIZE, SPACING_MM, strict=True)], indexing="ij"
    )
    return sum(x**2 for x in axes) < 10**2


def grey_passes_through(net: BasicUNet) -> None:
    """Weights with which the net says what the image says, voxel by voxel: logit = image."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        first = net.conv_0
        for convolution in (first.conv_0.conv, first.conv_1.conv):
            convolution.weight[0, 0, 1, 1, 1] = 1
        last = net.upcat_1.convs
        for convolution in (last.conv_0.conv, last.conv_1.conv):
            convolution.weight[0, 0, 1, 1, 1] = 1
        for block in (first, last):
            for norm in (block.conv_0.adn.N, block.conv_1.adn.N):
                norm.weight[0] = 1
                norm.bias[0] = 5  # in the linear part of the ReLU
        net.final_conv.weight[0, 0] = 1
        net.final_conv.bias[0] = -20


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """A trained (by hand) BasicUNet, its config, and a noisy volume with anisotropic voxels."""
    root = tmp_path_factory.mktemp("bundle")
    for folder in ("configs", "models", "data"):
        (root / folder).mkdir()
    (root / "configs" / "inference.yaml").write_text(BUNDLE)
    net = BasicUNet(3, 1, 1, (2, 2, 2, 2, 2, 2), norm="batch")
    grey_passes_through(net)
    torch.save(net.state_dict(), root / "models" / "model.pt")
    noise = 1.2 * np.random.default_rng(0).standard_normal(SIZE)
    image = (2.0 * body() - 1 + noise).clip(-4, 4).astype(np.float32)
    nib.save(nib.Nifti1Image(image, np.diag([*SPACING_MM, 1.0])), root / "data" / "case.nii.gz")
    return root


def predicted(root: Path, entry: dict | None) -> np.ndarray:
    override = {} if entry is None else {"postprocessing#transforms#1": entry}
    workflow = ConfigWorkflow(
        str(root / "configs" / "inference.yaml"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(root),
        dataset_dir=str(root / "data"),
        **override,
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    saved = nib.load(root / "eval" / "case_trans.nii.gz")
    assert np.allclose(saved.header.get_zooms(), SPACING_MM)
    return saved.get_fdata() > 0


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_one_entry_refines_the_masks_of_a_bundle_that_is_not_ours(bundle) -> None:
    plain, refined = predicted(bundle, None), predicted(bundle, ONE_ENTRY)
    assert dice(plain, body()) < 0.7
    assert dice(refined, body()) > 0.9
    assert label(plain)[1] > 20
    assert label(refined)[1] <= 3


def test_its_options_are_config_too_and_the_voxel_size_counts(bundle) -> None:
    """Strong smoothing keeps the ball round in millimetres: as wide as it is high."""
    refiner = {"_target_": "monai_lsext.evolution.LevelSetRefiner", "smoothness": 3.0, "num_iter": 40}
    mask = predicted(bundle, {**ONE_ENTRY, "refiner": refiner})
    volume = predicted(bundle, ONE_ENTRY).sum()
    width_mm, height_mm = mask.any((1, 2)).sum() * SPACING_MM[0], mask.any((0, 1)).sum() * SPACING_MM[2]
    assert 0.3 * volume < mask.sum() < 0.95 * volume
    assert width_mm / height_mm == pytest.approx(1, abs=0.2)
