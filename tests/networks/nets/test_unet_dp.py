"""U-Net and U-Net + DP, the rivals of EDPCNN, on maps that are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from monai_lsext.networks.layers.end_padding import padded
from monai_lsext.networks.nets import RACENet, UNetDP
from monai_lsext.networks.nets.unet_dp import component


class Given(nn.Module):
    """A backbone that gives one map, whatever comes in."""

    def __init__(self, logit: Tensor) -> None:
        super().__init__()
        self.logit = nn.Parameter(logit)

    def forward(self, image: Tensor) -> Tensor:
        return self.logit.expand(len(image), -1, -1, -1)


def disc(centre: tuple[int, int], radius_px: float) -> Tensor:
    x, y = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius_px**2


def two_discs() -> Tensor:
    return torch.where(disc((16, 16), 8) | disc((44, 44), 12), 3.0, -3.0)[None, None]


def dice(first: Tensor, second: Tensor) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.mark.parametrize("snake", [True, False])
@pytest.mark.parametrize(
    ("centre", "expected"), [([16.0, 17.0], disc((16, 16), 8)), (None, disc((44, 44), 12)), ([44.0, 40.0], None)]
)
def test_the_component_at_the_centre_or_the_largest(snake: bool, centre: list[float] | None, expected: Tensor) -> None:
    net = UNetDP(Given(two_discs()), snake=snake, radius_px=24, num_points=24).eval()
    result = net(torch.zeros(1, 1, 64, 64), None if centre is None else torch.tensor([centre]))
    wanted = disc((44, 44), 12) if expected is None else expected
    assert dice(result[0, 0] > 0, wanted) >= (0.95 if snake else 1.0)


def test_a_centre_off_every_component_takes_the_largest() -> None:
    assert torch.equal(component(two_discs()[0, 0] > 0, torch.tensor([0.0, 63.0])), disc((44, 44), 12))


@pytest.mark.parametrize("snake", [True, False])
def test_nothing_found_is_empty(snake: bool) -> None:
    net = UNetDP(Given(torch.full((1, 1, 64, 64), -1.0)), snake=snake).eval()
    assert (net(torch.zeros(2, 1, 64, 64)) == -16).all()


def test_training_gives_the_logit() -> None:
    net = UNetDP(Given(two_discs())).train()
    logit = net(torch.zeros(1, 1, 64, 64))
    assert torch.equal(logit, two_discs())
    logit.sum().backward()
    assert torch.equal(net.backbone.logit.grad, torch.ones(1, 1, 64, 64))


def test_a_backbone_of_many_steps_gives_them_all_in_training_and_the_last_in_eval() -> None:
    torch.manual_seed(0)
    steps = RACENet(2, 1, 2, 3, (5, 3))
    net, image = UNetDP(steps, snake=False, divisor=2), torch.randn(1, 1, 15, 20)
    expected = steps.train()(padded(image, 2))
    for step, wanted in zip(net.train()(image), expected, strict=True):
        assert torch.equal(step, wanted[..., :15, :20])
    last = expected[-1][..., :15, :20]
    inside = component(last[0, 0] > 0)
    assert torch.allclose(net.eval()(image)[0, 0][inside], last[0, 0][inside], atol=1e-6)


def test_a_backbone_with_two_channels_is_refused() -> None:
    net = UNetDP(Given(torch.zeros(1, 2, 64, 64)))
    with pytest.raises(ValueError, match=r"`backbone` must give 1 channel\(s\)"):
        net(torch.zeros(1, 1, 64, 64))
