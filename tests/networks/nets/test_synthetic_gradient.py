"""F of EDPCNN: published size, exact output size, log-probabilities, lines that go round, learning the minimum."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import nll_loss

from monai_lsext.networks.nets.synthetic_gradient import SyntheticGradientNet


def small() -> SyntheticGradientNet:
    torch.manual_seed(0)
    return SyntheticGradientNet((2, 2, 4, 4))


def test_parameters_as_published() -> None:
    assert sum(p.numel() for p in SyntheticGradientNet().parameters() if p.requires_grad) == 153_753


@pytest.mark.parametrize("size", [(50, 65), (64, 64), (12, 9), (3, 1)])
def test_output_has_the_size_of_the_input_and_sums_to_one_on_each_line(size: tuple[int, int]) -> None:
    log_p = small().eval()(torch.randn(2, *size))
    assert log_p.shape == (2, *size)
    assert torch.allclose(log_p.exp().sum(2), torch.ones(2, size[0]), atol=1e-5)


def test_padding_goes_on_around_the_star_and_repeats_the_last_point() -> None:
    net, cost = small().eval(), torch.randn(1, 5, 6)
    padded = torch.cat([cost, cost[:, :3]], dim=1)
    padded = torch.cat([padded, padded[:, :, -1:].expand(1, 8, 2)], dim=2)
    assert torch.allclose(net(cost), net(padded)[:, :5, :6].log_softmax(2), atol=1e-5)


def test_learns_where_each_line_is_lowest() -> None:
    net, optimizer_steps = small(), 60
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    losses = []
    for _ in range(optimizer_steps):
        cost = torch.randn(8, 16, 8)
        loss = nll_loss(net(cost).transpose(1, 2), cost.argmin(2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_float32_under_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        log_p = small().eval()(torch.randn(1, 8, 8))
    assert log_p.dtype == torch.float32


def test_traced_net_gives_the_same() -> None:
    net = small().eval()
    traced = torch.jit.trace(net, torch.randn(1, 10, 9))
    cost = torch.randn(1, 10, 9)
    assert torch.allclose(traced(cost), net(cost), atol=1e-5)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"`channels` must be 4 numbers >= 1, got \(8, 16\)"):
        SyntheticGradientNet((8, 16))
    with pytest.raises(ValueError, match=r"`channels` must be 4 numbers >= 1, got \(8, 16, 0, 64\)"):
        SyntheticGradientNet((8, 16, 0, 64))
    with pytest.raises(ValueError, match=r"`cost` must have shape \[B, N, M\], got \(2, 1, 8, 8\)"):
        SyntheticGradientNet()(torch.zeros(2, 1, 8, 8))
