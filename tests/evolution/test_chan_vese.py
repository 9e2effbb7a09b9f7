"""Chan-Vese: agreement with scikit-image, falling energy, exact and degenerate images, batches, 3D, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.segmentation import chan_vese as scikit_image

from monai_lsext.evolution import chan_vese
from monai_lsext.evolution.chan_vese import scaled_disk, unit_range
from monai_lsext.networks.layers import dirac, gradient_magnitude, heaviside


def two_regions(size: int, noise: float, seed: int = 0, dims: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """(image, mask): a ball off the centre in noise, [1, 1, *S]."""
    axes = torch.meshgrid(*[torch.arange(size, dtype=torch.float64)] * dims, indexing="ij")
    centre = [0.45 * size, 0.55 * size, 0.5 * size]
    mask = torch.stack([(x - c) ** 2 for x, c in zip(axes, centre, strict=False)]).sum(0) < (0.28 * size) ** 2
    generator = torch.Generator().manual_seed(seed)
    image = 0.2 + 0.7 * mask + noise * torch.randn(mask.shape, generator=generator, dtype=torch.float64)
    return image[None, None], mask[None, None]


def published_energy(image: torch.Tensor, phi: torch.Tensor, nu: float) -> float:
    """Chan and Vese's energy with c1 and c2 of Eq. 11 and 12, written out once more."""
    inside = heaviside(phi)
    c1 = (image * inside).sum() / inside.sum()
    c2 = (image * (1 - inside)).sum() / (1 - inside).sum()
    fit = (image - c1) ** 2 * inside + (image - c2) ** 2 * (1 - inside)
    return float((fit + nu * dirac(phi) * gradient_magnitude(phi, eps=1e-12)).sum())


@pytest.mark.parametrize("mu", [0.1, 0.25])
def test_hard_averages_are_scikit_image_step_by_step(mu: float) -> None:
    image, _ = two_regions(40, 0.15)
    start, energies = scaled_disk(image), []
    _, expected, expected_energies = scikit_image(
        image[0, 0].numpy(), mu, 1.0, 1.5, 0, 30, 0.5, start[0, 0].numpy(), extended_output=True
    )
    phi = chan_vese(
        image, start, 30, 0.0, mu, 1.0, 1.5, 0.5, 0, "hard", callback=lambda seen: energies.append(float(seen.energy))
    )
    assert np.allclose(phi[0, 0], expected, atol=1e-9)
    assert np.allclose(energies[:30], expected_energies, rtol=1e-9)


@pytest.mark.parametrize(("nu", "noise"), [(0.1, 0.1), (0.1, 0.2), (0.25, 0.1)])
def test_converged_masks_agree_with_scikit_image(nu: float, noise: float) -> None:
    image, mask = two_regions(40, noise)
    theirs = scikit_image(image[0, 0].numpy(), nu, tol=1e-4, max_num_iter=2000, init_level_set="disk")
    ours = chan_vese(image, nu=nu)[0, 0] > 0
    assert (ours.numpy() != theirs).mean() <= 0.005
    assert (ours != mask[0, 0]).double().mean() <= 0.005


@pytest.mark.parametrize("step", [0.5, 5.0, 20.0, 200.0])
def test_energy_never_rises(step: float) -> None:
    image, _ = two_regions(48, 0.15)
    scaled, own, published = unit_range(image), [], []

    def watch(seen) -> None:
        own.append(float(seen.energy))
        published.append(published_energy(scaled, seen.phi, 0.1))

    chan_vese(image, num_iter=80, step=step, tol=0, callback=watch)
    assert len(own) == 81
    assert np.diff(own).max() < 0
    assert np.diff(published).max() < 0
    assert published[-1] < 0.99 * published[0]


@pytest.mark.parametrize(("size", "corner"), [((20, 20), (5, 5)), ((32, 32), (11, 9)), ((30, 26), (10, 8))])
@pytest.mark.parametrize("nu", [0.0, 0.1])
def test_a_square_on_black_comes_back_exactly(size: tuple[int, int], corner: tuple[int, int], nu: float) -> None:
    image = torch.zeros(1, 1, *size)
    image[0, 0, corner[0] : corner[0] + 10, corner[1] : corner[1] + 10] = 1
    assert torch.equal(chan_vese(image, nu=nu) > 0, image > 0)


def test_a_ball_in_a_volume() -> None:
    image, mask = two_regions(16, 0.1, dims=3)
    assert ((chan_vese(image.float(), nu=0.05) > 0) != mask).sum() <= 2


def test_channels_add_up() -> None:
    """What drowns in the noise of one channel shows in eight."""
    channels = torch.cat([two_regions(32, 0.8, seed)[0] for seed in range(8)], 1)
    mask = two_regions(32, 0.8)[1]
    one, eight = (
        ((chan_vese(c, num_iter=200, nu=0.01) > 0) != mask).double().mean() for c in (channels[:, :1], channels)
    )
    assert eight < 0.02
    assert one > 0.1


def test_area_weight_shrinks_or_grows() -> None:
    image, _ = two_regions(32, 0.3)
    sizes = [int((chan_vese(image, num_iter=100, mu=mu) > 0).sum()) for mu in (0.2, 0.0, -0.2)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_batch_gives_what_its_items_give_alone() -> None:
    """Items of other noise end at other iterations."""
    images = torch.cat([two_regions(32, noise, seed)[0] for seed, noise in enumerate((0.02, 0.3, 0.1))])
    together = chan_vese(images, step=2.0, tol=0.02)
    alone = [chan_vese(image[None], step=2.0, tol=0.02) for image in images]
    assert torch.allclose(together, torch.cat(alone), atol=1e-9)


def test_a_scale_or_offset_of_the_image_changes_nothing() -> None:
    image, _ = two_regions(24, 0.1)
    assert torch.allclose(chan_vese(1000 * image - 300, num_iter=20), chan_vese(image, num_iter=20), atol=1e-6)


def test_a_constant_image_has_no_force_and_stays_finite() -> None:
    phi = chan_vese(torch.full((1, 1, 16, 16), 7.0), num_iter=50, tol=0)
    assert torch.isfinite(phi).all()


def test_the_start_is_the_largest_disk_within_minus_1_and_1() -> None:
    for size in ((16, 16), (8, 40)):
        phi = scaled_disk(torch.zeros(2, 3, *size))
        assert phi.shape == (2, 1, *size)
        assert phi.abs().max() == 1


@pytest.mark.slow
def test_compiled_gives_the_same() -> None:
    image, _ = two_regions(24, 0.1)
    plain = chan_vese(image, num_iter=5, tol=0)
    assert torch.allclose(chan_vese(image, num_iter=5, tol=0, compiled=True), plain, atol=1e-9)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        ((1, 1, 8), {}, r"`image` must have shape \[B, C, H, W\] or \[B, C, H, W, D\], got \(1, 1, 8\)"),
        ((1, 1, 8, 8), {"phi0": torch.zeros(1, 1, 8, 9)}, r"`phi0` must have shape \(1, 1, 8, 8\), the image's"),
        ((1, 1, 8, 8), {"averages": "mean"}, r"`averages` must be one of \['smooth', 'hard'\], got 'mean'"),
        ((1, 1, 8, 8), {"nu": -1}, "`weight` must be >= 0, got -1"),
        ((1, 1, 8, 8), {"lambda2": -1}, "`lambda2` must be >= 0, got -1"),
        ((1, 1, 8, 8), {"step": 0}, "`step` must be > 0, got 0"),
        ((1, 1, 8, 8), {"tol": -1}, "`tol` must be >= 0, got -1"),
        ((1, 1, 8, 8), {"num_iter": -1}, "`num_iter` must be >= 0, got -1"),
        ((1, 1, 8, 8), {"spacing": (1.0,)}, r"`spacing` must be 2 numbers > 0, got \(1.0,\)"),
    ],
)
def test_bad_arguments(image: tuple[int, ...], options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chan_vese(torch.zeros(image), **options)
