"""Phases of a convolution on an upsampled map against the convolution itself."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from monai_lsext.networks.layers.upsampled_conv import (
    PHASES,
    convolve3d,
    folding_tensor,
    interleave_phases,
    phase_kernels,
    phase_window,
    to_phases,
)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize(("fine_channels", "coarse_channels"), [(2, 3), (1, 0), (0, 2)])
def test_phases_give_the_convolution_of_the_fine_and_the_upsampled_map(
    size: int, fine_channels: int, coarse_channels: int
) -> None:
    torch.manual_seed(0)
    coarse = torch.randn(2, coarse_channels, 4, 3, 5, dtype=torch.float64)
    fine = torch.randn(2, fine_channels, 8, 6, 10, dtype=torch.float64)
    weight = torch.randn(4, fine_channels + coarse_channels, size, size, size, dtype=torch.float64)
    kernels = phase_kernels(weight[:, :fine_channels], weight[:, fine_channels:], folding_tensor(size).double())
    padded = F.pad(torch.cat([to_phases(fine), coarse], dim=1), [-(-(size // 2) // 2)] * 6)
    phases = [F.conv3d(phase_window(padded, p, size), kernel) for p, kernel in zip(PHASES, kernels, strict=True)]
    upsampled = F.interpolate(coarse, scale_factor=2.0) if coarse_channels else fine[:, :0]
    expected = F.conv3d(torch.cat([fine, upsampled], dim=1), weight, padding=size // 2)
    assert torch.allclose(interleave_phases(phases), expected, atol=1e-12)


def test_phases_go_back_and_forth() -> None:
    x = torch.randn(2, 1, 4, 6, 2)
    phases = to_phases(x)
    assert torch.equal(interleave_phases(list(phases.split(1, dim=1))), x)
    assert torch.equal(phases[:, 6], x[:, 0, 1::2, 1::2, 0::2])


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 0)])
def test_convolution_without_gradient_is_the_same(stride: int, padding: int) -> None:
    x, weight, bias = torch.randn(1, 3, 7, 6, 5), torch.randn(4, 3, 3, 3, 3), torch.randn(4)
    with torch.no_grad():
        fast = convolve3d(x, weight, bias, stride, padding)
    assert torch.allclose(fast, F.conv3d(x, weight, bias, stride, padding), atol=1e-5)
