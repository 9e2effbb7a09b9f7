"""The engine: one step by hand, gradients, stopping, observation, blocks, composition, bad input."""

from __future__ import annotations

import pytest
import torch

from monai_lsext.evolution import (
    Area,
    CosineStep,
    DistanceRegularisation,
    LegendreFit,
    Length,
    LocalIntensityClustering,
    Observation,
    ProbabilityFit,
    RegionFit,
    ShapePrior,
    evolve,
)
from monai_lsext.networks.layers import dirac, initial_level_set


def case(dims: int = 2, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """(image, phi0) in double precision."""
    torch.manual_seed(0)
    size = (9, 8, 7)[:dims]
    image = torch.rand(batch, 1, *size, dtype=torch.float64)
    phi = initial_level_set("disk", size).double() + 0.3 * torch.randn(batch, 1, *size, dtype=torch.float64)
    return image, phi


def test_one_step_of_a_force_is_explicit() -> None:
    image, phi = case()
    moved = evolve(phi, [ProbabilityFit(image, 0.5)], 1, 2.0).phi
    assert torch.allclose(moved, phi + 2.0 * dirac(phi) * 0.5 * torch.logit(image.clamp(1e-3, 1 - 1e-3)))


def test_one_step_of_the_length_against_a_loop() -> None:
    """Semi-implicit step in 2D, faces, borders and spacing written out point by point."""
    _, phi = case(batch=1)
    nu, step, eps, spacing = 0.7, 3.0, 0.01, (1.0, 2.0)
    height, width = phi.shape[2:]

    def at(x: int, y: int) -> float:
        return float(phi[0, 0, min(max(x, 0), height - 1), min(max(y, 0), width - 1)])

    def across(x: int, y: int, axis: int) -> float:
        """Squared central difference along the other axis."""
        if axis == 0:
            return ((at(x, y + 1) - at(x, y - 1)) / (2 * spacing[1])) ** 2
        return ((at(x + 1, y) - at(x - 1, y)) / (2 * spacing[0])) ** 2

    expected = torch.zeros_like(phi)
    for x in range(height):
        for y in range(width):
            value = stiffness = 0.0
            for axis, (u, v) in enumerate(((1, 0), (0, 1))):
                for sign in (1, -1):
                    a, b = x + sign * u, y + sign * v
                    # the first ring outside repeats phi, also where the mean of the two points is taken
                    inside_a, inside_b = min(max(a, 0), height - 1), min(max(b, 0), width - 1)
                    mean = (across(x, y, axis) + across(inside_a, inside_b, axis)) / 2
                    slope = (at(a, b) - at(x, y)) / spacing[axis]
                    c = (slope**2 + mean + eps) ** -0.5
                    value += c * slope / spacing[axis]
                    stiffness += c / spacing[axis] ** 2
            delta = float(dirac(phi[0, 0, x, y]))
            expected[0, 0, x, y] = at(x, y) + step * delta * nu * value / (1 + step * delta * nu * stiffness)
    moved = evolve(phi, [Length(nu)], 1, step, spacing=spacing, eps=eps).phi
    assert torch.allclose(moved, expected, atol=1e-10)


@pytest.mark.parametrize("dims", [2, 3])
def test_gradients_through_some_steps(dims: int) -> None:
    image, phi = case(dims)
    corner = (..., *[slice(size) for size in (4, 3, 2)[:dims]])
    image, phi = image[corner][:1].clone(), phi[corner][:1].clone()

    def run(phi0: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        edge = 0.5 + 0.5 * picture
        terms = [RegionFit(picture), Length(0.2, edge), Area(0.1), DistanceRegularisation(0.1), ProbabilityFit(picture)]
        return evolve(phi0, terms, 2, 0.5, eps=1e-2).phi

    assert torch.autograd.gradcheck(run, (phi.requires_grad_(), image.requires_grad_()), atol=1e-5)


@pytest.mark.parametrize("method", [LocalIntensityClustering, LegendreFit])
def test_gradients_through_fitted_regions(method) -> None:
    image, phi = case(batch=1)
    image, phi = image[..., :5, :4].clone(), phi[..., :5, :4].clone()

    def run(phi0: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        return evolve(phi0, [method(picture, 1)], 2, 0.5).phi

    assert torch.autograd.gradcheck(run, (phi.requires_grad_(), image.requires_grad_()), atol=1e-5)


def test_gradient_reaches_the_prior_through_the_alignment() -> None:
    _, phi = case(batch=1)
    prior = initial_level_set("disk", (9, 8)).double().requires_grad_()
    evolve(phi, [ShapePrior(prior)], 2, 0.1).phi.square().sum().backward()
    assert torch.isfinite(prior.grad).all()
    assert prior.grad.abs().sum() > 0


@pytest.mark.parametrize("step_function", [None, CosineStep()])
def test_blocks_and_gradient_mode_give_the_same(monkeypatch, step_function) -> None:
    monkeypatch.setattr("monai_lsext.evolution.grid._BLOCK_POINTS", 20)
    image, phi = case(3)
    terms = [RegionFit(image), Length(0.2, 0.5 + image), DistanceRegularisation(0.1)]
    blocks = evolve(phi, terms, 6, 0.7, 0.01, step_function=step_function)
    whole = evolve(phi.clone().requires_grad_(), terms, 6, 0.7, 0.01, step_function=step_function)
    assert torch.allclose(blocks.phi, whole.phi, atol=1e-12)
    assert torch.equal(blocks.iterations, whole.iterations)


def test_items_end_by_themselves_and_stay() -> None:
    image, phi = case(batch=1)
    images = torch.cat([0.1 * image, image, 0.0 * image + 0.5])
    terms = [ProbabilityFit(images)]
    run = evolve(phi.expand(3, 1, 9, 8), terms, 60, 0.5, tol=0.02)
    assert run.iterations[2] == 1  # a probability of 1/2 moves nothing
    assert run.iterations[2] < run.iterations[1] < run.iterations[0] <= 60
    for k in range(3):
        alone = evolve(phi, [ProbabilityFit(images[k : k + 1])], 60, 0.5, tol=0.02)
        assert torch.equal(alone.phi[0], run.phi[k])
        assert alone.iterations[0] == run.iterations[k]


@pytest.mark.parametrize("term", ["shape", "clusters", "polynomials", "regions"])
def test_a_batch_gives_what_its_items_give_alone(term: str) -> None:
    image, phi = case(batch=3)
    image[1] *= 0.2
    prior = initial_level_set("disk", (9, 8)).double()
    make = {
        "shape": lambda i: ShapePrior(prior),
        "clusters": lambda i: LocalIntensityClustering(i, 1.5),
        "polynomials": lambda i: LegendreFit(i, 1),
        "regions": RegionFit,
    }[term]
    together = evolve(phi, [make(image), Length(0.05)], 50, 2.0, tol=0.01)
    assert len(set(together.iterations.tolist())) > 1
    for k in range(3):
        alone = evolve(phi[k : k + 1], [make(image[k : k + 1]), Length(0.05)], 50, 2.0, tol=0.01)
        assert torch.allclose(alone.phi[0], together.phi[k], atol=1e-9)
        assert alone.iterations[0] == together.iterations[k]
        for mine, theirs in zip(_tensors(alone.states), _tensors(together.states), strict=True):
            assert torch.allclose(mine[0], theirs[k], atol=1e-9)


def _tensors(state) -> list[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return [state]
    return [x for part in state or () for x in _tensors(part)]


def test_a_callback_sees_every_phi_with_its_energies() -> None:
    image, phi = case()
    seen: list[Observation] = []
    end = evolve(phi, [Length(0.1), Length(0.2), RegionFit(image)], 3, 0.5, callback=seen.append)
    assert [o.iteration for o in seen] == [0, 1, 2, 3]
    assert torch.equal(seen[0].phi, phi)
    assert torch.equal(seen[-1].phi, end.phi)
    assert list(seen[0].energies) == ["Length", "Length2", "RegionFit"]
    assert torch.allclose(seen[1].energies["Length2"], 2 * seen[1].energies["Length"])
    assert torch.allclose(seen[1].energy, sum(seen[1].energies.values()))
    once = evolve(phi, [Length(0.1), Length(0.2), RegionFit(image)], 1, 0.5).phi
    assert torch.allclose(seen[1].phi, once)


def test_the_start_is_left_as_it_is_and_no_iteration_returns_it() -> None:
    image, phi = case()
    before = phi.clone()
    assert torch.equal(evolve(phi, [RegionFit(image)], 0, 1.0).phi, before)
    evolve(phi, [RegionFit(image)], 3, 1.0)
    assert torch.equal(phi, before)


def test_half_precision_is_computed_in_float32() -> None:
    image, phi = case()
    end = evolve(phi.half(), [RegionFit(image.float()), Length(0.1)], 2, 1.0).phi
    assert end.dtype == torch.float32
    assert torch.allclose(end.double(), evolve(phi, [RegionFit(image), Length(0.1)], 2, 1.0).phi, atol=0.01)


@pytest.mark.parametrize(
    ("phi", "options", "message"),
    [
        ((1, 2, 8, 8), {}, r"`phi0` must have shape \[B, 1, H, W\] or \[B, 1, H, W, D\], got \(1, 2, 8, 8\)"),
        ((1, 1, 8, 8), {"terms": []}, "`terms` must hold at least one energy, got none"),
        ((1, 1, 8, 8), {"step": 0}, "`step` must be > 0, got 0"),
        ((1, 1, 8, 8), {"eps": 0}, "`eps` must be > 0, got 0"),
        ((1, 1, 8, 8), {"spacing": (1, -1)}, r"`spacing` must be 2 numbers > 0, got \(1, -1\)"),
    ],
)
def test_bad_arguments(phi: tuple[int, ...], options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evolve(torch.zeros(phi), **{"terms": [Area(1.0)], "num_iter": 1, "step": 1.0, **options})
