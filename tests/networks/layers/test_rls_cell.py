"""The RLS cell against a loop over points written from Eq. 18-22, its two forms against each other, gradients."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from monai_lsext.networks.layers import RLSCell, gradient_magnitude_and_curvature

SIZES = {2: (4, 5), 3: (3, 4, 2)}


def cell(form: str, dims: int, **options) -> RLSCell:
    torch.manual_seed(0)
    made = RLSCell(dims, form, SIZES[dims], **{"kernel_size": 3, **options}).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def times(weight: Tensor, values: dict[tuple[int, ...], float], point: tuple[int, ...], size: tuple[int, ...]) -> float:
    """One entry of U x: row ``point`` of a matrix, or a kernel about it."""
    points = list(itertools.product(*[range(s) for s in size]))
    if weight.shape == (len(points), len(points)):
        row = weight[points.index(point)]
        return sum(float(w) * values[p] for w, p in zip(row, points, strict=True))
    total = 0.0
    for offset in itertools.product(range(3), repeat=len(size)):
        other = tuple(p + o - 1 for p, o in zip(point, offset, strict=True))
        if other in values:
            total += float(weight[offset]) * values[other]
    return total


def slow_step(net: RLSCell, image: Tensor, phi: Tensor) -> Tensor:
    """Eq. 18-22 for one item of one channel, point by point."""
    size = tuple(phi.shape)
    points = list(itertools.product(*[range(s) for s in size]))
    kappa = gradient_magnitude_and_curvature(phi[None, None], eps=1e-2)[1][0, 0]
    f = {p: float(phi[p]) for p in points}
    inside = {p: 0.5 * (1 + 2 / math.pi * math.atan(f[p])) for p in points}
    c1 = sum(float(image[p]) * inside[p] for p in points) / sum(inside.values())
    c2 = sum(float(image[p]) * (1 - inside[p]) for p in points) / sum(1 - h for h in inside.values())
    fit1 = {p: (float(image[p]) - c1) ** 2 for p in points}
    fit2 = {p: (float(image[p]) - c2) ** 2 for p in points}
    count = math.prod(size)

    def weights(part: torch.nn.Module, number: int) -> list[Tensor]:
        w = part.linear.weight
        return list(w.view(number, count, count)) if net.form == "dense" else [kernel[0] for kernel in w]

    (u_g,), (w_g,) = weights(net.force_inside, 1), weights(net.force_outside, 1)
    u_z, u_r, u_h = weights(net.input_map, 3)
    w_z, w_r = weights(net.state_map, 2)
    (w_h,) = weights(net.candidate_map, 1)
    bias = net.input_map.linear.bias
    b = bias.view(3, count) if net.form == "dense" else bias[:, None].expand(3, count)
    x = {p: float(kappa[p]) - times(u_g, fit1, p, size) + times(w_g, fit2, p, size) for p in points}

    def gate(u: Tensor, w: Tensor, number: int, p: tuple[int, ...]) -> float:
        total = times(u, x, p, size) + times(w, f, p, size) + float(b[number, points.index(p)])
        return 1 / (1 + math.exp(-total))

    z = {p: gate(u_z, w_z, 0, p) for p in points}
    gated = {p: f[p] * gate(u_r, w_r, 1, p) for p in points}
    out = torch.zeros(size, dtype=torch.float64)
    for n, p in enumerate(points):
        candidate = math.tanh(times(u_h, x, p, size) + times(w_h, gated, p, size) + float(b[2, n]))
        out[p] = z[p] * f[p] + (1 - z[p]) * candidate
    return out


@pytest.mark.parametrize(("form", "dims"), [("dense", 2), ("conv", 2), ("conv", 3), ("dense", 3)])
def test_equals_a_loop_from_the_equations(form: str, dims: int) -> None:
    net = cell(form, dims)
    image, phi = (torch.randn(2, 1, *SIZES[dims], dtype=torch.float64) for _ in range(2))
    with torch.no_grad():
        found = net(image, phi)
        slow = torch.stack([slow_step(net, i[0], p[0]) for i, p in zip(image, phi, strict=True)])[:, None]
    assert torch.allclose(found, slow, atol=1e-10)


@pytest.mark.parametrize("dims", [2, 3])
def test_scaled_identities_equal_1x1_kernels(dims: int) -> None:
    dense, conv = cell("dense", dims), cell("conv", dims, kernel_size=1)
    with torch.no_grad():
        for name in ("force_inside", "force_outside", "input_map", "state_map", "candidate_map"):
            full, kernels = getattr(dense, name), getattr(conv, name)
            full.set_identity(kernels.linear.weight.flatten().tolist())
        points = math.prod(SIZES[dims])
        dense.input_map.linear.bias.copy_(conv.input_map.linear.bias.repeat_interleave(points))
    image, phi = torch.randn(3, 2, *SIZES[dims]).double(), torch.randn(3, 1, *SIZES[dims]).double()
    assert torch.allclose(dense(image, phi), conv(image, phi), atol=1e-12)


@pytest.mark.parametrize("form", ["dense", "conv"])
def test_gradients_agree_with_finite_differences(form: str) -> None:
    net = cell(form, 2)
    image, phi = (torch.randn(1, 1, *SIZES[2], dtype=torch.float64, requires_grad=True) for _ in range(2))
    parameters = tuple(net.parameters())
    assert torch.autograd.gradcheck(lambda i, p, *_: net(i, p), (image, phi, *parameters), fast_mode=True)


@pytest.mark.parametrize("form", ["dense", "conv"])
def test_a_flat_level_set_has_finite_gradients(form: str) -> None:
    net = cell(form, 2)
    phi = torch.zeros(1, 1, *SIZES[2], dtype=torch.float64, requires_grad=True)
    net(torch.randn(1, 1, *SIZES[2]).double(), phi).sum().backward()
    assert torch.isfinite(phi.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_several_channels_are_averaged() -> None:
    net = cell("conv", 2)
    image, phi = torch.randn(1, 2, 4, 5).double(), torch.randn(1, 1, 4, 5).double()
    kappa = net.step_input(torch.zeros_like(image), phi)
    parts = [net.step_input(image[:, i : i + 1], phi) - kappa for i in (0, 1)]
    assert torch.allclose(net.step_input(image, phi) - kappa, (parts[0] + parts[1]) / 2, atol=1e-12)


def test_untrained_cell_moves_as_chan_and_vese() -> None:
    """A bright square is found from a small start within it."""
    net, image = RLSCell(2, "conv").eval(), torch.full((1, 1, 12, 12), -0.577)
    image[..., 3:9, 3:9] = 1.732  # mean 0, standard deviation 1
    phi = torch.full_like(image, -0.1)
    phi[..., 5:7, 5:7] = 0.1
    with torch.no_grad():
        moved = net(image, phi)
        assert torch.allclose(moved, (phi + torch.tanh(net.step_input(image, phi) + phi / 2)) / 2)
        for _ in range(10):
            moved = net(image, moved)
    assert torch.equal(moved > 0, image > 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spatial_dims": 1}, "`spatial_dims` must be 2 or 3, got 1"),
        ({"form": "sparse"}, r"`form` must be one of \['dense', 'conv'\], got 'sparse'"),
        ({"kernel_size": 4}, "`kernel_size` must be odd and >= 1, got 4"),
        ({"dropout": 1.0}, "`dropout` must be >= 0 and < 1, got 1.0"),
        ({"image_size": (1, 5)}, r"`image_size` must be >= 2 on each axis, got \(1, 5\)"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RLSCell(**{"image_size": 4, **options})
