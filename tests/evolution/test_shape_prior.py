"""The shape prior: known pose recovered, occluded shape restored, alignment and its inverse, 3D."""

from __future__ import annotations

import math

import pytest
import torch

from monai_lsext.evolution import Alignment, LevelSetRefiner, ShapePrior, disc_prior, evolve
from monai_lsext.networks.layers import initial_level_set, signed_distance

SIZE = 64


def centred(size: int = SIZE, dims: int = 2) -> list[torch.Tensor]:
    return list(torch.meshgrid(*[torch.arange(float(size)) - (size - 1) / 2] * dims, indexing="ij"))


def bumped_ellipse(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ((x / 15) ** 2 + (y / 9) ** 2 < 1) | ((x - 11) ** 2 + (y - 7) ** 2 < 5**2)


def placed(scale: float, degrees: float, shift: tuple[float, float]) -> torch.Tensor:
    """The ellipse scaled, turned from the first axis to the second, and shifted."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = ((axis - t) / scale for axis, t in zip(centred(), shift, strict=True))
    return bumped_ellipse(c * x + s * y, -s * x + c * y)


@pytest.mark.parametrize(
    ("scale", "degrees", "shift"), [(1.2, 20, (4.0, -6.0)), (0.85, -25, (-3.0, 5.0)), (1.25, 35, (2.0, 2.5))]
)
def test_a_known_pose_is_recovered(scale: float, degrees: float, shift: tuple[float, float]) -> None:
    prior = signed_distance(bumped_ellipse(*centred())[None, None])
    probability = 0.05 + 0.9 * placed(scale, degrees, shift).float()[None, None]
    end = LevelSetRefiner(num_iter=50, shape=0.5, prior=prior).evolve(probability)
    pose = end.states[-1].alignment.of_object()
    assert float(pose.scale) == pytest.approx(scale, rel=0.05)
    assert math.degrees(float(pose.rotation)) == pytest.approx(degrees, abs=2)
    assert pose.shift[0].tolist() == pytest.approx(shift, abs=1)


def test_an_occluded_disc_is_restored() -> None:
    """A quarter is missing in the map, which is undecided there."""
    x, y = centred()
    disc = (x - 4) ** 2 + (y + 3) ** 2 < 17**2
    hidden = disc & (x > 6) & (y > -3)
    probability = torch.where(hidden, 0.5, 0.05 + 0.9 * disc)[None, None]
    prior = signed_distance((x**2 + y**2 < 15**2)[None, None])
    with_shape = LevelSetRefiner(150, data=0.5, shape=1.0, prior=prior).evolve(probability)
    without = LevelSetRefiner(150, data=0.5)(probability)
    assert _dice(without > 0, disc) < 0.92
    assert _dice(with_shape.phi > 0, disc) > 0.96
    assert float(with_shape.states[-1].alignment.of_object().scale) == pytest.approx(17 / 15, rel=0.05)


def _dice(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_a_ball_in_a_volume_and_a_prior_on_another_grid() -> None:
    x, y, z = centred(26, 3)
    ball = (x - 2) ** 2 + (y + 1) ** 2 + z**2 < 9**2
    prior = signed_distance((torch.stack(centred(22, 3)).square().sum(0) < 7.5**2)[None, None])
    end = LevelSetRefiner(20, shape=0.5, prior=prior).evolve(0.1 + 0.8 * ball.float()[None, None])
    pose = end.states[-1].alignment.of_object()
    assert float(pose.scale) == pytest.approx(9 / 7.5, rel=0.05)
    assert pose.shift[0].tolist() == pytest.approx((2, -1, 0), abs=0.5)


def test_of_object_is_the_inverse_map() -> None:
    for turns, dims in ((1, 2), (3, 3)):
        forth = Alignment(torch.tensor([1.3]), 0.4 * torch.randn(1, turns), torch.randn(1, dims))
        back = forth.of_object()
        point = torch.randn(1, dims, 1)
        there = forth.matrix() @ point + forth.shift[..., None]
        assert torch.allclose(back.matrix() @ there + back.shift[..., None], point, atol=1e-5)


def test_matrix_turns_from_the_first_axis_to_the_second() -> None:
    quarter = Alignment(torch.ones(1), torch.tensor([[math.pi / 2]]), torch.zeros(1, 2)).matrix()
    assert torch.allclose(quarter[0] @ torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), atol=1e-6)


def test_a_shape_on_its_prior_stays_and_has_no_energy() -> None:
    phi = initial_level_set("disk", (24, 24)) - 4
    seen = []
    end = evolve(phi, [ShapePrior(phi)], 5, 1.0, callback=seen.append)
    assert torch.allclose(end.phi, phi, atol=0.05)
    assert float(seen[-1].energy) < 0.1


def test_weights_pull_the_contour_to_the_shape() -> None:
    """The energy falls while an ellipse becomes the prior's disc."""
    x, y = centred(40)
    phi = signed_distance(((x / 14) ** 2 + (y / 9) ** 2 < 1)[None, None])
    prior = initial_level_set("disk", (40, 40)) - 8
    energies = []
    evolve(phi, [ShapePrior(prior)], 50, 1.0, callback=lambda seen: energies.append(float(seen.energy)))
    assert energies[-1] < 0.05 * energies[0]


def test_a_prior_of_other_dimensions() -> None:
    with pytest.raises(ValueError, match=r"`prior` \(1, 1, 4, 4, 4\) does not fit phi \(1, 1, 8, 8\)"):
        evolve(torch.zeros(1, 1, 8, 8), [ShapePrior(torch.zeros(1, 1, 4, 4, 4))], 1, 1.0)


@pytest.mark.parametrize("dims", [2, 3])
def test_disc_prior_is_the_distance_to_a_disc(dims: int) -> None:
    phi = disc_prior(4.5, dims)
    middle = (9,) * dims
    assert phi.shape == (1, 1, *[19] * dims)
    assert phi[0, 0][middle] == pytest.approx(4.5)
    assert phi[0, 0][(9 + 3, 9 + 4, *middle[2:])] == pytest.approx(-0.5)


@pytest.mark.parametrize(("radius", "dims", "match"), [(0.5, 2, "`radius_px` must be >= 1"), (5, 4, "`spatial_dims`")])
def test_bad_disc_prior(radius: float, dims: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        disc_prior(radius, dims)
