"""Slices of volumes and the in-plane resize: right voxels, right place in space, seeded, undone by MONAI."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, MetaTensor
from monai.transforms import Compose, Invertd

from monai_lsext.transforms import RandSliced, ResizeInPlane, ResizeInPlaned, SelectSliced
from monai_lsext.transforms.slices import take_slice

DEPTH = 6


def volume(depth: int = DEPTH) -> MetaTensor:
    """Every voxel holds the index of its slice."""
    values = torch.arange(depth, dtype=torch.float32).expand(1, 4, 3, depth).clone()
    affine = torch.tensor([[2.0, 0, 1, 10], [0, 2, 3, 20], [0, 0, 8, 30], [0, 0, 0, 1]], dtype=torch.float64)
    return MetaTensor(values, affine=affine)


def item(present: tuple[int, ...] = (2, 4)) -> dict[str, Any]:
    label = torch.zeros(1, 4, 3, DEPTH)
    label[0, 1, 1, list(present)] = 1
    return {"image": volume(), "label": MetaTensor(label, affine=volume().affine)}


def drawn(transform: RandSliced, data: dict[str, Any], number: int = 300) -> Counter[int]:
    return Counter(int(transform(data)["image"][0, 0, 0]) for _ in range(number))


def test_a_slice_keeps_its_place_in_space() -> None:
    whole = volume()
    taken = take_slice(whole, 2)
    assert taken.shape == (1, 4, 3)
    assert (taken == 2).all()
    np.testing.assert_allclose(taken.affine[:, 3], [10 + 2, 20 + 6, 30 + 16, 1])
    np.testing.assert_allclose(taken.affine[:, :3], whole.affine[:, :3])
    np.testing.assert_allclose(whole.affine[:, 3], [10, 20, 30, 1])  # the volume's own is left as it was


def test_the_named_slice_is_taken() -> None:
    done = SelectSliced(["image", "label"])({**item(), "slice": 4})
    assert (done["image"] == 4).all()
    assert done["label"].shape == (1, 4, 3)
    assert done["label"].sum() == 1


def test_items_without_a_name_and_2d_images_pass() -> None:
    data = item()
    assert SelectSliced("image")(data)["image"] is data["image"]
    flat = {"image": torch.zeros(1, 4, 3), "slice": 9}
    for transform in (SelectSliced("image"), RandSliced("image", object_key="image")):
        assert transform(flat)["image"] is flat["image"]


def test_every_slice_is_equally_likely() -> None:
    counts = drawn(RandSliced(["image", "label"]).set_random_state(0), item(), 600)
    assert set(counts) == set(range(DEPTH))
    assert max(abs(count - 100) for count in counts.values()) < 40  # 4 standard deviations


@pytest.mark.parametrize(
    ("prob", "present", "share"),
    [(1.0, (2, 4), 1.0), (0.5, (2, 4), 0.5 + 0.5 * 2 / 6), (0.0, (2, 4), 2 / 6), (1.0, (), None)],
)
def test_slices_with_the_object_are_preferred(prob: float, present: tuple[int, ...], share: float | None) -> None:
    transform = RandSliced(["image", "label"], object_key="label", object_prob=prob).set_random_state(0)
    counts = drawn(transform, item(present), 600)
    if share is None:  # no object anywhere: any slice
        assert set(counts) == set(range(DEPTH))
    else:
        assert (counts[2] + counts[4]) / 600 == pytest.approx(share, abs=0.07)


def test_one_draw_serves_all_keys_and_the_seed_fixes_it() -> None:
    transform = RandSliced(["image", "label"], object_key="label")
    sequences = []
    for _ in range(2):
        transform.set_random_state(5)
        done = [transform(item()) for _ in range(10)]
        assert all(one["label"].sum() == 1 for one in done)
        sequences.append([int(one["image"][0, 0, 0]) for one in done])
    assert sequences[0] == sequences[1]


def test_the_cache_keeps_volumes_and_draws_anew() -> None:
    chain = Compose([SelectSliced("image"), RandSliced("image")]).set_random_state(0)
    data = CacheDataset([{"image": volume()}, {"image": volume(), "slice": 3}], chain, progress=False)
    assert len({int(data[0]["image"][0, 0, 0]) for _ in range(30)}) > 3
    assert {int(data[1]["image"][0, 0, 0]) for _ in range(5)} == {3}


@pytest.mark.parametrize(
    ("transform", "data", "text"),
    [
        (SelectSliced("image"), {"image": volume(), "slice": 6}, "`image`: `index` must be 0 to 5, got 6"),
        (SelectSliced("image"), {"image": volume(), "slice": -1}, "`image`: `index` must be 0 to 5, got -1"),
        (RandSliced("image"), {"image": torch.zeros(2, 2)}, r"`image`: a volume must have shape \[C, W, H, D\]"),
        (RandSliced(["a", "b"]), {"a": volume(), "b": volume(4)}, r"the volumes must have one depth, got \[4, 6\]"),
    ],
)
def test_bad_items(transform: Any, data: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        transform(data)


def test_bad_probability() -> None:
    with pytest.raises(ValueError, match=r"`object_prob` must be 0 to 1, got 1.5"):
        RandSliced("image", object_prob=1.5)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((8, 6, 5), (16, 12, 5)), ((6, 8, 40), (12, 16, 40)), ((32, 20), (16, 10)), ((20, 32, 3), (10, 16, 3))],
)
def test_long_side_in_the_plane(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    image = MetaTensor(torch.rand(1, *shape), affine=torch.diag(torch.tensor([2.0, 2, 9, 1])))
    done = ResizeInPlane(16)(image)
    assert done.shape[1:] == expected
    factor = shape[0] / expected[0]
    spacing = torch.linalg.norm(done.affine[:3, :3], dim=0)
    np.testing.assert_allclose(spacing, [2 * factor, 2 * factor, 9], rtol=1e-6)


def test_slices_do_not_mix() -> None:
    image = torch.arange(4.0).expand(1, 8, 6, 4)
    torch.testing.assert_close(ResizeInPlane(16, anti_aliasing=True)(image), torch.arange(4.0).expand(1, 16, 12, 4))


def test_resize_is_undone_and_labels_keep_their_values() -> None:
    data = {"image": MetaTensor(torch.rand(1, 12, 8, 3)), "label": MetaTensor(torch.randint(0, 4, (1, 12, 8, 3)))}
    transform = Compose([ResizeInPlaned(["image", "label"], 24, mode=["bilinear", "nearest"])])
    done = transform(data)
    assert done["image"].shape == done["label"].shape == (1, 24, 16, 3)
    np.testing.assert_array_equal(done["label"], data["label"].repeat_interleave(2, 1).repeat_interleave(2, 2))
    done["pred"] = done["label"].clone()
    back = Invertd("pred", transform, orig_keys="label", nearest_interp=True)(done)
    np.testing.assert_array_equal(back["pred"], data["label"])


@pytest.mark.parametrize(("side", "expected"), [(9, 16), (10, 10), (20, 20), (21, 16)])
def test_a_fitting_image_keeps_its_pixels(side: int, expected: int) -> None:
    image = torch.rand(1, side, 5, 3)
    done = ResizeInPlane(16, keep_px=(10, 20))(image)
    assert done.shape[1] == expected
    if side == expected:
        assert torch.equal(done, image)


def test_bad_resize() -> None:
    with pytest.raises(ValueError, match=r"`keep_px` must be \(least, greatest\), got \(20, 10\)"):
        ResizeInPlane(16, keep_px=(20, 10))
    with pytest.raises(ValueError, match="`long_side_px` must be >= 1, got 0"):
        ResizeInPlane(0)
    with pytest.raises(ValueError, match=r"an image must have shape \[C, W, H\] or \[C, W, H, D\], got \(1, 4\)"):
        ResizeInPlane(8)(torch.zeros(1, 4))
