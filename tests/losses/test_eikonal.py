"""The Eikonal loss against closed forms."""

from __future__ import annotations

import pytest
import torch

from monai_lsext.losses import EikonalLoss


def plane(slopes: tuple[float, ...], channels: int = 1, size: int = 5) -> torch.Tensor:
    grid = torch.meshgrid(*[torch.arange(size, dtype=torch.float64)] * len(slopes), indexing="ij")
    phi = sum(slope * x for slope, x in zip(slopes, grid, strict=True))
    return phi.expand(2, channels, *phi.shape)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("slopes", "spacing", "expected"),
    [
        ((0.6, 0.8), None, 0.0),
        ((3.0, 4.0), None, 16.0),
        ((3.0, 4.0, 12.0), None, 144.0),
        ((0.3, 0.4), 0.5, 0.0),
        ((0.06, 0.08), 0.1, 0.0),
        ((3.0, 8.0, 0.0), (1.0, 2.0, 5.0), 16.0),
        ((0.0, 0.0), None, 1.0),
    ],
)
def test_planes(slopes: tuple[float, ...], spacing, expected: float, channels: int) -> None:
    value = EikonalLoss(spacing)(plane(slopes, channels)).item()
    assert value == pytest.approx(expected, abs=1e-6)


def test_gradient_is_finite_on_a_flat_level_set() -> None:
    phi = torch.zeros(1, 2, 4, 4, requires_grad=True)
    EikonalLoss()(phi).backward()
    assert phi.grad is not None
    assert torch.isfinite(phi.grad).all()


def test_gradcheck() -> None:
    torch.manual_seed(0)
    phi = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(EikonalLoss((1.0, 0.5)), phi)


@pytest.mark.parametrize(
    ("spacing", "text"),
    [(0.0, "`spacing` must be > 0, got 0.0"), ((1.0, -1.0), r"`spacing` must be > 0, got \(1.0, -1.0\)")],
)
def test_bad_spacing(spacing, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        EikonalLoss(spacing)


def test_spacing_of_another_number_of_axes() -> None:
    with pytest.raises(ValueError, match="`spacing` must be 2 numbers > 0"):
        EikonalLoss((1.0, 1.0, 1.0))(torch.zeros(1, 1, 4, 4))
