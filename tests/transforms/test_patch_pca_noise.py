"""Patch-PCA noise: orthonormal basis of the patches, an exact reconstruction, the variance that was asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_lsext.transforms import PatchPCANoise, PatchPCANoised, patch_pca


def smooth(*shape: int) -> torch.Tensor:
    """A smooth field with a little noise, whose patches have unequal components."""
    generator = torch.Generator().manual_seed(0)
    axes = torch.meshgrid(*[torch.arange(s) * 0.3 for s in shape], indexing="ij")
    return sum(torch.sin((i + 1) * x) for i, x in enumerate(axes)) + 0.1 * torch.randn(shape, generator=generator)


@pytest.mark.parametrize("shape", [(12, 15, 9), (13, 16, 11), (30, 31)])
def test_basis_is_orthonormal_and_diagonalises_the_covariance(shape: tuple[int, ...]) -> None:
    image = smooth(*shape).double()
    mean, basis = patch_pca(image)
    numbers = 3 ** len(shape)
    assert torch.allclose(basis.T @ basis, torch.eye(numbers, dtype=torch.float64), atol=1e-12)
    corners = np.ndindex(*[s // 3 for s in shape])
    patches = torch.stack([image[tuple(slice(3 * i, 3 * i + 3) for i in corner)].flatten() for corner in corners])
    assert torch.allclose(mean, patches.mean(0))
    coefficients = (patches - mean) @ basis
    covariance = coefficients.T @ coefficients / len(patches)
    assert torch.allclose(covariance, torch.diag(covariance.diagonal()), atol=1e-10)
    assert (covariance.diagonal().diff() >= -1e-10).all()


@pytest.mark.parametrize("shape", [(1, 12, 15, 9), (2, 13, 16, 11), (1, 3, 4, 5), (1, 20, 22)])
def test_without_noise_the_image_comes_back(shape: tuple[int, ...]) -> None:
    image = torch.stack([smooth(*shape[1:]) + channel for channel in range(shape[0])])
    assert torch.allclose(PatchPCANoise(std=0)(image), image, atol=1e-5)


def test_noise_has_the_variance_that_was_asked_in_the_image_and_in_every_coefficient() -> None:
    image = smooth(60, 60, 60)
    noise = PatchPCANoise(std=0.1).set_random_state(1)(image[None])[0] - image
    assert abs(float(noise.std()) - 0.1) < 1e-3
    assert abs(float(noise.mean())) < 1e-3
    _, basis = patch_pca(image)
    patches = noise.unfold(0, 3, 3).unfold(1, 3, 3).unfold(2, 3, 3).reshape(-1, 27)
    # 8000 patches: the standard error of a variance is sqrt(2 / 8000) = 1.6 %
    assert torch.allclose((patches @ basis).square().mean(0), torch.full((27,), 0.01), rtol=0.08)


def test_is_reproducible_and_keeps_the_kind_of_array() -> None:
    image = smooth(9, 9, 9)[None]
    first, again, other = (PatchPCANoise().set_random_state(seed)(image) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    affine = torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0], dtype=torch.float64))
    placed = PatchPCANoise().set_random_state(3)(MetaTensor(image, affine=affine))
    assert torch.equal(placed.affine, affine)
    assert torch.equal(placed.as_tensor(), first)
    assert np.array_equal(PatchPCANoise().set_random_state(3)(image.numpy()), first.numpy())


def test_dictionary_form_is_seeded_and_obeys_its_probability() -> None:
    image = smooth(9, 9, 9)[None]
    first, again = (PatchPCANoised("image").set_random_state(5)({"image": image})["image"] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, image)
    assert torch.equal(PatchPCANoised("image", prob=0.0)({"image": image})["image"], image)
    rare = PatchPCANoised("image", prob=0.3).set_random_state(0)
    changed = sum(not torch.equal(rare({"image": image})["image"], image) for _ in range(200))
    assert 40 <= changed <= 80


@pytest.mark.parametrize(
    ("options", "message"),
    [({"std": -1}, "`std` must be >= 0, got -1"), ({"prob": 1.5}, "`prob` must be 0 to 1, got 1.5")],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PatchPCANoise(**options)


@pytest.mark.parametrize("shape", [(9, 9), (1, 9, 9, 2), (1, 1, 9, 9, 9)])
def test_bad_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \[C, W, H\] or \[C, W, H, D\] of at least 3 points, got "):
        PatchPCANoise()(torch.zeros(shape))
