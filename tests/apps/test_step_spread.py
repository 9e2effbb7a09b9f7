"""What a network's last steps do not agree on: worked by hand, and on a network's own evolution."""

from __future__ import annotations

import pytest
import torch

from monai_lsext.apps.step_spread import LastSteps, has_steps, step_range, step_spread
from monai_lsext.networks.nets import RLS, CascadedRACENet, LevelSetFCN, RACENet


def test_spread_is_the_share_that_moves() -> None:
    still = torch.zeros(3, 1, 6, 6)
    still[..., 2:4, 2:4] = 1
    assert step_spread(still) == 0
    growing = torch.zeros(2, 1, 6, 6)
    growing[0, 0, 0, :2], growing[1, 0, 0, :4] = 1, 1
    assert step_spread(growing) == pytest.approx(0.5)
    apart = torch.zeros(2, 1, 6, 6)
    apart[0, 0, 0, 0], apart[1, 0, 5, 5] = 1, 1
    assert step_spread(apart) == 1
    assert step_spread(torch.zeros(3, 1, 4, 4)) == 0
    assert step_spread(torch.cat([torch.zeros(2, 1, 6, 6), growing], dim=1)) == pytest.approx(0.5)


def test_range_is_that_of_the_object_that_moves_most() -> None:
    steps = torch.tensor([[[0.25], [0.5]], [[0.75], [0.5]], [[0.5], [1.0]]])  # [T, C, S]
    assert step_range(steps).tolist() == [0.5]


@pytest.mark.parametrize(
    "network",
    [
        RACENet(2, 1, 1, 4, (3,)),
        CascadedRACENet(2, 1, (3, 2), (2, 4), (3, 3)),
        RLS(form="conv", num_steps=2),
    ],
)
def test_the_last_step_is_the_network_itself(network: torch.nn.Module) -> None:
    image = torch.rand(2, 1, 12, 10, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        last = LastSteps(network.eval())
        steps = last(image).chunk(last.count, dim=1)
        torch.testing.assert_close(steps[-1], network(image))
        assert not torch.equal(steps[-2], steps[-1])
    assert last.count == (3 if isinstance(network, RACENet) else 2)


def test_who_has_steps() -> None:
    assert has_steps(RACENet(2, 1, 1, 1, (3,)))
    assert not has_steps(LevelSetFCN())
