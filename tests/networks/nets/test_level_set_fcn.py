"""LevelSetFCN: published counts, plans, any size, gradients, export."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom
from torch import nn

from monai_lsext.networks.nets import LevelSetFCN

PARAMETERS = {"liver": 23_938, "left_ventricle": 51_238}


@pytest.mark.parametrize("variant", PARAMETERS)
def test_published_parameter_counts(variant: str) -> None:
    assert sum(p.numel() for p in LevelSetFCN(variant=variant).parameters()) == PARAMETERS[variant]


def test_default_is_the_liver() -> None:
    assert sum(p.numel() for p in LevelSetFCN().parameters()) == 23_938


@pytest.mark.parametrize(("variant", "convolutions", "stride"), [("liver", 4, 8), ("left_ventricle", 8, 6)])
def test_plans(variant: str, convolutions: int, stride: int) -> None:
    net = LevelSetFCN(variant=variant)
    assert sum(type(m) is nn.Conv2d for m in net.modules()) == convolutions  # the 1x1 one included
    assert sum(type(m) is nn.ConvTranspose2d for m in net.modules()) == 1
    assert net.stride == stride
    assert net.features(torch.rand(1, 1, 48, 48)).shape[2:] == (48 // stride, 48 // stride)


@pytest.mark.parametrize(("variant", "channels"), [("liver", 2), ("left_ventricle", 1)])
@pytest.mark.parametrize(("dims", "size"), [(2, (24, 24)), (2, (17, 29)), (2, (5, 1)), (3, (24, 7, 13))])
def test_logits_of_the_size_of_the_image(variant: str, channels: int, dims: int, size: tuple[int, ...]) -> None:
    net = LevelSetFCN(dims, 3, variant)
    assert net(torch.rand(2, 3, *size)).shape == (2, channels, *size)


@pytest.mark.parametrize("variant", PARAMETERS)
def test_an_image_of_another_size_is_continued_at_its_ends(variant: str) -> None:
    """Padding by hand to a multiple of the stride and cutting the logits gives the same."""
    net = LevelSetFCN(variant=variant)
    image = torch.rand(1, 1, 19, 23)
    by_hand = nn.functional.pad(image, (0, 1, 0, 5), mode="replicate")
    assert torch.allclose(net(image), net(by_hand)[..., :19, :23], atol=1e-6)


@pytest.mark.parametrize("variant", PARAMETERS)
def test_a_shift_by_the_stride_shifts_the_logits(variant: str) -> None:
    """So the transposed convolution puts each logit where its pixels are."""
    net = LevelSetFCN(variant=variant).double()
    net.requires_grad_(False)
    image = torch.zeros(1, 1, 96, 96, dtype=torch.float64)
    image[..., 36:44, 40:50] = 1
    moved = image.roll((net.stride, -net.stride), (2, 3))
    expected = net(image).roll((net.stride, -net.stride), (2, 3))
    assert torch.allclose(net(moved)[..., 12:-12, 12:-12], expected[..., 12:-12, 12:-12], atol=1e-9)
    response = (net(image) - net(torch.zeros_like(image))).abs().sum(1)[0]
    centre = [float((response.sum(1 - axis) * torch.arange(96)).sum() / response.sum()) for axis in (0, 1)]
    assert centre == pytest.approx([39.5, 44.5], abs=net.stride)


@pytest.mark.parametrize("variant", PARAMETERS)
def test_every_weight_gets_a_gradient_and_the_net_can_learn(variant: str) -> None:
    torch.manual_seed(0)
    net = LevelSetFCN(variant=variant)
    image = torch.rand(2, 1, 24, 24)
    net(image).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name
    assert net(image).std() > 1e-4  # not dead from the start


@pytest.mark.parametrize(("variant", "order"), [("liver", 1), ("left_ventricle", 0)])
def test_upsampling_starts_as_interpolation(variant: str, order: int) -> None:
    """Of a ramp: linear inside, or the value of the nearest coarse point."""
    net = LevelSetFCN(variant=variant)
    coarse = torch.arange(6.0).expand(1, net.upsample.in_channels, 6, 6)
    fine = net.upsample(coarse)[0, 0, 3 * net.stride].detach().numpy()
    expected = zoom(np.arange(6.0), net.stride, order=order, mode="nearest", grid_mode=True)
    inner = slice(net.stride, -net.stride)  # beyond the ends there is nothing to interpolate with
    assert fine[inner] == pytest.approx(expected[inner], abs=1e-5)


def test_convolutions_start_by_hes_rule() -> None:
    torch.manual_seed(0)
    net = LevelSetFCN(variant="left_ventricle")
    last = net.features[-2]
    assert last.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.02)
    assert all(bool((p == 0).all()) for n, p in net.named_parameters() if n.endswith("bias"))


def test_dropout_acts_in_training_alone() -> None:
    net = LevelSetFCN(dropout=0.5)
    image = torch.rand(1, 1, 16, 16)
    assert not torch.equal(net(image), net(image))
    net.eval()
    assert torch.equal(net(image), net(image))
    assert LevelSetFCN().state_dict().keys() == net.state_dict().keys()


def test_script_and_trace() -> None:
    net = LevelSetFCN().eval()
    scripted = torch.jit.script(net)
    for size in ((16, 24), (13, 9)):
        image = torch.rand(1, 1, *size)
        assert torch.allclose(scripted(image), net(image), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spatial_dims": 1}, "`spatial_dims` must be 2 or 3, got 1"),
        ({"in_channels": 0}, "`in_channels` must be >= 1, got 0"),
        ({"variant": "spleen"}, r"`variant` must be one of \['left_ventricle', 'liver'\], got 'spleen'"),
        ({"dropout": 2}, "`dropout` must be within 0 to 1, got 2"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LevelSetFCN(**options)


def test_bad_image() -> None:
    with pytest.raises(
        ValueError, match=r"`image` must have 1 channels and 2 spatial axes, got the shape \[1, 3, 8, 8\]"
    ):
        LevelSetFCN()(torch.rand(1, 3, 8, 8))
