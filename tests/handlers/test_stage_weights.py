"""The weights of the stage before: their part alone, strictly, once; a resumed training keeps its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_lsext.handlers import StageWeights
from monai_lsext.networks.nets import PNetBiRNN, PNetMSA
from monai_lsext.networks.unwrap import wrapped_part


def network(seed: int, bidirectional: bool = True, channels: int = 2) -> PNetBiRNN:
    torch.manual_seed(seed)
    return PNetBiRNN(PNetMSA(channels=channels, num_units=3), bidirectional)


def start(net: nn.Module, path: Path, epoch: int = 0) -> None:
    engine = Engine(lambda *_: None)
    engine.logger.setLevel("ERROR")
    StageWeights(net, path).attach(engine)
    engine.state.epoch = epoch
    engine.fire_event(Events.STARTED)


def test_takes_the_part_and_unlocks_all_units(tmp_path: Path) -> None:
    before, net = network(0, bidirectional=False), network(1)
    before.pnet.set_active_units(2)
    recurrence = {key: value.clone() for key, value in net.recurrence.state_dict().items()}
    torch.save(before.state_dict(), tmp_path / "model.pt")
    start(net, tmp_path / "model.pt")
    assert torch.equal(net.pnet.branches[0][0].weight, before.pnet.branches[0][0].weight)
    assert int(net.pnet.active_units) == 3
    assert all(torch.equal(value, recurrence[key]) for key, value in net.recurrence.state_dict().items())


def test_a_resumed_training_keeps_its_own(tmp_path: Path) -> None:
    net = network(1)
    weight = net.pnet.branches[0][0].weight.clone()
    start(net, tmp_path / "nothing.pt", epoch=2)
    assert torch.equal(net.pnet.branches[0][0].weight, weight)


def test_missing_and_unfit_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model.pt of the stage before, there is none at .*nothing.pt"):
        start(network(0), tmp_path / "nothing.pt")
    torch.save(network(0, channels=4).state_dict(), tmp_path / "wide.pt")
    with pytest.raises(
        ValueError, match=r"must fit 'pnet' of this network, .*wide.pt: size mismatch for branches.0.0.weight: .*\.$"
    ):
        start(network(0), tmp_path / "wide.pt")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"must hold weights of 'pnet', got none in .*other.pt"):
        start(network(0), tmp_path / "other.pt")


def test_part_of_a_wrapped_network() -> None:
    net = network(0)
    assert wrapped_part(net, "pnet") is net.pnet
    assert wrapped_part(nn.DataParallel(net), "pnet") is net.pnet
