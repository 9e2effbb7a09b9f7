"""What is special to the nuclei: one curve splits, labels of every layout, windows without seams."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cases import CASES
from commands import bundle_run
from monai.bundle import ConfigParser
from monai.losses import DiceFocalLoss
from PIL import Image
from scipy.ndimage import label as components
from torch import Tensor

from monai_lsext.apps.predict import predict
from monai_lsext.data.datalists import nuclei_datalist
from monai_lsext.data.phantoms import nuclei_phantom, write_nuclei_phantoms
from monai_lsext.losses import MultiStepLoss
from monai_lsext.networks.nets import RACENet

CONFIGS = CASES["racenet_nuclei"].folder / "configs"


def dice(first: Tensor, second: Tensor) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def discs(centres: list[list[float]], radius_px: float) -> Tensor:
    """Mask [1, 64, 64] of discs."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    return torch.stack([torch.hypot(y - cy, x - cx) <= radius_px for cy, cx in centres]).any(0)[None]


def drawn(mask: Tensor, generator: torch.Generator) -> Tensor:
    """Noisy picture [3, 64, 64], dark in the discs."""
    return 1 - 2 * mask.float() + 0.3 * torch.randn(3, 64, 64, generator=generator)


def test_one_border_curve_becomes_two_touching_discs_and_one_far_away() -> None:
    """The net learns from other discs; the curve at t = 0 is the border of the picture."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    net = RACENet(2, 3, num_filters=5, num_steps=6, kernel_sizes=(9, 7, 5, 3), initial="border")
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    loss = MultiStepLoss(DiceFocalLoss(sigmoid=True, gamma=0, batch=True), "uniform")
    for _ in range(50):
        radii = 6 + 6 * torch.rand(4, generator=generator)
        masks = [discs((64 * torch.rand(4, 2, generator=generator)).tolist(), float(radius)) for radius in radii]
        images = torch.stack([drawn(mask, generator) for mask in masks])
        optimizer.zero_grad()
        loss(net(images), torch.stack(masks).float()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    truth = discs([[20, 16], [20, 32], [46, 48]], radius_px=8)
    with torch.no_grad():
        start, *steps = net.eval().evolve(drawn(truth, generator)[None])
    assert (start > 0).all()
    assert dice(steps[-1][0] > 0, truth) >= 0.98
    found, number = components((steps[-1][0, 0] > 0).numpy())
    assert number == 2
    assert found[20, 16] == found[20, 32] != found[46, 48] != 0
    single = np.pi * 8**2
    np.testing.assert_allclose(
        np.bincount(found.ravel())[[found[20, 16], found[46, 48]]], [2 * single, single], rtol=0.1
    )


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """Preprocessing, inferer and the shipped network, as validation has them."""
    parser = ConfigParser()
    parser.read_config(str(CONFIGS / "train.yaml"))
    parser["bundle_root"] = str(CONFIGS.parent)
    found = {name: parser.get_parsed_content(f"validate#{name}") for name in ("preprocessing", "inferer")}
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(CONFIGS.parent / "models" / "model.pt", weights_only=True))
    return {**found, "network": network.eval()}


@pytest.fixture(scope="module")
def phantoms(parts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    """Six phantoms after preprocessing."""
    folder = tmp_path_factory.mktemp("nuclei")
    items = []
    for seed in range(900, 906):
        phantom = nuclei_phantom(seed)
        for name, pixels in (("image", phantom.image), ("label", phantom.instances)):
            Image.fromarray(pixels).save(folder / f"{name}.png")
        items.append(parts["preprocessing"]({name: str(folder / f"{name}.png") for name in ("image", "label")}))
    return items


def masks_of(parts: dict[str, Any], image: Tensor) -> Tensor:
    with torch.no_grad():
        return parts["inferer"](image[None], parts["network"])[0] > 0


def test_label_is_the_union_of_the_nuclei_in_every_layout(parts: dict[str, Any], tmp_path: Path) -> None:
    instances = np.zeros((40, 60), np.uint16)
    instances[3:9, 5:30], instances[9:20, 5:12], instances[30:, 50:] = 1, 2, 300
    picture = Image.fromarray(nuclei_phantom(0, (64, 64)).image).crop((0, 0, 60, 40)).convert("RGBA")
    for folder in ("own/images", "own/labels", "stage1_train/a/images", "stage1_train/a/masks"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("own/images/a.png", "own/images/b.png", "stage1_train/a/images/a.png"):
        picture.save(tmp_path / name)
    Image.fromarray(instances).save(tmp_path / "own" / "labels" / "a.png")
    Image.fromarray((255 * (instances > 0)).astype(np.uint8)).save(tmp_path / "own" / "labels" / "b.png")
    for number in (1, 2, 300):
        mask = (255 * (instances == number)).astype(np.uint8)
        Image.fromarray(mask).save(tmp_path / "stage1_train" / "a" / "masks" / f"{number}.png")
    items = nuclei_datalist(tmp_path / "own", "every") + nuclei_datalist(tmp_path, "every")
    assert len(items) == 3
    for item in items:
        prepared = parts["preprocessing"](item)
        assert prepared["image"].shape == (3, 60, 40)
        np.testing.assert_array_equal(prepared["label"], (instances.T > 0)[None])


def test_f1_on_phantoms_of_the_shipped_weights(parts: dict[str, Any], phantoms: list[dict[str, Tensor]]) -> None:
    """They were trained on real sections alone: one phantom with much eosin is lost, the others are not."""
    scores = [dice(masks_of(parts, item["image"]), item["label"] > 0) for item in phantoms]
    assert np.median(scores) >= 0.85


def test_windows_leave_no_seam(parts: dict[str, Any], phantoms: list[dict[str, Tensor]]) -> None:
    """The mask of windows is that of the whole image, and where the windows lie does not matter."""
    half = 32  # half a stride: windows of 128 that overlap by half
    whole, agreement = [], []
    for item in phantoms:
        image = item["image"].as_tensor()  # type: ignore[attr-defined]
        tiled = masks_of(parts, image)
        with torch.no_grad():
            whole.append(dice(tiled, parts["network"](image[None])[0] > 0))
        moved = F.pad(image[None], (half, 0, half, 0), mode="replicate")[0]
        agreement.append((masks_of(parts, moved)[:, half:, half:] == tiled).float().mean())
    assert np.mean(whole) >= 0.97
    assert np.mean(agreement) >= 0.99


@pytest.mark.parametrize("size", [(40, 100), (131, 300), (33, 33)])
def test_any_size_gives_a_mask_of_that_size(
    parts: dict[str, Any], phantoms: list[dict[str, Tensor]], size: tuple[int, int]
) -> None:
    image, label = (F.pad(phantoms[1][key], (0, 64, 0, 64), mode="reflect") for key in ("image", "label"))
    mask = masks_of(parts, image[:, : size[0], : size[1]])
    assert mask.shape == (1, *size)
    assert dice(mask, label[:, : size[0], : size[1]] > 0) >= 0.75


def test_instances_of_both_commands_are_the_same(
    tmp_path: Path, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    Image.fromarray(nuclei_phantom(0, (96, 160)).image).save(tmp_path / "tissue.png")
    options = {"dataset_dir": tmp_path / "tissue.png", "output_dir": tmp_path / "inference"}
    run(bundle_run(CONFIGS.parent, "inference.yaml", **options))
    assert predict(str(CONFIGS.parent), str(tmp_path / "tissue.png"), str(tmp_path / "predict")) == 0
    pictures = [Image.open(tmp_path / folder / "tissue_instances.png") for folder in ("inference", "predict")]
    assert [picture.mode for picture in pictures] == ["I;16", "I;16"]
    inference, predicted = (np.asarray(picture).astype(int) for picture in pictures)
    mask = np.asarray(Image.open(tmp_path / "inference" / "tissue_seg.png"))
    assert inference.max() == components(mask)[1] > 3
    np.testing.assert_array_equal(inference, predicted)
    features = json.loads((tmp_path / "predict" / "tissue_contours.geojson").read_text())["features"]
    areas = {feature["properties"]["instance_id"]: feature["properties"]["area_px"] for feature in features}
    assert areas == dict(enumerate(np.bincount(inference.ravel())[1:].tolist(), 1))


def test_the_classical_rival_is_evaluated_without_training(
    tmp_path: Path, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    data = write_nuclei_phantoms(tmp_path / "data", num=4, num_test=2, size=(64, 96))
    configs = ("train.yaml", "evaluate.yaml", "variants/drlse.yaml")
    options = {"dataset_dir": data, "output_dir": tmp_path, "network_def#channel": 0}
    run(bundle_run(CONFIGS.parent, *configs, **options))
    with open(tmp_path / "evaluation" / "f1_raw.csv", newline="") as stream:
        scores = {Path(row["filename"]).stem: float(row["class0"]) for row in csv.DictReader(stream)}
    assert sorted(scores) == ["phantom_0002", "phantom_0003"]
    assert min(scores.values()) > 0.4
