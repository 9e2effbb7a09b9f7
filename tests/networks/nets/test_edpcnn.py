"""EDPCNN: a disc comes back, one contour a click, the localiser, gradients, any size, any backbone, bad input."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from monai.networks.nets import BasicUNet, SegResNet, UNet
from torch import Tensor, nn

from monai_lsext.networks.nets.edpcnn import EDPCNN


class Maps(EDPCNN):
    """EDPCNN on maps instead of images: the backbone hands its two input channels through."""

    def __init__(self, **options) -> None:
        super().__init__(nn.Identity(), num_lines=40, num_points=60, radius_px=30.0, **options)
        self.eval()


def small(localiser: str = "joint", **options) -> EDPCNN:
    torch.manual_seed(0)
    return EDPCNN(UNet(2, 1, 2, (4, 8), (2,)), 12, 16, radius_px=16.0, localiser=localiser, **options)


def distance_to(centre: tuple[float, float], radius: float, size: tuple[int, int] = (64, 80)) -> Tensor:
    """Signed distance to a circle, positive inside: [1, 1, H, W]."""
    y, x = torch.meshgrid(*[torch.arange(s, dtype=torch.float32) for s in size], indexing="ij")
    return (radius - ((y - centre[0]) ** 2 + (x - centre[1]) ** 2).sqrt())[None, None]


def as_image(*discs: Tensor) -> Tensor:
    """Maps and localiser logits of the union of discs, 1 inside: [1, 2, H, W]."""
    inside = torch.stack(discs).amax(0) > 0
    return torch.cat([inside.float(), inside.float() * 2 - 1], dim=1)


def dice(distance: Tensor, truth: Tensor) -> float:
    a, b = distance > 0, truth > 0
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize("centre", [None, (30.0, 41.0), (32.4, 38.7)])
def test_a_disc_comes_back_as_its_distance(centre: tuple[float, float] | None) -> None:
    truth = distance_to((30, 41), 15)
    found = Maps()(as_image(truth), None if centre is None else torch.tensor([centre]))
    near = truth.abs() < 10
    assert dice(found, truth) >= 0.98
    assert (found - truth)[near].abs().max() < 1.0
    assert found.min() == -16


def test_each_click_gets_its_own_contour() -> None:
    one, other = distance_to((20, 20), 9), distance_to((40, 58), 12)
    image = as_image(one, other).expand(2, 2, 64, 80)
    found = Maps()(image, torch.tensor([[20.0, 20.0], [40.0, 58.0]]))
    assert dice(found[:1], one) >= 0.97
    assert dice(found[1:], other) >= 0.97


def test_without_a_click_the_larger_object_is_taken() -> None:
    one, other = distance_to((20, 20), 9), distance_to((40, 58), 12)
    assert dice(Maps()(as_image(one, other)), other) >= 0.97


def test_centre_of_mass_of_the_largest_region_by_hand() -> None:
    logit = torch.full((2, 1, 30, 40), -1.0)
    logit[0, 0, 4:6, 3:5] = 50.0  # 4 pixels, sure
    logit[0, 0, 10:15, 20:24] = 0.1  # 20 pixels, hardly above one half
    centres, found = Maps().locate(logit)
    assert found.tolist() == [True, False]
    assert centres[0].tolist() == [12.0, 21.5]


def test_where_no_pixel_exceeds_one_half_there_is_no_object() -> None:
    disc = as_image(distance_to((30, 41), 15))
    empty = torch.cat([disc[:, :1], torch.zeros_like(disc[:, :1])], dim=1)  # probability 0.5 everywhere
    found = Maps()(torch.cat([empty, disc]))
    assert (found[0] == -16).all()
    assert torch.equal(found[1:], Maps()(disc))
    assert (Maps()(empty) == -16).all()


def test_a_click_overrules_the_localiser() -> None:
    disc = as_image(distance_to((30, 41), 15))
    disc[:, 1] = -9
    assert dice(Maps()(disc, torch.tensor([[30, 41]])), distance_to((30, 41), 15)) >= 0.98


def test_batch_equals_its_items() -> None:
    images = torch.cat([as_image(distance_to((30, 41), 15)), as_image(distance_to((25, 30), 8))])
    images[:, :1] += 0.1 * torch.randn(2, 1, 64, 80)
    assert torch.allclose(Maps()(images), torch.cat([Maps()(image[None]) for image in images]), atol=1e-4)


@pytest.mark.parametrize("size", [(50, 37), (9, 64), (32, 32)])
@pytest.mark.parametrize("training", [True, False])
def test_any_size_is_padded_by_replication_and_cropped(size: tuple[int, int], training: bool) -> None:
    net = EDPCNN(BasicUNet(2, 1, 2, (4,) * 6)).train(training)
    image = torch.randn(1, 1, *size)
    rows, columns = (torch.arange(max(32, s + -s % 16)).clamp(max=s - 1) for s in size)
    expected = net.backbone(image[:, :, rows][..., columns])[:, :, : size[0], : size[1]]
    assert torch.allclose(net.maps(image), expected, atol=1e-5)
    assert net(image).shape == (1, 2 if training else 1, *size)


def test_default_backbone_is_a_basic_unet_with_two_outputs() -> None:
    assert EDPCNN()(torch.randn(1, 1, 32, 32)).shape == (1, 2, 32, 32)


def test_meta_data_of_the_image_are_kept() -> None:
    image = MetaTensor(as_image(distance_to((30, 41), 15)), meta={"case": "a"})
    found = Maps()(image)
    assert isinstance(found, MetaTensor)
    assert found.meta["case"] == "a"
    assert type(Maps()(image.as_tensor())) is Tensor


def test_detached_localiser_trains_its_own_weights_alone() -> None:
    net, image = small("detached"), torch.randn(2, 1, 32, 32)
    net(image)[:, 1].square().sum().backward()
    trained = {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}
    last = list(net.backbone.named_parameters())[-2:]
    assert trained == {f"backbone.{name}" for name, _ in last}
    weight = last[0][1]  # of a transposed convolution: [in, out, 3, 3]
    assert not weight.grad[:, 0].any()
    net(image)[:, 0].square().sum().backward()
    assert all(p.grad.any() for name, p in net.named_parameters() if name.endswith("weight"))


def test_detaching_changes_no_value() -> None:
    image = torch.randn(2, 1, 32, 32)
    assert torch.equal(small("detached")(image), small("joint")(image))


def test_joint_localiser_trains_the_backbone() -> None:
    net = small("joint")
    net(torch.randn(2, 1, 32, 32))[:, 1].square().sum().backward()
    assert next(net.backbone.parameters()).grad.any()


@pytest.mark.parametrize("backbone", [BasicUNet(2, 3, 2, (4,) * 6), SegResNet(2, 8, 3, 2)])
def test_backbones_that_can_be_detached(backbone: nn.Module) -> None:
    assert EDPCNN(backbone, localiser="detached").train()(torch.randn(1, 3, 32, 32)).shape == (1, 2, 32, 32)


def test_without_a_localiser_one_channel_will_do() -> None:
    net = EDPCNN(nn.Conv2d(1, 1, 1), localiser="none")
    assert net(torch.randn(1, 1, 40, 40)).shape == (1, 1, 40, 40)
    assert net.eval()(torch.randn(1, 1, 40, 40), torch.tensor([[20.0, 20.0]])).shape == (1, 1, 40, 40)


def test_dropout_is_set_in_the_backbone_and_acts_in_training_only() -> None:
    net, image = EDPCNN(BasicUNet(2, 1, 2, (4,) * 6), dropout=0.5), torch.randn(1, 1, 32, 32)
    assert not torch.equal(net(image), net(image))
    net.eval()
    assert torch.equal(net.maps(image), net.maps(image))
    kept = BasicUNet(2, 1, 2, (4,) * 6, dropout=0.3)
    assert {m.p for m in EDPCNN(kept).modules() if isinstance(m, nn.Dropout)} == {0.3}


def test_result_is_float32_under_autocast() -> None:
    net = small().eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(torch.randn(1, 1, 32, 32), torch.tensor([[16.0, 16.0]]))
    assert found.dtype == torch.float32
    assert found.isfinite().all()


def test_tracing_is_refused_but_the_backbone_can_be_exported() -> None:
    net, image = small().eval(), torch.randn(1, 1, 32, 32)
    with pytest.raises(RuntimeError, match="EDPCNN cannot be traced, its steps depend on the data"):
        torch.jit.trace(net, image)
    assert torch.allclose(torch.jit.trace(net.backbone, image)(image), net.maps(image), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_lines": 2}, "`num_lines` must be >= 3, got 2"),
        ({"num_points": 0}, "`num_points` must be >= 1, got 0"),
        ({"max_jump": -1}, "`max_jump` must be >= 0, got -1"),
        ({"smoothing": 4}, "`smoothing` must be odd and in 1 .. 50, got 4"),
        ({"radius_px": 0.0}, "`radius_px` must be > 0, got 0.0"),
        ({"localiser": "auto"}, "`localiser` must be one of .* got 'auto'"),
        ({"dropout": 1.5}, r"`dropout` must be in 0 .. 1, got 1.5"),
        ({"dropout": 0.2}, "`dropout` needs a backbone with dropout layers, got 0.2 and none"),
        ({"divisor": 0}, "`divisor` must be >= 1, got 0"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EDPCNN(nn.Conv2d(1, 2, 1), **options)


@pytest.mark.parametrize(
    ("image", "centre", "message"),
    [
        (torch.zeros(1, 2, 40, 40), [[41.0, 3.0]], r"`centre` of item 0 lies outside the image of size \(40, 40\)"),
        (torch.zeros(1, 2, 40, 40), [[float("nan"), 3.0]], "`centre` of item 0 lies outside the image"),
        (torch.zeros(1, 2, 40, 40), [20.0, 20.0], r"`centre` must have shape \[1, 2\], got \(2,\)"),
        (torch.zeros(1, 2, 40, 40), None, "`centre` must be given when `localiser` is 'none', got None"),
        (torch.full((2, 2, 40, 40), torch.nan), [[20.0, 20.0]] * 2, "the map of item 0 is not finite"),
        (torch.zeros(1, 3, 40, 40), [[20.0, 20.0]], r"`backbone` must give 2 channel\(s\) .* got \(3, 48, 48\)"),
        (torch.zeros(1, 40, 40), [[20.0, 20.0]], r"`image` must have shape \[B, C, H, W\], got \(1, 40, 40\)"),
    ],
)
def test_bad_input(image: Tensor, centre: list | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Maps(localiser="none")(image, None if centre is None else torch.tensor(centre))


def test_a_backbone_without_a_last_convolution_cannot_be_detached() -> None:
    net = EDPCNN(UNet(2, 1, 2, (4, 8), (2,), num_res_units=2), localiser="detached")
    with pytest.raises(ValueError, match="`localiser` 'detached' needs a backbone whose last layer is a convolution"):
        net(torch.randn(1, 1, 32, 32))
