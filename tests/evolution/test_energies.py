"""Each energy against closed forms, and its flow against the derivative of its value."""

from __future__ import annotations

import math

import pytest
import torch

from monai_lsext.evolution import (
    ArctanStep,
    Area,
    CosineStep,
    DistanceRegularisation,
    EnergyTerm,
    Grid,
    LegendreFit,
    Length,
    LocalIntensityClustering,
    ProbabilityFit,
    RegionFit,
    ShapePrior,
    edge_indicator,
)
from monai_lsext.evolution.legendre import legendre_basis
from monai_lsext.networks.layers import dirac, heaviside, initial_level_set


def grid_of(phi: torch.Tensor, spacing: tuple[float, ...] | None = None, step=None) -> Grid:
    return Grid(tuple(phi.shape), spacing or (1.0,) * (phi.ndim - 2), step or ArctanStep(), 1e-10, False)


def value(term: EnergyTerm, phi: torch.Tensor, grid: Grid) -> torch.Tensor:
    return term.energy(grid.block(phi), term.update(phi, None, grid))


def flow(term: EnergyTerm, phi: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The term's part of d phi / dt."""
    block = grid.block(phi)
    part = term.flow(block, term.update(phi, None, grid))
    return part.weight * part.value * (grid.step.dirac(phi) if part.on_contour else 1)


def ball(dims: int, radius: float, size: int = 40, spacing: tuple[float, ...] | None = None) -> torch.Tensor:
    spacing = spacing or (1.0,) * dims
    axes = [(torch.arange(round(size / h), dtype=torch.float64) + 0.5) * h - size / 2 for h in spacing]
    return (radius - torch.stack(torch.meshgrid(*axes, indexing="ij")).square().sum(0).sqrt())[None, None]


def random_case(dims: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    size = (9, 7, 5)[:dims]
    return torch.rand(2, 1, *size, dtype=torch.float64), 2 * torch.randn(2, 1, *size, dtype=torch.float64)


def test_arctan_step_is_that_of_the_layers() -> None:
    x = torch.linspace(-3, 3, 13, dtype=torch.float64)
    assert torch.allclose(ArctanStep(0.7).heaviside(x), heaviside(x, 0.7))
    assert torch.allclose(ArctanStep(0.7).dirac(x), dirac(x, 0.7))
    assert torch.allclose(ArctanStep(0.7, height=1.0).dirac(x), math.pi * dirac(x, 0.7))


def test_cosine_step_is_narrow_and_delta_is_the_slope_of_h() -> None:
    step = CosineStep(1.5)
    x = torch.linspace(-3, 3, 25, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(step.heaviside(x).sum(), x)
    inside = x.detach().abs() < 1.5
    assert torch.allclose(slope[inside], step.dirac(x.detach())[inside])
    assert torch.equal(step.dirac(x.detach())[~inside], torch.zeros(int((~inside).sum()), dtype=torch.float64))
    assert torch.allclose(step.heaviside(torch.tensor([-9.0, 9.0])), torch.tensor([0.0, 1.0]), atol=1e-7)


@pytest.mark.parametrize(("dims", "spacing"), [(2, None), (2, (0.5, 1.0)), (3, None)])
def test_length_and_area_of_a_ball(dims: int, spacing: tuple[float, ...] | None) -> None:
    phi = ball(dims, 12.0, spacing=spacing)
    grid = grid_of(phi, spacing, CosineStep(1.5))
    length, area = (2 * math.pi * 12, math.pi * 12**2) if dims == 2 else (4 * math.pi * 12**2, 4 / 3 * math.pi * 12**3)
    assert float(value(Length(2.0), phi, grid)) == pytest.approx(2 * length, rel=0.01)
    assert float(value(Area(-3.0), phi, grid)) == pytest.approx(-3 * area, rel=0.01)


@pytest.mark.parametrize(("dims", "spacing"), [(2, None), (2, (0.5, 1.0)), (3, None)])
def test_flow_of_the_length_is_the_curvature(dims: int, spacing: tuple[float, ...] | None) -> None:
    phi = ball(dims, 12.0, spacing=spacing)
    grid = grid_of(phi, spacing)
    near = phi.abs() < 0.8
    curvature = (flow(Length(2.0), phi, grid) / grid.step.dirac(phi))[near] * (12 - phi[near]) / 12
    assert torch.allclose(curvature, torch.full_like(curvature, -2 * (dims - 1) / 12), rtol=0.02)


def test_edges_weigh_length_and_area() -> None:
    phi = ball(2, 12.0)
    grid, edge = grid_of(phi), torch.full_like(phi, 0.25)
    for plain, weighted in ((Length(1.0), Length(1.0, edge)), (Area(1.0), Area(1.0, edge))):
        assert torch.allclose(value(weighted, phi, grid), 0.25 * value(plain, phi, grid))
        assert torch.allclose(flow(weighted, phi, grid), 0.25 * flow(plain, phi, grid))


def test_a_sloping_edge_weight_draws_the_contour_to_small_values() -> None:
    """On a plane the flow is delta times the slope of g."""
    x = torch.arange(8.0, dtype=torch.float64)[:, None].expand(8, 8)[None, None]
    edge = 1 - 0.05 * x
    phi = x - 3.5
    expected = -0.05 * dirac(phi)
    assert torch.allclose(flow(Length(1.0, edge), phi, grid_of(phi))[..., 1:-1, :], expected[..., 1:-1, :], atol=1e-8)


@pytest.mark.parametrize("dims", [2, 3])
def test_flow_is_the_negative_derivative_of_the_energy(dims: int) -> None:
    """Exact for the terms without gradients: the means, fits and costs minimise their energy."""
    image, phi = random_case(dims)
    terms = [
        Area(0.3, image),
        RegionFit(image, 1.0, 2.0),
        RegionFit(image),
        ProbabilityFit(image, 0.7),
        LegendreFit(image, 1),
    ]
    grid = grid_of(phi, (0.5, 1.0, 2.0)[:dims])
    for term in terms:
        leaf = phi.clone().requires_grad_()
        (slope,) = torch.autograd.grad(value(term, leaf, grid).sum(), leaf)
        assert torch.allclose(flow(term, phi, grid), -slope / grid.volume, atol=1e-9), type(term).__name__


def test_flow_of_the_clustering_with_clusters_held_fixed() -> None:
    image, phi = random_case()
    term, grid = LocalIntensityClustering(image, 2.0), grid_of(phi)
    state = term.update(phi, None, grid)
    leaf = phi.clone().requires_grad_()
    (slope,) = torch.autograd.grad(term.energy(grid.block(leaf), state).sum(), leaf)
    assert torch.allclose(flow(term, phi, grid), -slope)


def test_clustering_costs_against_the_double_integral() -> None:
    image, phi = random_case()
    term, grid = LocalIntensityClustering(image, 1.0), grid_of(phi)
    state = term.update(phi, None, grid)
    height, width = phi.shape[2:]
    kernel = {d: float(term.kernel[d + len(term.kernel) // 2]) for d in range(-2, 3)}
    expected = torch.zeros(height, width, dtype=torch.float64)
    for x in range(height):
        for y in range(width):
            for u in range(max(0, x - 2), min(height, x + 3)):
                for v in range(max(0, y - 2), min(width, y + 3)):
                    misfit = (image[1, 0, x, y] - state.bias[1, 0, u, v] * state.inside[1, 0]) ** 2
                    expected[x, y] += kernel[u - x] * kernel[v - y] * misfit
    assert torch.allclose(state.cost_inside[1, 0], expected)


def test_each_turn_of_the_clustering_lowers_its_energy() -> None:
    image, phi = random_case()
    term, grid = LocalIntensityClustering(image, 2.0), grid_of(phi)
    state, energies = None, []
    for _ in range(6):
        state = term.update(phi, state, grid)
        energies.append(term.energy(grid.block(phi), state))
    falls = torch.stack(energies).diff(dim=0)
    assert (falls[:3] < 0).all()
    assert (falls <= 1e-12).all()


def test_region_means_smooth_and_hard() -> None:
    image, phi = random_case()
    grid, inside = grid_of(phi), heaviside(phi)
    smooth = RegionFit(image).update(phi, None, grid)
    assert torch.allclose(smooth.inside[:, 0], (image * inside).flatten(1).sum(1) / inside.flatten(1).sum(1))
    hard = RegionFit(image, averages="hard").update(phi, None, grid)
    for k in range(2):
        assert hard.inside[k, 0] == pytest.approx(float(image[k][phi[k] > 0].mean()))
        assert hard.outside[k, 0] == pytest.approx(float(image[k][phi[k] <= 0].mean()))
    empty = RegionFit(image, averages="hard").update(-torch.ones_like(phi), None, grid)
    assert torch.equal(empty.inside, torch.zeros(2, 1, dtype=torch.float64))


def test_region_means_in_blocks_are_those_of_the_whole(monkeypatch) -> None:
    monkeypatch.setattr("monai_lsext.evolution.grid._BLOCK_POINTS", 16)
    image, phi = random_case()
    whole = grid_of(phi)
    blocks = Grid(whole.shape, whole.spacing, whole.step, whole.eps, in_blocks=True)
    assert len(blocks.regions) == 2 * 3
    for a, b in zip(RegionFit(image).update(phi, None, whole), RegionFit(image).update(phi, None, blocks), strict=True):
        assert torch.allclose(a, b)


def test_probability_energy_is_the_negative_log_likelihood_of_a_sharp_mask() -> None:
    probability, _ = random_case()
    phi = torch.where(probability > 0.4, 1e9, -1e9)
    likelihood = torch.where(phi > 0, probability, 1 - probability).clamp(1e-3).log().flatten(1).sum(1)
    assert torch.allclose(value(ProbabilityFit(probability), phi, grid_of(phi)), -likelihood, atol=1e-5)


@pytest.mark.parametrize(("slope", "expected"), [(0.0, 0.0), (1.0, 0.0), (2.0, 0.5), (0.5, 2 / (2 * math.pi) ** 2)])
def test_double_well_has_its_wells_at_0_and_1(slope: float, expected: float) -> None:
    phi = (slope * torch.arange(9.0, dtype=torch.float64))[:, None].expand(9, 9)[None, None].contiguous()
    grid = grid_of(phi)
    block = grid.block(phi)
    s = block.gradient_magnitude()[0, 0, 1:-1, 1:-1]
    assert torch.allclose(s, torch.full_like(s, slope), atol=1e-4)
    inner = float(DistanceRegularisation(1.0).energy(block, None)) - 2 * 9 * _well(slope / 2)
    assert inner / (7 * 9) == pytest.approx(expected, abs=1e-4)  # the two border rows see half the slope


def _well(s: float) -> float:
    return (1 - math.cos(2 * math.pi * s)) / (2 * math.pi) ** 2 if s < 1 else 0.5 * (s - 1) ** 2


@pytest.mark.parametrize(("slope", "towards"), [(0.7, 1), (1.6, -1)])
def test_double_well_flow_steepens_or_flattens_towards_1(slope: float, towards: int) -> None:
    x = torch.arange(16.0, dtype=torch.float64)
    phi = (slope * 4 * torch.sin((x - 7.5) / 4))[:, None].expand(16, 16)[None, None].contiguous()
    moved = phi + 0.1 * flow(DistanceRegularisation(1.0), phi, grid_of(phi))
    change = (moved[0, 0, 8, 8] - moved[0, 0, 7, 8]) - (phi[0, 0, 8, 8] - phi[0, 0, 7, 8])
    assert float(change) * towards > 0


def test_degree_0_fits_the_means() -> None:
    image, phi = random_case()
    fits = LegendreFit(image, 0, 1e-12).update(phi, None, grid_of(phi))
    means = RegionFit(image).update(phi, None, grid_of(phi))
    assert torch.allclose(fits.inside, means.inside[..., None, None].expand_as(image))
    assert torch.allclose(fits.outside, means.outside[..., None, None].expand_as(image))


def test_a_polynomial_image_is_fitted_exactly_by_its_degree() -> None:
    x, y = torch.meshgrid(torch.linspace(-1, 1, 9), torch.linspace(-1, 1, 8), indexing="ij")
    image = (1 + x - 2 * y + 3 * x * y + x**2).double()[None, None]
    fits = LegendreFit(image, 2, 1e-12).update(initial_level_set("disk", (9, 8)).double(), None, grid_of(image))
    assert torch.allclose(fits.inside, image, atol=1e-6)
    assert torch.allclose(fits.outside, image, atol=1e-6)


def test_legendre_basis_are_the_polynomials() -> None:
    basis = legendre_basis((5,), 3, torch.zeros(1, dtype=torch.float64))
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    assert torch.allclose(basis, torch.stack([x**0, x, (3 * x**2 - 1) / 2, (5 * x**3 - 3 * x) / 2]))
    assert legendre_basis((5, 4, 3), 2, x).shape == (27, 5, 4, 3)


def test_edge_indicator_of_a_ramp_and_with_spacing() -> None:
    ramp = (2.0 * torch.arange(8.0))[:, None].expand(8, 8)[None, None]
    assert torch.allclose(edge_indicator(ramp)[0, 0, 1:-1], torch.full((6, 8), 1 / (1 + 2.0**2)))
    assert torch.allclose(edge_indicator(ramp, spacing=(0.5, 1.0))[0, 0, 1:-1], torch.full((6, 8), 1 / (1 + 4.0**2)))
    assert edge_indicator(torch.randn(1, 3, 8, 8), 1.0).shape == (1, 1, 8, 8)
    assert torch.equal(edge_indicator(torch.full((1, 1, 9, 9), 5.0), 1.5), torch.ones(1, 1, 9, 9))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Length(-1), "`weight` must be >= 0, got -1"),
        (lambda: ProbabilityFit(torch.zeros(1), -1), "`weight` must be >= 0, got -1"),
        (lambda: LocalIntensityClustering(torch.zeros(1, 2, 4, 4)), "`image` must have 1 channel, got 2"),
        (lambda: LocalIntensityClustering(torch.zeros(1, 1, 4, 4), 0), "`sigma` must be > 0, got 0"),
        (lambda: LegendreFit(torch.zeros(1, 2, 4, 4)), "`image` must have 1 channel, got 2"),
        (lambda: LegendreFit(torch.zeros(1, 1, 4, 4), -1), "`degree` must be >= 0, got -1"),
        (lambda: LegendreFit(torch.zeros(1, 1, 4, 4), 1, 0), "`ridge` must be > 0, got 0"),
        (lambda: ShapePrior(torch.zeros(4, 4)), r"`prior` must have shape \[B, 1, H, W\] .* got \(4, 4\)"),
        (lambda: edge_indicator(torch.zeros(1, 1, 4, 4), -1), "`sigma` must be >= 0, got -1"),
        (lambda: ArctanStep(0), "`eps` must be > 0, got 0"),
        (lambda: CosineStep(-1), "`eps` must be > 0, got -1"),
    ],
)
def test_bad_arguments(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
