"""Windows of three slices as channels, runs of slices, a slice as a volume, grey values by the kind of file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, EnsureChannelFirstd, Invertd, LoadImaged, Orientationd
from PIL import Image

from monai_lsext.transforms import AsVolumed, RandSliceRund, RandSliceWindowd, WindowIntensityd

pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")
DEPTH = 6


def item(depth: int = DEPTH, shown: tuple[int, ...] = ()) -> dict:
    """Slice t of the image has the value t; the label shows the object in some slices."""
    image = torch.arange(depth).expand(1, 4, 5, depth).float()
    label = torch.zeros(1, 4, 5, depth)
    label[..., list(shown)] = 1
    affine = torch.diag(torch.tensor([1.0, 1, 2, 1], dtype=torch.float64))
    return {"image": MetaTensor(image.clone(), affine=affine), "label": MetaTensor(label, affine=affine)}


def channels(sample: dict) -> list[int]:
    assert sample["image"].shape == (3, 4, 5)
    return [int(value) for value in sample["image"][:, 0, 0]]


def test_windows_hold_the_slice_between_its_neighbours() -> None:
    draw = RandSliceWindowd("image", num_samples=60, object_prob=0).set_random_state(0)
    samples = draw(item())
    windows = {tuple(channels(sample)) for sample in samples}
    assert windows == {(max(t - 1, 0), t, min(t + 1, DEPTH - 1)) for t in range(DEPTH)}
    for sample in samples:
        assert sample["label"].shape == (1, 4, 5)
        assert sample["label"].affine[2, 3] == 2 * channels(sample)[1]


def test_label_is_that_of_the_middle_slice() -> None:
    for sample in RandSliceWindowd("image", num_samples=30, object_prob=0).set_random_state(0)(item(shown=(2, 3))):
        assert bool(sample["label"].all()) is (channels(sample)[1] in (2, 3))


def test_object_prob_is_the_share_of_slices_with_the_object() -> None:
    draw = RandSliceWindowd("image", num_samples=600, object_prob=0.7).set_random_state(0)
    shown = [channels(sample)[1] == 4 for sample in draw(item(shown=(4,)))]
    assert np.mean(shown) == pytest.approx(0.7 + 0.3 / DEPTH, abs=0.05)
    assert len(RandSliceWindowd("image", num_samples=2, object_prob=1)(item())) == 2  # no object: any slice


def test_one_slice_gives_three_equal_channels() -> None:
    (sample,) = RandSliceWindowd("image")(item(1))
    assert channels(sample) == [0, 0, 0]


def test_runs_hold_a_slice_with_the_object_and_keep_their_place() -> None:
    draw = RandSliceRund(["image", "label"], 3).set_random_state(0)
    starts = set()
    for _ in range(60):
        run = draw(item(shown=(4,)))
        values = run["image"][0, 0, 0].int().tolist()
        assert values == list(range(values[0], values[0] + 3))
        assert 4 in values
        assert run["label"][..., values.index(4)].all()
        assert run["image"].affine[2, 3] == run["label"].affine[2, 3] == 2 * values[0]
        starts.add(values[0])
    assert starts == {2, 3}  # slice 4 first would need slice 6
    assert RandSliceRund(["image", "label"], 9)(item())["image"].shape[-1] == DEPTH


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandSliceWindowd("image", num_samples=0), "`num_samples` must be >= 1, got 0"),
        (lambda: RandSliceWindowd("image", object_prob=2), "`object_prob` must be 0 to 1, got 2"),
        (lambda: RandSliceRund("image", 0), "`length` must be >= 1, got 0"),
        (lambda: WindowIntensityd("image", [3, 3]), r"`window` must be \(low, high\) with low < high, got \[3, 3\]"),
        (lambda: AsVolumed("image")({"image": MetaTensor(torch.zeros(2, 2))}), r"`image` must have shape \[C, W, H\]"),
        (
            lambda: RandSliceWindowd("image")({**item(), "image": MetaTensor(torch.zeros(2, 4, 5, DEPTH))}),
            r"`image` must have one channel, got shape \(2, 4, 5, 6\)",
        ),
    ],
)
def test_bad_arguments(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_picture_becomes_a_volume_and_comes_back(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "slice.png")
    chain = Compose(
        [
            LoadImaged("image", reader="PILReader"),
            EnsureChannelFirstd("image"),
            AsVolumed("image"),
            Orientationd("image", axcodes="LAS", labels=None),
            WindowIntensityd("image", (-100, 0)),
        ]
    )
    data = chain({"image": str(tmp_path / "slice.png")})
    assert data["image"].shape == (1, 4, 6, 1)
    assert np.allclose(data["image"][0, :, :, 0], pixels.T / 255)  # as it lies, and not by the window of volumes
    data["pred"] = data["image"].clone()
    back = Invertd("pred", chain, "image", nearest_interp=False)(data)["pred"]
    assert back.shape == (1, 4, 6)
    assert np.allclose(back[0], pixels.T / 255)


def test_a_volume_passes_and_is_windowed() -> None:
    as_volume = AsVolumed("image")
    data = as_volume({"image": MetaTensor(torch.tensor([-200.0, -100, 0, 75, 500]).view(1, 1, 1, 5))})
    data = WindowIntensityd("image", (-100, 200))(data)
    assert torch.allclose(data["image"].flatten(), torch.tensor([0, 0, 1 / 3, 175 / 300, 1]))
    assert as_volume.inverse(data)["image"].shape == (1, 1, 1, 5)


def test_a_flat_nifti_keeps_its_place() -> None:
    affine = torch.tensor([[0, 2.0, 0, 5], [3, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]], dtype=torch.float64)
    data = AsVolumed("image")({"image": MetaTensor(torch.zeros(1, 4, 6), affine=affine)})
    assert torch.equal(data["image"].affine, affine)
