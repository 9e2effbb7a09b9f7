"""Labels hidden by patient."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from monai_lsext.data.datalists import partly_labelled

ITEMS: list[dict[str, Any]] = [
    {"image": f"{p}{k}.png", "label": f"{p}{k}_l.png", "case": f"{p}{k}", "patient": p}
    for p in "abcdefghij"
    for k in (0, 1)
]


def labelled(items: list[dict[str, Any]]) -> set[str]:
    return {item["patient"] for item in items if "label" in item}


@pytest.mark.parametrize(("share", "number"), [(0.1, 1), (0.01, 1), (0.5, 5), (0.3, 3), (1.0, 10), (None, 10)])
def test_a_share_of_the_patients_keeps_its_labels(share: float | None, number: int) -> None:
    items = partly_labelled(ITEMS, share, seed=1)
    assert len(labelled(items)) == number
    for before, after in zip(ITEMS, items, strict=True):  # nothing else changes, a patient stays whole
        assert {**before, "label": None} == {**after, "label": None}
        assert ("label" in after) == (after["patient"] in labelled(items))


def test_the_items_themselves_are_left_as_they_were() -> None:
    partly_labelled(ITEMS, 0.1)
    assert all("label" in item for item in ITEMS)


def test_a_smaller_share_lies_inside_a_larger_one_and_seeds_differ() -> None:
    draws = [labelled(partly_labelled(ITEMS, share, seed=3)) for share in (0.1, 0.3, 0.5, 0.8)]
    assert all(small < large for small, large in pairwise(draws))
    assert len({frozenset(labelled(partly_labelled(ITEMS, 0.3, seed))) for seed in range(8)}) > 1


def test_unlabelled_items_can_be_left_out() -> None:
    items = partly_labelled(ITEMS, 0.3, seed=2, unlabelled=False)
    assert len(items) == 6
    assert labelled(items) == labelled(partly_labelled(ITEMS, 0.3, seed=2))


@pytest.mark.parametrize(("share", "times"), [(0.1, 9), (0.3, 2), (0.5, 1), (0.8, 1)])
def test_balanced_lists_repeat_what_is_labelled(share: float, times: int) -> None:
    items = partly_labelled(ITEMS, share, balanced=True)
    counts = Counter(item["image"] for item in items)
    assert {counts[item["image"]] for item in items if "label" in item} == {times}
    assert {counts[item["image"]] for item in items if "label" not in item} == {1}
    alone = partly_labelled(ITEMS, share, unlabelled=False, balanced=True)
    assert len(alone) == 20 * share


def test_what_has_no_label_stays_so_and_is_not_drawn() -> None:
    items: list[dict[str, Any]] = [{"image": "x.png", "case": "x"}, *ITEMS[:2]]
    assert ["label" in item for item in partly_labelled(items, 1.0)] == [False, True, True]
    assert ["label" in item for item in partly_labelled(items, 0.01, seed=5)] == [False, True, True]
    assert partly_labelled([{"image": "x.png"}]) == [{"image": "x.png"}]


@pytest.mark.parametrize("share", [0, -0.5, 1.01])
def test_a_share_out_of_range(share: float) -> None:
    with pytest.raises(ValueError, match=r"`share` must lie in \(0, 1\], got"):
        partly_labelled(ITEMS, share)


SLICES: list[dict[str, Any]] = [{"image": "v.nii", "label": "v_l.nii", "slice": index} for index in range(5)]


def test_named_slices_keep_their_labels() -> None:
    kept = [{"image": "v.nii", "slice": 3}, {"image": "v.nii", "slice": 1}]
    items = partly_labelled(SLICES, kept=kept)
    assert [item["slice"] for item in items if "label" in item] == [1, 3]
    assert partly_labelled(SLICES, kept=kept, unlabelled=False) == [SLICES[1], SLICES[3]]


def test_kept_items_must_be_in_the_list_and_stand_alone() -> None:
    with pytest.raises(ValueError, match="`kept` must hold items of the list alone, got 1 others"):
        partly_labelled(SLICES, kept=[{"image": "v.nii", "slice": 9}])
    with pytest.raises(ValueError, match=r"`share` and `kept` exclude each other, got a share of 0\.5"):
        partly_labelled(SLICES, 0.5, kept=SLICES[:1])
