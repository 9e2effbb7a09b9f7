"""Boundary localisation error against closed forms of discs and ellipses, and against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.handlers import IgniteMetricHandler

from monai_lsext.metrics import BoundaryLocalizationError, boundary_radii, compute_boundary_localization_error

SIZE, CENTRE = (72, 64), (35.0, 31.0)
ANGLES = 2 * np.pi * np.arange(24) / 24


def distance(centre: tuple[float, float], stretch: tuple[float, float] = (1.0, 1.0)) -> torch.Tensor:
    x, y = (torch.arange(size, dtype=torch.float32) for size in SIZE)
    return torch.hypot((x[:, None] - centre[0]) / stretch[0], (y - centre[1]) / stretch[1])


def soft_disc(radius: float, centre: tuple[float, float] = CENTRE) -> torch.Tensor:
    """A disc whose edge pixels hold the covered share: its 0.5 level is the circle."""
    return (radius - distance(centre) + 0.5).clamp(0, 1)[None, None]


def disc(radius: float, centre: tuple[float, float] = CENTRE) -> torch.Tensor:
    return (distance(centre) <= radius).float()[None, None]


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, 0.0), (0.0, 5.5), (2.0, -2.0)])
def test_shifted_disc(shift: tuple[float, float]) -> None:
    radius = 18.0
    # the far end of the ray of angle theta from the old centre: s = e.d, r = s + sqrt(R^2 - |d|^2 + s^2)
    along = shift[0] * np.cos(ANGLES) + shift[1] * np.sin(ANGLES)
    expected = np.abs(along + np.sqrt(radius**2 - shift[0] ** 2 - shift[1] ** 2 + along**2) - radius).mean()
    moved = (CENTRE[0] + shift[0], CENTRE[1] + shift[1])
    soft = compute_boundary_localization_error(soft_disc(radius, moved), soft_disc(radius))
    assert soft.shape == (1, 1)
    assert soft.item() == pytest.approx(expected, abs=0.03)
    binary = compute_boundary_localization_error(disc(radius, moved), disc(radius))
    assert binary.item() == pytest.approx(expected, abs=0.25)


@pytest.mark.parametrize(("estimate", "truth"), [(15.0, 20.0), (24.0, 20.0), (20.0, 20.0)])
def test_concentric_discs(estimate: float, truth: float) -> None:
    value = compute_boundary_localization_error(soft_disc(estimate), soft_disc(truth)).item()
    assert value == pytest.approx(abs(estimate - truth), abs=0.06)


def test_radii_of_an_ellipse() -> None:
    a, b = 25.0, 14.0
    phi = (1 - distance(CENTRE, (a, b))) * b
    radii = boundary_radii((phi > 0).float()[None], torch.tensor([CENTRE]))[0].numpy()
    expected = a * b / np.hypot(b * np.cos(ANGLES), a * np.sin(ANGLES))
    assert np.abs(radii - expected).max() < 0.8
    assert np.abs(radii - expected).mean() < 0.3


def test_against_a_slow_bilinear_search() -> None:
    torch.manual_seed(0)
    mask = torch.zeros(20, 17)
    mask[4:15, 3:12] = (torch.rand(11, 9) > 0.3).float()
    mask[0:2, 5] = 1
    centre = (8.3, 7.1)
    padded = np.pad(mask.numpy(), 30)

    def value(x: float, y: float) -> float:
        i, j = math.floor(x), math.floor(y)
        u, v = x - i, y - j
        cell = padded[i + 30 : i + 32, j + 30 : j + 32]
        return float(np.array([1 - u, u]) @ cell @ np.array([1 - v, v]))

    expected = []
    for theta in ANGLES:
        steps = [
            r
            for r in np.arange(0, 27, 1e-2)
            if value(centre[0] + r * np.cos(theta), centre[1] + r * np.sin(theta)) >= 0.5
        ]
        expected.append(max(steps, default=0.0))
    radii = boundary_radii(mask[None], torch.tensor([centre]))[0].numpy()
    # a corner that the ray cuts by less than a quarter pixel may be passed over
    assert np.median(np.abs(radii - expected)) < 0.02
    assert np.abs(radii - expected).max() < 0.3


def test_object_at_the_border_ends_at_the_border() -> None:
    radii = boundary_radii(torch.ones(1, 9, 5), torch.tensor([[4.0, 2.0]]), num_angles=4)
    assert torch.allclose(radii, torch.tensor([[4.5, 2.5, 4.5, 2.5]]), atol=1e-4)


def test_empty_masks_channels_and_reduction() -> None:
    empty = torch.zeros_like(disc(10))
    truth = torch.cat([soft_disc(10), empty], dim=1)
    estimate = torch.cat([empty, soft_disc(10)], dim=1)
    metric = BoundaryLocalizationError()
    values = metric(estimate, truth)
    assert values[0, 0].item() == pytest.approx(10, abs=0.06)
    assert torch.isnan(values[0, 1])
    metric([soft_disc(12)[0].repeat(2, 1, 1)], [soft_disc(10)[0].repeat(2, 1, 1)])
    assert metric.aggregate().item() == pytest.approx((10 + 2) / 2, abs=0.06)
    assert metric.aggregate("mean_batch").tolist() == pytest.approx([6.0, 2.0], abs=0.06)
    assert metric.get_buffer().shape == (2, 2)


def test_scale_and_batch_equal_one_by_one() -> None:
    estimate, truth = torch.cat([disc(9), disc(17)]), torch.cat([disc(12), disc(14)])
    together = compute_boundary_localization_error(estimate, truth, scale=2.0)
    single = [compute_boundary_localization_error(estimate[i : i + 1], truth[i : i + 1]) for i in range(2)]
    assert torch.allclose(together, 2 * torch.cat(single))


def test_in_an_ignite_handler() -> None:
    handler = IgniteMetricHandler(metric_fn=BoundaryLocalizationError(), save_details=False)
    handler.update((soft_disc(13), soft_disc(10)))
    assert handler.compute() == pytest.approx(3.0, abs=0.06)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: BoundaryLocalizationError(num_angles=0), "`num_angles` must be >= 1, got 0"),
        (lambda: BoundaryLocalizationError(scale=-1), "`scale` must be > 0, got -1"),
        (
            lambda: BoundaryLocalizationError()(torch.zeros(1, 1, 4, 4, 4), torch.zeros(1, 1, 4, 4, 4)),
            r"must both have shape \[B, C, H, W\], got \(1, 1, 4, 4, 4\)",
        ),
        (
            lambda: BoundaryLocalizationError()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5)),
            r"got \(1, 1, 4, 4\) and \(1, 1, 4, 5\)",
        ),
        (lambda: BoundaryLocalizationError()(torch.zeros(1, 1, 4, 4)), "the ground truth, is required"),
        (lambda: BoundaryLocalizationError().aggregate(), "nothing to aggregate"),
    ],
)
def test_errors(call, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()
