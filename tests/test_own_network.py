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
    assert all(parameter.grad is not None for parameter in net[0].conv_final.parameters())
    assert net.eval()(torch.rand(1, 1, 32, 32)).shape == (1, 1, 32, 32)


@pytest.mark.parametrize("index", [0, 1])
def test_backbones_by_config_alone(index: int) -> None:
    block = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[index]
    parser = ConfigParser()
    parser.read_config(str(ROOT / "bundles" / "edpcnn_left_ventricle" / "configs" / "train.yaml"))
    for name, value in yaml.safe_load(block).items():
        parser[name] = value
    net = parser.get_parsed_content("network_def")
    assert isinstance(net.backbone, (SegResNet, SwinUNETR)[index])
    assert net.eval()(torch.rand(1, 1, 40, 48)).shape == (1, 1, 40, 48)
