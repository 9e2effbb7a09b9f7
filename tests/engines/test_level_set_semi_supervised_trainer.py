"""The semi-supervised trainer: what the loss is made of, warm-up, lists without or with labels alone, learning."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from monai.data import DataLoader, Dataset
from torch import nn

from monai_lsext.engines import LevelSetSemiSupervisedTrainer
from monai_lsext.engines.level_set_semi_supervised_trainer import object_probability
from monai_lsext.evolution import LevelSetRefiner
from monai_lsext.transforms import FillMissingLabeld

SIZE = 24


def items(count: int, labelled: int, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    """Bright discs in noise; the first ones with a label."""
    generator = torch.Generator().manual_seed(seed)
    made: list[dict[str, torch.Tensor]] = []
    x = torch.arange(float(SIZE))
    for index in range(count):
        centre = 8 + 8 * torch.rand(2, generator=generator)
        label = ((x[:, None] - centre[0]) ** 2 + (x - centre[1]) ** 2 < 36).float()[None]
        item = {"image": label + 0.4 * torch.randn(label.shape, generator=generator)}
        made.append({**item, "label": label} if index < labelled else item)
    return made


class Affine(nn.Module):
    """Logit ``a * image + b``; with two channels that of the background is 0."""

    def __init__(self, channels: int = 1, gain: float = 4.0, offset: float = -2.0) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(gain)), nn.Parameter(torch.tensor(offset))
        self.channels = channels

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logit = self.a * image + self.b
        return logit if self.channels == 1 else torch.cat([torch.zeros_like(logit), logit], 1)


def trainer(data: list[dict[str, torch.Tensor]], net: nn.Module, epochs: int = 1, **options: Any) -> Any:
    loader = DataLoader(Dataset(data, FillMissingLabeld()), batch_size=options.pop("batch_size", len(data)))
    optimizer = options.pop("optimizer", None) or torch.optim.SGD(net.parameters(), lr=0.0)
    made = LevelSetSemiSupervisedTrainer(
        network=net, optimizer=optimizer, device="cpu", max_epochs=epochs, train_data_loader=loader, **options
    )
    made.logger.setLevel(logging.WARNING)
    return made


def entropies(net: nn.Module, images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each item, pixel by pixel, written out."""
    p = object_probability(net(images)).double()
    return -torch.where(masks > 0.5, p.log(), (1 - p).log()).flatten(1).mean(1)


@pytest.mark.parametrize("channels", [1, 2])
def test_during_the_warm_up_the_labelled_images_count_alone(channels: int) -> None:
    data, net = items(4, 3), Affine(channels)
    engine = trainer(data, net, warm_up_epochs=1)
    engine.run()
    images, labels = torch.stack([d["image"] for d in data[:3]]), torch.stack([d["label"] for d in data[:3]])
    assert engine.state.output[0]["loss"] == pytest.approx(entropies(net, images, labels).mean().item(), rel=1e-5)
    assert [float(out["weight"]) for out in engine.state.output] == [1, 1, 1, 0]
    assert len(engine.samples) == 3


@pytest.mark.parametrize("channels", [1, 2])
def test_then_the_refined_mask_is_the_target_of_an_unlabelled_image(channels: int) -> None:
    data, net, refiner = items(3, 2), Affine(channels), LevelSetRefiner(10)
    engine = trainer(data, net, epochs=2, warm_up_epochs=1, unlabelled_weight=0.5, refiner=refiner)
    engine.run()
    images = torch.stack([d["image"] for d in data])
    with torch.no_grad():
        refined = refiner(object_probability(net(images[2:])), images[2:]) > 0
        assert not torch.equal(refined, object_probability(net(images[2:])) > 0.5)
        targets = torch.cat([data[0]["label"][None], data[1]["label"][None], refined.float()])
        each = entropies(net, images, targets)
    weights = torch.tensor([1.0, 1.0, 0.5])
    assert engine.state.output[0]["loss"] == pytest.approx(float((weights * each).sum() / 2.5), rel=1e-5)
    assert torch.equal(engine.state.output[2]["target"], targets[2])
    assert torch.equal(engine.samples[2][1], refined[0])
    assert torch.equal(engine.samples[2][0], images[2])


@pytest.mark.parametrize("channels", [1, 2])
def test_pixels_of_the_object_can_count_more(channels: int) -> None:
    data, net = items(2, 2), Affine(channels)
    engine = trainer(data, net, warm_up_epochs=1, object_weight=3.0)
    engine.run()
    images, labels = torch.stack([d["image"] for d in data]), torch.stack([d["label"] for d in data])
    p = object_probability(net(images)).double()
    expected = -torch.where(labels > 0.5, 3 * p.log(), (1 - p).log()).mean()
    assert engine.state.output[0]["loss"] == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("offset", [-9.0, 9.0])
def test_an_empty_or_full_refined_mask_teaches_nothing(offset: float) -> None:
    engine = trainer(items(3, 1), Affine(gain=0.1, offset=offset), warm_up_epochs=0)
    engine.run()
    assert [float(out["weight"]) for out in engine.state.output] == [1, 0, 0]


def test_a_batch_of_which_nothing_counts_has_the_loss_0_and_changes_nothing() -> None:
    net = Affine()
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    engine = trainer(items(3, 1), net, warm_up_epochs=1, batch_size=1, optimizer=optimizer)
    losses: list[float] = []
    engine.add_event_handler("ITERATION_COMPLETED", lambda e: losses.append(float(e.state.output[0]["loss"])))
    engine.run()
    assert losses[0] > 0
    assert losses[1:] == [0, 0]


def test_a_list_without_a_label_is_refused() -> None:
    with pytest.raises(ValueError, match="the data list must hold at least one labelled item, got none of 3"):
        trainer(items(3, 0), Affine()).run()


def test_a_list_without_an_unlabelled_item_is_supervised_with_a_warning(caplog) -> None:
    data, net = items(2, 2), Affine()
    with caplog.at_level(logging.WARNING):
        engine = trainer(data, net, warm_up_epochs=0)
        engine.run()
    assert "All 2 items are labelled: the training is supervised" in caplog.text
    images, labels = (torch.stack([d[key] for d in data]) for key in ("image", "label"))
    assert engine.state.output[0]["loss"] == pytest.approx(entropies(net, images, labels).mean().item(), rel=1e-5)


def test_a_mixed_list_warns_of_nothing_and_a_batch_without_flags_is_labelled(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        trainer(items(2, 1), Affine()).run()
    assert not caplog.records
    engine = trainer(items(2, 2), Affine(), flag_key="other")
    engine.run()
    assert [float(out["weight"]) for out in engine.state.output] == [1, 1]


def test_train_on_is_a_step_on_the_mean_loss() -> None:
    net, other = Affine(), Affine()
    engine = trainer(items(2, 1), net, optimizer=torch.optim.SGD(net.parameters(), lr=0.5))
    images = torch.stack([d["image"] for d in items(2, 0)])
    masks = images > 0.3
    loss = entropies(other, images, masks.float()).mean()
    loss.backward()
    assert engine.train_on(images, masks).item() == pytest.approx(loss.item(), rel=1e-5)
    assert net.a.item() == pytest.approx((other.a - 0.5 * other.a.grad).item(), rel=1e-5)
    assert net.b.item() == pytest.approx((other.b - 0.5 * other.b.grad).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unlabelled_weight": -1}, "`unlabelled_weight` must be >= 0, got -1"),
        ({"warm_up_epochs": -1}, "`warm_up_epochs` must be >= 0, got -1"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trainer(items(1, 1), Affine(), **options)


def test_bad_logits_and_labels() -> None:
    with pytest.raises(ValueError, match="the network must have 1 or 2 output channels, got 3"):
        object_probability(torch.zeros(1, 3, 4, 4))
    data = [{"image": torch.rand(1, 8, 8), "label": torch.zeros(1, 4, 8)}]
    with pytest.raises(ValueError, match=r"`label` must have shape \(1, 1, 8, 8\), got \(1, 1, 4, 8\)"):
        trainer(data, Affine()).run()
