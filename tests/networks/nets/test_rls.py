"""RLS and F-ConNet: sizes, the unrolled steps, starts, learning, export, AMP, bad input."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_lsext.networks.layers import initial_level_set
from monai_lsext.networks.nets import RLS, FConNet


def count(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def small(form: str = "conv", dims: int = 2, **options) -> RLS:
    torch.manual_seed(0)
    return RLS(dims, image_size=8, form=form, **{"num_steps": 3, "kernel_size": 3, **options})


def test_published_size() -> None:
    with torch.device("meta"):
        net = RLS()
    n = 64 * 64
    assert count(net) == (8 + 2) * n * n + (3 + 2) * n == 167_792_640
    assert count(RLS(form="conv")) == (8 + 2) * 25 + 3 + 2
    with torch.device("meta"):
        assert count(FConNet()) == 2 * (n * n + n)


@pytest.mark.parametrize(("form", "dims"), [("dense", 2), ("conv", 2), ("conv", 3)])
def test_steps_are_the_cell_unrolled(form: str, dims: int) -> None:
    net = small(form, dims).double()
    image = torch.randn(2, 1, *[8] * dims, dtype=torch.float64)
    disk = initial_level_set("disk", [8] * dims).double()
    phi = (disk / disk.abs().max()).expand(2, *disk.shape[1:])
    scaled = (image - image.mean((*range(1, dims + 2),), keepdim=True)) / (
        image.var((*range(1, dims + 2),), keepdim=True, unbiased=False) + 1e-5
    ).sqrt()
    steps = net.train()(image)
    assert len(steps) == 3
    for step in steps:
        phi = net.cell(scaled, phi)
        weight, bias = net.output.linear.weight, net.output.linear.bias
        if form == "dense":
            expected = (phi.flatten(1) @ weight.T + bias).view(2, 2, 8, 8)
        else:
            expected = (F.conv2d if dims == 2 else F.conv3d)(phi, weight, bias, padding=1)
        assert torch.allclose(step, expected, atol=1e-10)
    assert torch.allclose(net.eval()(image), steps[-1])
    assert len(net.evolve(image)) == 4


@pytest.mark.parametrize("size", [(8, 8), (5, 13), (6, 7, 4)])
def test_conv_takes_any_size(size: tuple[int, ...]) -> None:
    assert small(dims=len(size)).eval()(torch.randn(1, 1, *size)).shape == (1, 2, *size)


@pytest.mark.parametrize("form", ["dense", "conv"])
def test_batch_equals_its_items_and_a_change_of_contrast_changes_nothing(form: str) -> None:
    net, images = small(form).eval(), torch.rand(3, 1, 8, 8)
    whole = net(images)
    assert torch.allclose(whole, torch.cat([net(image[None]) for image in images]), atol=1e-5)
    assert torch.allclose(whole, net(30 * images + 100), atol=2e-2)


def test_start_has_no_unit() -> None:
    net, image = small().eval(), torch.randn(1, 1, 8, 8)
    assert torch.allclose(net(image, initial_level_set("disk", (8, 8)) * 7), net(image), atol=1e-4)
    assert torch.isfinite(net(image, torch.zeros(1, 1, 8, 8))).all()


def test_random_start_is_that_of_its_seed() -> None:
    image = torch.randn(2, 1, 8, 8)
    first, same, other = (small(initial="random", seed=seed).eval() for seed in (3, 3, 4))
    state = torch.get_rng_state()
    starts = [net.evolve(image)[0] for net in (first, first, same, other)]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(starts[0], starts[1])
    assert torch.equal(starts[0], starts[2])
    assert not torch.equal(starts[0], starts[3])
    assert torch.equal(starts[0][0], starts[0][1])
    assert starts[0].min() < 0 < starts[0].max()
    assert starts[0].abs().max() == 1


@pytest.mark.parametrize("form", ["dense", "conv"])
def test_gradients_agree_with_finite_differences(form: str) -> None:
    net = small(form).double()
    image = torch.randn(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i: torch.cat(net(i)), image, fast_mode=True)


def discs(number: int) -> tuple[Tensor, Tensor]:
    """A brighter disc somewhere, in noise; [N, 1, 16, 16] and its mask."""
    generator = torch.Generator().manual_seed(0)
    centre = 5 + 6 * torch.rand(number, 2, 1, 1, generator=generator)
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    mask = (((y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2) < 16)[:, None].float()
    return mask + 0.5 * torch.randn(mask.shape, generator=generator), mask


@pytest.mark.parametrize("name", ["conv", "dense", "fconnet"])
def test_discs_are_learned(name: str) -> None:
    torch.manual_seed(0)
    net = FConNet(image_size=16) if name == "fconnet" else RLS(image_size=16, form=name, num_steps=3, kernel_size=5)
    image, mask = discs(16)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2 if name == "conv" else 1e-3)
    for _ in range(100 if name == "conv" else 40):
        logits = net(image)
        logits = logits[-1] if isinstance(logits, list) else logits
        optimizer.zero_grad()
        F.cross_entropy(logits, mask[:, 0].long()).backward()
        optimizer.step()
    found = net.eval()(image).argmax(1, keepdim=True)
    assert 2 * (found * mask).sum() / (found.sum() + mask.sum()) > 0.93


@pytest.mark.parametrize("net", [small(dropout=0.5), FConNet(image_size=8, dropout=0.5)])
def test_dropout_acts_in_training_only(net: torch.nn.Module) -> None:
    image = torch.randn(1, 1, 8, 8)
    first, second = (net.train()(image) for _ in range(2))
    assert not torch.equal(first[-1], second[-1])
    assert torch.equal(net.eval()(image), net(image))


def nets() -> list[torch.nn.Module]:
    levels = [small(form, dims, num_steps=2).eval() for form, dims in (("conv", 2), ("dense", 2), ("conv", 3))]
    return [*levels, FConNet(image_size=8).eval()]


NAMES = ("conv", "dense", "conv3d", "fconnet")


@pytest.mark.parametrize(
    ("net", "kind"),
    [
        pytest.param(net, kind, id=f"{name}-{kind}", marks=[pytest.mark.slow] * ((name, kind) == ("dense", "onnx")))
        for net, name in zip(nets(), NAMES, strict=True)
        for kind in ("script", "export", "onnx")
        if kind == "script" or name in ("conv", "dense")  # the others take the same operators, and seconds
    ],
)
def test_exported_nets_give_the_same(net: torch.nn.Module, kind: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    dims = getattr(net, "spatial_dims", 2)
    example, image = torch.randn(2, 1, *[8] * dims), torch.randn(2, 1, *[8] * dims)
    if kind == "script":
        found = torch.jit.trace(net, example)(image)
    elif kind == "export":
        found = torch.export.export(net, (example,)).module()(image)
    else:
        onnxruntime = pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
        path = tmp_path / "net.onnx"
        torch.onnx.export(net, (example,), path, dynamo=True, verbose=False, optimize=False)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        found = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: image.numpy()})[0])
    assert torch.allclose(found, net(image), atol=1e-4)


@pytest.mark.parametrize("net", nets()[:2], ids=["conv", "dense"])
def test_autocast_stays_near(net: RLS) -> None:
    image = initial_level_set("disk", (8, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = net(image)
    assert torch.allclose(logits.float(), net(image), atol=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 0}, "`num_steps` must be >= 1, got 0"),
        ({"in_channels": 0}, "`in_channels` must be >= 1, got 0"),
        ({"initial": "noise"}, r"`initial` must be one of \['border', .*'random'\], got 'noise'"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RLS(**{"image_size": 4, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spatial_dims": 4}, "`spatial_dims` must be 2 or 3, got 4"),
        ({"in_channels": 0}, "`in_channels` must be >= 1, got 0"),
        ({"dropout": -0.1}, "`dropout` must be >= 0 and < 1, got -0.1"),
    ],
)
def test_bad_arguments_of_fconnet(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FConNet(**{"image_size": 4, **options})


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"`image` must have shape \[B, 1, 8, 8\], got \(1, 1, 8, 9\)"):
        small("dense")(torch.zeros(1, 1, 8, 9))
    with pytest.raises(ValueError, match=r"`image` must have shape \[B, 1, H, W\], got \(1, 3, 8, 8\)"):
        small()(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"`phi0` must have shape \(1, 1, 8, 8\), got \(1, 1, 8, 9\)"):
        small()(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 9))
    with pytest.raises(ValueError, match=r"`image` must have shape \[B, 1, 8, 8\], got \(1, 1, 4, 4\)"):
        FConNet(image_size=8)(torch.zeros(1, 1, 4, 4))
