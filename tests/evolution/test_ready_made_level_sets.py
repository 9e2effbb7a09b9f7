"""DRLSE, local intensity clustering and L2S where they are needed: against edges, under a bias, in 3D."""

from __future__ import annotations

import pytest
import torch

from monai_lsext.evolution import (
    DistanceRegularisation,
    Length,
    LocalIntensityClustering,
    chan_vese,
    drlse,
    evolve,
    legendre_level_set,
    local_intensity_clustering,
)
from monai_lsext.evolution.chan_vese import scaled_disk

SIZE = 56


def grid(dims: int = 2, size: int = SIZE) -> list[torch.Tensor]:
    return list(torch.meshgrid(*[torch.arange(float(size))] * dims, indexing="ij"))


def dice(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def biased() -> tuple[torch.Tensor, torch.Tensor]:
    """(image, mask): a disc and a small rhomb, 1.8 times brighter than the ground, under a threefold bias."""
    x, y = grid()
    mask = ((x - 26) ** 2 + (y - 30) ** 2 < 12**2) | ((x - 40).abs() + (y - 12).abs() < 8)
    bias = 0.5 + torch.sigmoid((y - 28) / 10)
    torch.manual_seed(0)
    return (bias * (0.5 + 0.4 * mask) + 0.02 * torch.randn(SIZE, SIZE))[None, None], mask


def test_chan_vese_fails_under_a_strong_bias_and_local_clustering_does_not() -> None:
    image, mask = biased()
    assert dice(chan_vese(image)[0, 0] > 0, mask) < 0.7
    assert dice(local_intensity_clustering(image)[0, 0] > 0, mask) > 0.97


def test_the_bias_field_is_recovered() -> None:
    """The term on the image as it is: scaled to [0, 1] its black level would move, and with it the bias."""
    image, mask = biased()
    terms = [LocalIntensityClustering(image), Length(0.01), DistanceRegularisation(1e-5)]
    end = evolve(2 * scaled_disk(image), terms, 200, 1000.0)
    clusters = end.states[0]
    true = 0.5 + torch.sigmoid((grid()[1] - 28) / 10)
    ratio = clusters.bias[0, 0] / true  # only the product of bias and cluster is determined
    assert dice(end.phi[0, 0] > 0, mask) > 0.97
    assert true.std() / true.mean() > 0.3
    assert ratio.std() / ratio.mean() < 0.06
    assert float(clusters.inside / clusters.outside) == pytest.approx(0.9 / 0.5, rel=0.15)


def test_polynomial_regions_follow_the_bias_too() -> None:
    image, mask = biased()
    assert dice(legendre_level_set(image)[0, 0] > 0, mask) > 0.97


def disc_and_box() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(image, mask, start): a noisy disc, and a box around it as +-2."""
    x, y = grid()
    mask = (x - 28) ** 2 + (y - 28) ** 2 < 14**2
    box = ((x - 28).abs() < 19) & ((y - 28).abs() < 19)
    torch.manual_seed(0)
    image = 0.8 * mask + 0.02 * torch.randn(SIZE, SIZE)
    return image[None, None], mask, (4 * box.float() - 2)[None, None]


def slope_in_band(phi: torch.Tensor) -> torch.Tensor:
    """|grad phi| where |phi| < 1."""
    slopes = torch.stack(torch.gradient(phi[0, 0])).square().sum(0).sqrt()
    return slopes[phi[0, 0].abs() < 1]


def test_drlse_finds_the_edge_and_stays_a_distance() -> None:
    image, mask, start = disc_and_box()
    phi = drlse(image, start, 400, area=3.0)
    slopes = slope_in_band(phi)
    assert dice(phi[0, 0] > 0, mask) > 0.96
    assert len(slopes) > 100
    assert slopes.mean() == pytest.approx(1, abs=0.1)
    assert slopes.min() > 0.7
    assert slopes.max() < 1.4


def test_without_its_regularisation_drlse_loses_the_distance() -> None:
    image, _, start = disc_and_box()
    phi = drlse(image, start, 400, mu=0.0, area=3.0)
    assert torch.stack(torch.gradient(phi[0, 0])).square().sum(0).sqrt().max() > 1.9
    assert len(slope_in_band(phi)) < 100


def test_a_negative_area_grows_the_contour() -> None:
    image, mask, _ = disc_and_box()
    x, y = grid()
    seed = (4.0 * (((x - 28) ** 2 + (y - 28) ** 2) < 5**2) - 2)[None, None]
    phi = drlse(image, seed, 300, area=-3.0)
    assert dice(phi[0, 0] > 0, mask) > 0.9  # ends a pixel inside the edge


@pytest.mark.parametrize("method", [local_intensity_clustering, legendre_level_set])
def test_a_ball_in_a_volume(method) -> None:
    x, y, z = grid(3, 16)
    mask = (x - 7) ** 2 + (y - 8) ** 2 + (z - 7) ** 2 < 5**2
    image = ((0.5 + mask) * (1 + x / 32))[None, None]
    assert dice(method(image, num_iter=100)[0, 0] > 0, mask) > 0.95


def test_drlse_in_a_volume_with_spacing() -> None:
    x, y, z = grid(3, 16)
    mask = (x - 7.5) ** 2 + (y - 7.5) ** 2 + (z - 7.5) ** 2 < 5**2
    start = 4.0 * (((x - 7.5).abs() < 7) & ((y - 7.5).abs() < 7) & ((z - 7.5).abs() < 7)) - 2
    phi = drlse(mask[None, None].float(), start[None, None], 150, area=3.0, sigma=0.5, spacing=(1.0, 1.0, 1.0))
    assert dice(phi[0, 0] > 0, mask) > 0.9
