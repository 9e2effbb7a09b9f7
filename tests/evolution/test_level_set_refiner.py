"""LevelSetRefiner and its transforms: smoother masks, empty maps, spacing, any bundle's post-processing."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import AsDiscrete

from monai_lsext.evolution import LevelSetRefiner
from monai_lsext.transforms import LevelSetRefine, LevelSetRefined


def noisy_map(size: tuple[int, ...] = (48, 48), noise: float = 1.2) -> tuple[torch.Tensor, torch.Tensor]:
    """(probability, mask) [1, 1, *S] of a ball, with independent noise in the logit."""
    torch.manual_seed(0)
    axes = torch.meshgrid(*[torch.arange(float(s)) - (s - 1) / 2 for s in size], indexing="ij")
    mask = (torch.stack(axes).square().sum(0) < (0.3 * min(size)) ** 2)[None, None]
    return torch.sigmoid(2.0 * mask - 1 + noise * torch.randn(mask.shape)), mask


def dice(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize(("size", "smoothness"), [((48, 48), 3.0), ((20, 20, 20), 1.0)])
def test_a_noisy_map_becomes_a_smooth_mask(size: tuple[int, ...], smoothness: float) -> None:
    probability, mask = noisy_map(size)
    refined = LevelSetRefiner(smoothness=smoothness)(probability) > 0
    assert dice(probability > 0.5, mask) < 0.8
    assert dice(refined, mask) > 0.93


def test_a_sharp_map_stays_what_it_is() -> None:
    _, mask = noisy_map()
    assert torch.equal(LevelSetRefiner()(0.02 + 0.96 * mask) > 0, mask)


def test_edges_of_the_image_hold_the_contour() -> None:
    """An undecided rim is given to the object up to the image's edge, not cut short by the length."""
    _, mask = noisy_map()
    corner = torch.zeros_like(mask)
    corner[..., 10:38, 10:38] = True
    probability = 0.3 + 0.4 * corner
    plain, held = (LevelSetRefiner(smoothness=6.0, data=0.5)(probability, image) > 0 for image in (None, 20.0 * corner))
    assert (held != corner).sum() < (plain != corner).sum() / 2


def test_edges_scale_the_image_and_zero_leaves_it_aside() -> None:
    probability, mask = noisy_map()
    image = 5.0 * mask
    assert torch.equal(LevelSetRefiner(5, edges=0)(probability, image), LevelSetRefiner(5)(probability))
    assert torch.equal(LevelSetRefiner(5, edges=2)(probability, image), LevelSetRefiner(5)(probability, 2 * image))
    assert not torch.equal(LevelSetRefiner(5)(probability, image), LevelSetRefiner(5)(probability))


@pytest.mark.parametrize(("fill", "sign"), [(0.2, -1), (0.9, 1)])
def test_a_map_without_a_border_keeps_its_side_beside_another(fill: float, sign: int) -> None:
    probability, mask = noisy_map()
    batch = torch.cat([torch.full_like(probability, fill), probability])
    phi = LevelSetRefiner(10)(batch)
    assert bool((phi[0] * sign > 0).all())
    assert torch.allclose(phi[1:], LevelSetRefiner(10)(probability), atol=1e-5)
    assert dice(phi[1:] > 0, mask) > 0.8


def test_gradient_reaches_the_probability() -> None:
    probability, _ = noisy_map((12, 12))
    leaf = probability.double().requires_grad_()
    LevelSetRefiner(3)(leaf).sum().backward()
    assert torch.isfinite(leaf.grad).all()
    assert leaf.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_iter": -1}, "`num_iter` must be >= 0, got -1"),
        ({"data": -1}, "`data` must be >= 0, got -1"),
        ({"shape": 1.0}, "`prior` must be given with `shape` > 0 alone, got None with 1.0"),
        ({"prior": torch.zeros(1, 1, 4, 4)}, r"alone, got \(1, 1, 4, 4\) with 0.0"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LevelSetRefiner(**options)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"`probability` must have shape .* got \(1, 2, 8, 8\)"):
        LevelSetRefiner()(torch.zeros(1, 2, 8, 8))
    with pytest.raises(ValueError, match=r"`image` \(1, 1, 8, 9\) does not fit `probability` \(1, 1, 8, 8\)"):
        LevelSetRefiner()(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 9))


def test_the_transform_is_the_refiner_above_one_half() -> None:
    probability, _ = noisy_map()
    refiner = LevelSetRefiner(20)
    refined = LevelSetRefine(refiner)(probability[0])
    assert torch.equal(refined > 0.5, refiner(probability)[0] > 0)
    assert refined.min() >= 0
    assert refined.max() <= 1


def test_a_volume_of_one_slice_is_the_slice() -> None:
    probability, _ = noisy_map()
    refine = LevelSetRefine(LevelSetRefiner(200))
    volume = refine(probability[0][..., None])[..., 0]
    assert dice(volume > 0.5, refine(probability[0]) > 0.5) > 0.99


def test_a_map_without_an_object_becomes_zero() -> None:
    assert torch.equal(LevelSetRefine()(torch.full((1, 9, 9), 0.04)), torch.zeros(1, 9, 9))


def test_work_is_done_in_the_box_of_the_object_alone() -> None:
    _, mask = noisy_map((32, 32))
    small = torch.nn.functional.pad(0.96 * mask + 0.02, (60, 40, 30, 70), value=0.02)
    box = LevelSetRefine()(small[0])
    assert torch.equal(box > 0.5, small[0] > 0.5)
    assert box[0, :20].max() == 0


def test_argmax_and_threshold_of_softmax_channels_agree() -> None:
    first, _ = noisy_map()
    second = first.roll(17, -1) * 0.9
    logits = torch.logit(torch.cat([first, second], 1).clamp(0.01, 0.99))
    softmax = torch.softmax(torch.cat([torch.zeros_like(first), 2 * logits], 1), 1)[0]
    refined = LevelSetRefine()(softmax)
    assert refined.shape == softmax.shape
    assert torch.allclose(refined[0], 1 - refined[1:].amax(0))
    labels = AsDiscrete(argmax=True)(refined)[0]
    assert torch.equal(labels > 0, (refined[1:] > 0.5).any(0))
    assert torch.allclose(LevelSetRefine()(softmax[1:2]), refined[1:2])


def test_spacing_of_a_meta_tensor_counts() -> None:
    """A prolate body that is a ball in millimetres: with its spacing it is smoothed evenly, without flattened."""
    x, y = torch.meshgrid(torch.arange(48.0) - 23.5, torch.arange(16.0) - 7.5, indexing="ij")
    mask = x**2 + (3 * y) ** 2 < 15**2
    probability = (0.35 + 0.3 * mask)[None]
    affine = torch.diag(torch.tensor([0.8, 2.4, 1.0, 1.0]))
    refine = LevelSetRefine(LevelSetRefiner(100, smoothness=4.0, data=1.0))
    shapes = [refine(p)[0] > 0.5 for p in (MetaTensor(probability, affine=affine), probability)]
    physical, pixels = ((float(m.any(1).sum()), 3 * float(m.any(0).sum())) for m in shapes)
    assert physical[0] / physical[1] == pytest.approx(1, abs=0.2)
    assert pixels[0] / pixels[1] < physical[0] / physical[1] - 0.1
    assert isinstance(refine(MetaTensor(probability, affine=affine)), MetaTensor)


def test_the_unit_is_the_shortest_edge() -> None:
    probability, _ = noisy_map()
    for factor in (0.5, 4.0):
        affine = factor * torch.eye(4)
        scaled = LevelSetRefine()(MetaTensor(probability[0], affine=affine))
        assert torch.allclose(torch.as_tensor(scaled), LevelSetRefine()(probability[0]))


@pytest.mark.parametrize(
    ("probability", "message"),
    [
        (torch.zeros(8, 8), r"must have shape \[C, H, W\] or \[C, H, W, D\], got \(8, 8\)"),
        (torch.full((1, 8, 8), 3.0), "`pred`: a probability map must lie within 0 to 1, got 3 to 3; activate it first"),
    ],
)
def test_bad_maps(probability: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LevelSetRefined("pred")({"pred": probability})


def test_slices_with_level_sets_of_their_own() -> None:
    """A volume refined slice by slice equals its slices refined alone; the whole volume's level set differs."""
    probability, _ = noisy_map((24, 20, 6))
    image = torch.rand(1, 24, 20, 6)
    refiner = LevelSetRefiner(10, smoothness=2.0)
    refined = LevelSetRefine(refiner, slice_wise=True)(probability[0], image)
    alone = [LevelSetRefine(refiner)(probability[0, ..., k], image[..., k]) for k in range(6)]
    assert torch.equal(refined > 0.5, torch.stack(alone, -1) > 0.5)
    assert not torch.equal(refined > 0.5, LevelSetRefine(refiner)(probability[0], image) > 0.5)
