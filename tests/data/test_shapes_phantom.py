"""Phantoms of shapes: the same seed gives the same bytes; objects touch, are whole and have one class."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from scipy.ndimage import label as components

from monai_lsext.data.phantoms import shapes_phantom


def test_same_seed_same_bytes() -> None:
    first, second, other = (shapes_phantom(seed) for seed in (7, 7, 8))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
    assert first.image.tobytes() != other.image.tobytes()


def test_objects() -> None:
    touching, kinds, count = 0, [], 0
    for seed in range(12):
        image, instances, classes = shapes_phantom(seed)
        assert image.shape == instances.shape == classes.shape == (96, 96)
        assert (classes > 0).tolist() == (instances > 0).tolist()
        for number in range(1, int(instances.max()) + 1):
            mask = instances == number
            assert components(mask)[1] == 1
            assert 80 < mask.sum() < 700
            kinds += np.unique(classes[mask]).tolist()
            assert image[mask].mean() > image[instances == 0].mean() + 30
            touching += bool((binary_dilation(mask) & (instances > 0) & ~mask).any())
            count += 1
    assert len(kinds) == count
    assert 0.3 < np.mean(np.array(kinds) == 1) < 0.7
    assert touching > count / 2


def test_an_empty_picture_and_an_own_size() -> None:
    phantom = shapes_phantom(0, (64, 80), num_objects=0)
    assert phantom.image.shape == (64, 80)
    assert not phantom.instances.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "`seed` must be >= 0, got -1"),
        ({"seed": 0, "size": (64, 63)}, r"`size` must be two numbers >= 64, got \(64, 63\)"),
        ({"seed": 0, "num_objects": -1}, "`num_objects` must be >= 0, got -1"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shapes_phantom(**arguments)
