"""The page on one's own network: its Python runs as it stands, and its networks do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import yaml
from monai.bundle import ConfigParser
from monai.networks.nets import SegResNet, SwinUNETR
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how-to" / "own-network.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SNAKE, LEVEL_SET = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def net_of(code: str) -> nn.Module:
    names: dict[str, object] = {}
    exec(code, names)
    net = names["net"]
    assert isinstance(net, nn.Module)
    return net


def test_snake_behind_a_segresnet() -> None:
    assert net_of(SNAKE).eval()(torch.rand(1, 1, 48, 64)).shape == (1, 1, 48, 64)


def test_level_set_behind_a_segresnet_learns_in_both() -> None:
    net = net_of(LEVEL_SET)
    steps = net(torch.rand(1, 1, 32, 32))
    assert [step.shape for step in steps] == [(1, 1, 32, 32)] * 6
    steps[-1].square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.backbone.parameters())
    assert net.eval()(torch.rand(1, 1, 32, 32)).shape == (1, 1, 32, 32)


@pytest.mark.parametrize(
    ("block", "bundle", "channels", "backbone"),
    [
        (0, "edpcnn_left_ventricle", 1, SegResNet),
        (1, "edpcnn_left_ventricle", 1, SwinUNETR),
        (2, "racenet_nuclei", 3, SegResNet),
        (3, "racenet_nuclei", 3, SwinUNETR),
        (2, "racenet_optic_disc_cup", 3, SegResNet),
    ],
)
def test_backbones_by_config_alone(block: int, bundle: str, channels: int, backbone: type[nn.Module]) -> None:
    parser = ConfigParser()
    parser.read_config(str(ROOT / "bundles" / bundle / "configs" / "train.yaml"))
    for name, value in yaml.safe_load(BLOCKS[block]).items():
        parser[name] = value
    net = parser.get_parsed_content("network_def")
    assert isinstance(net.backbone, backbone)
    masks = 2 if bundle == "racenet_optic_disc_cup" else 1
    assert net.eval()(torch.rand(1, channels, 40, 48)).shape == (1, masks, 40, 48)
