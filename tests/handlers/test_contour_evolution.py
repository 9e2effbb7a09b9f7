"""Contour-evolution pictures: their content, and the handler's file names and intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.engines import SupervisedEvaluator
from PIL import Image
from torch import nn

from monai_lsext.handlers import ContourEvolutionImages
from monai_lsext.visualize import draw_evolution_strip


def disc(radius: float, size: tuple[int, int] = (40, 24), centre: tuple[float, float] = (20, 8)) -> torch.Tensor:
    x, y = (torch.arange(s, dtype=torch.float32) for s in size)
    return (radius - torch.hypot(x[:, None] - centre[0], y - centre[1]))[None]


def test_strip_holds_image_truth_and_zero_levels(tmp_path: Path) -> None:
    steps = [disc(10), disc(6), disc(4)]
    label = (disc(5) > 0).float()
    figure = draw_evolution_strip(torch.rand(3, 40, 24), steps, label, tmp_path / "strip.png")
    assert [axes.get_title() for axes in figure.axes] == ["t = 0", "t = 1", "t = 2"]
    for axes, radius in zip(figure.axes, (10, 6, 4), strict=True):
        assert axes.images[0].get_array().shape == (24, 40, 3)
        truth, *level = axes.lines
        assert truth.get_linestyle() == "--"
        x, y = np.concatenate([line.get_xydata() for line in level]).T
        assert np.hypot(x - 20, y - 8) == pytest.approx(radius, abs=0.1)
    with Image.open(tmp_path / "strip.png") as picture:
        assert picture.size[0] > 500
    assert [p.name for p in tmp_path.iterdir()] == ["strip.png"]


def test_channels_get_their_own_colour_and_a_level_set_without_contour_draws_none() -> None:
    figure = draw_evolution_strip(np.zeros((1, 40, 24)), [torch.cat([disc(8), disc(4)]), torch.ones(2, 40, 24)])
    first, second = figure.axes
    assert len({line.get_color() for line in first.lines}) == 2
    assert len(second.lines) == 0


def test_middle_slice_of_a_volume() -> None:
    volume = torch.stack([disc(r) for r in (2, 5, 9)], dim=-1)
    figure = draw_evolution_strip(torch.rand(1, 40, 24, 3), [volume])
    x, y = figure.axes[0].lines[0].get_xydata().T
    assert np.hypot(x - 20, y - 8) == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(
    ("steps", "label", "text"),
    [
        ([], None, "`steps` must hold at least one level set, got none"),
        ([torch.zeros(1, 3, 3)], None, r"`steps` must have the image's spatial size \(4, 4\), got \(3, 3\)"),
        ([torch.zeros(1, 4, 4)], torch.zeros(1, 4, 5), r"`label` must have the image's spatial size"),
    ],
)
def test_strip_errors(steps, label, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        draw_evolution_strip(torch.zeros(1, 4, 4), steps, label)


def evaluator(handler: ContourEvolutionImages, network: nn.Module) -> SupervisedEvaluator:
    data = [{"image": torch.rand(2, 1, 12, 10), "label": torch.ones(2, 1, 12, 10)} for _ in range(2)]
    return SupervisedEvaluator(device="cpu", val_data_loader=data, network=network, val_handlers=[handler])


def test_handler_draws_the_first_items_in_eval_mode(tmp_path: Path) -> None:
    network = nn.Conv2d(1, 1, 1)
    modes = []

    def steps_fn(image: torch.Tensor) -> list[torch.Tensor]:
        modes.append((network.training, torch.is_grad_enabled()))
        return [network(image), network(image)]

    engine = evaluator(ContourEvolutionImages(steps_fn, tmp_path, interval=2, max_items=3), network)
    for epoch in (1, 2, 3, 4):
        engine.run(epoch)
    names = [f"evolution_item{i:02d}_epoch{e:04d}.png" for i in range(3) for e in (2, 4)]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    assert modes == [(False, False)] * 4
    assert network.training


@pytest.mark.parametrize("name", ["interval", "max_items"])
def test_handler_errors(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be >= 1, got 0"):
        ContourEvolutionImages(lambda image: [image], "x", **{name: 0})
