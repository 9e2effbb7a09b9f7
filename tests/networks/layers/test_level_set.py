"""Level-set calculus against closed forms, brute force and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from monai_lsext.networks.layers import (
    dirac,
    gradient_magnitude,
    gradient_magnitude_and_curvature,
    heaviside,
    signed_distance,
)


def ball(dims: int, radius: float, size: int = 48, spacing: tuple[float, ...] | None = None) -> torch.Tensor:
    spacing = spacing or (1.0,) * dims
    axes = [(torch.arange(round(size / s), dtype=torch.float64) + 0.37) * s for s in spacing]
    grid = torch.meshgrid(*axes, indexing="ij")
    distance = torch.stack([(x - size / 2) ** 2 for x in grid]).sum(0).sqrt()
    return (radius - distance)[None, None]


def test_heaviside_and_dirac_are_the_arctan_forms() -> None:
    x = torch.tensor([-2.0, 0.0, 0.5, 2.0], dtype=torch.float64)
    assert torch.allclose(
        heaviside(x, 0.5), torch.tensor([0.5 + math.atan(v / 0.5) / math.pi for v in x], dtype=torch.float64)
    )
    assert torch.allclose(
        dirac(x, 0.5),
        torch.tensor([0.5 / (math.pi * (0.25 + float(v) ** 2)) for v in x], dtype=torch.float64),
    )


def test_dirac_is_the_derivative_of_heaviside() -> None:
    x = torch.linspace(-3, 3, 13, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(heaviside(x, 0.7).sum(), x)
    assert torch.allclose(slope, dirac(x.detach(), 0.7))


@pytest.mark.parametrize("function", [heaviside, dirac])
def test_bad_eps(function) -> None:
    with pytest.raises(ValueError, match="`eps` must be > 0, got 0"):
        function(torch.zeros(1), 0)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("radius", [8.0, 12.0, 20.0])
def test_curvature_of_a_ball_is_minus_d_minus_1_over_r(dims: int, radius: float) -> None:
    phi = ball(dims, radius)
    magnitude, curvature = gradient_magnitude_and_curvature(phi)
    # each point lies on the level line of radius `radius - phi`; extrapolate its curvature to the zero level
    near = phi.abs() < 0.71
    on_zero_level = curvature[near] * (radius - phi[near]) / radius
    expected = -(dims - 1) / radius
    assert torch.allclose(on_zero_level, torch.full_like(on_zero_level, expected), rtol=0.02)
    assert curvature[near].mean() == pytest.approx(expected, rel=0.02)
    assert torch.allclose(magnitude[near], torch.ones_like(magnitude[near]), atol=0.01)


def test_spacing_makes_the_geometry_physical() -> None:
    spacing = (0.5, 1.0, 2.0)
    phi = ball(3, 16.0, spacing=spacing)
    magnitude, curvature = gradient_magnitude_and_curvature(phi, spacing)
    near = phi.abs() < 1
    on_zero_level = curvature[near] * (16 - phi[near]) / 16
    assert torch.allclose(on_zero_level, torch.full_like(on_zero_level, -2 / 16), rtol=0.03)
    assert magnitude[near].mean() == pytest.approx(1, abs=0.01)


def test_two_dimensional_formula_of_the_paper() -> None:
    """A quadratic has exact differences: compare with the printed 2D formula at every inner point."""
    x, y = torch.meshgrid(torch.arange(7.0, dtype=torch.float64), torch.arange(6.0, dtype=torch.float64), indexing="ij")
    phi = 0.3 * x**2 - 0.2 * x * y + 0.1 * y**2 + 0.5 * x - 0.7 * y
    px, py = 0.6 * x - 0.2 * y + 0.5, -0.2 * x + 0.2 * y - 0.7
    pxx, pyy, pxy = 0.6, 0.2, -0.2
    expected = (pxx * py**2 - 2 * px * py * pxy + pyy * px**2) / (px**2 + py**2) ** 1.5
    _, curvature = gradient_magnitude_and_curvature(phi[None, None], eps=1e-12)
    assert torch.allclose(curvature[0, 0, 1:-1, 1:-1], expected[1:-1, 1:-1])


def test_a_plane_keeps_unit_gradient_at_the_border() -> None:
    x, _, z = torch.meshgrid(*[torch.arange(5.0)] * 3, indexing="ij")
    phi = (0.6 * x - 0.8 * z)[None, None]
    magnitude, curvature = gradient_magnitude_and_curvature(phi)
    assert torch.allclose(magnitude, torch.ones_like(phi), atol=1e-5)
    assert torch.allclose(curvature, torch.zeros_like(phi), atol=1e-5)


def test_gradient_magnitude_agrees_and_takes_channels() -> None:
    phi = torch.randn(2, 3, 6, 7, dtype=torch.float64)
    one_by_one = [gradient_magnitude_and_curvature(phi[:, k : k + 1])[0] for k in range(3)]
    assert torch.equal(gradient_magnitude(phi), torch.cat(one_by_one, dim=1))


@pytest.mark.parametrize("shape", [(2, 1, 4, 5), (1, 1, 3, 4, 3)])
def test_gradcheck(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    phi = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gradient_magnitude_and_curvature, (phi,))


@pytest.mark.parametrize("dims", [2, 3])
def test_finite_where_the_gradient_vanishes(dims: int) -> None:
    flat = torch.full((1, 1) + (6,) * dims, 3.0)
    peak = flat.clone()
    peak[(0, 0) + (3,) * dims] = 4.0
    for phi in (flat, peak):
        phi.requires_grad_()
        magnitude, curvature = gradient_magnitude_and_curvature(phi)
        (magnitude + curvature).sum().backward()
        assert torch.isfinite(magnitude).all()
        assert torch.isfinite(curvature).all()
        assert torch.isfinite(phi.grad).all()
    assert torch.equal(gradient_magnitude_and_curvature(flat.detach())[1], torch.zeros_like(flat))


def test_half_precision_is_computed_in_float32() -> None:
    phi = ball(2, 8).to(torch.float16)
    _, curvature = gradient_magnitude_and_curvature(phi)
    assert curvature.dtype == torch.float32
    assert torch.isfinite(curvature).all()


@pytest.mark.parametrize(
    ("shape", "spacing", "message"),
    [
        ((1, 1, 5), None, r"expected \[B, C, H, W\] or \[B, C, H, W, D\], got a tensor of shape \(1, 1, 5\)"),
        ((1, 1, 1, 5), None, r"each spatial size must be >= 2, got \(1, 5\)"),
        ((1, 1, 4, 5), (1.0,), r"`spacing` must be 2 numbers > 0, got \(1.0,\)"),
        ((1, 1, 4, 5), (1.0, 0.0), r"`spacing` must be 2 numbers > 0, got \(1.0, 0.0\)"),
    ],
)
def test_bad_level_sets(shape: tuple[int, ...], spacing: tuple[float, ...] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gradient_magnitude_and_curvature(torch.zeros(shape), spacing)


@pytest.mark.parametrize("spacing", [None, (1.0, 2.5)])
def test_signed_distance_against_brute_force(spacing: tuple[float, ...] | None) -> None:
    rng = np.random.default_rng(0)
    masks = torch.as_tensor(rng.random((2, 1, 7, 9)) > 0.6)
    step = np.array(spacing or (1.0, 1.0))
    points = np.indices((7, 9)).reshape(2, -1).T
    expected = np.zeros((2, 1, 7, 9))
    for item in range(2):
        inside = masks[item, 0].numpy().ravel()
        for (x, y), state in zip(points, inside, strict=True):
            gap = np.linalg.norm((points[inside != state] - (x, y)) * step, axis=1).min() - step.min() / 2
            expected[item, 0, x, y] = gap if state else -gap
    phi = signed_distance(masks, spacing)
    assert phi.dtype == torch.float32
    assert np.allclose(phi.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_signed_distance_of_a_drawn_ball(dims: int) -> None:
    phi = ball(dims, 12)
    measured = signed_distance(phi > 0)
    assert (measured - phi).abs().max() < 1.0
    assert ((measured > 0) == (phi > 0)).all()


@pytest.mark.parametrize(("fill", "state"), [(0.0, "empty"), (1.0, "full")])
def test_signed_distance_needs_a_border(fill: float, state: str) -> None:
    mask = torch.zeros(2, 1, 4, 4)
    mask[0, 0, 1, 1] = 1
    mask[1] = fill
    with pytest.raises(ValueError, match=f"`mask` must have points inside and outside, but item 1 is {state}"):
        signed_distance(mask)
