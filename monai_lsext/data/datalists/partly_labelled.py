"""Labels of some patients taken away, to learn from unlabelled images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["partly_labelled"]


def partly_labelled(
    items: Sequence[dict[str, Any]],
    share: float | None = None,
    seed: int = 0,
    unlabelled: bool = True,
    balanced: bool = False,
    kept: Sequence[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """The items, of which only a share of the patients keeps its labels.

    A patient's items stay together ("patient", or where it is not given "case"). With one seed a smaller share lies
    inside a larger one. At least one patient keeps its labels.

    Args:
        items: data list, {"image", "label", "case", ..}; an item without "label" is unlabelled already.
        share: of the patients with labels, in (0, 1]; None (default): all keep them.
        seed: seed of the draw, default 0.
        unlabelled: whether items without a label stay in the list, default True.
        balanced: whether labelled items are repeated as long as that makes them no more than the unlabelled, so that
            about half of a batch has labels; default False.
        kept: the items whose labels stay, known by "image" and "slice", instead of a share; None (default): by share.

    Raises:
        ValueError: for a share out of range, a share beside ``kept``, or items of ``kept`` that are not in the list.
    """
    if share is not None and not 0 < share <= 1:
        raise ValueError(f"`share` must lie in (0, 1], got {share}")
    if share is not None and kept is not None:
        raise ValueError(f"`share` and `kept` exclude each other, got a share of {share}")
    wanted = {_identity(item) for item in (_of_some_patients(items, share, seed) if kept is None else kept)}
    if foreign := wanted - {_identity(item) for item in items}:
        raise ValueError(f"`kept` must hold items of the list alone, got {len(foreign)} others")
    hidden = [
        item if _identity(item) in wanted else {key: value for key, value in item.items() if key != "label"}
        for item in items
    ]
    labelled = [item for item in hidden if "label" in item]
    if not unlabelled:
        return labelled
    repeats = (len(hidden) - len(labelled)) // len(labelled) - 1 if balanced and labelled else 0
    return hidden + labelled * max(repeats, 0)


def _of_some_patients(items: Sequence[dict[str, Any]], share: float | None, seed: int) -> list[dict[str, Any]]:
    patients = sorted({_patient(item) for item in items if "label" in item})
    order = np.random.default_rng(seed).permutation(len(patients))
    number = len(patients) if share is None else max(1, round(share * len(patients)))
    names = {patients[index] for index in order[:number]}
    return [item for item in items if _patient(item) in names]


def _identity(item: dict[str, Any]) -> tuple[str, Any]:
    return str(item["image"]), item.get("slice")


def _patient(item: dict[str, Any]) -> str:
    return str(item.get("patient", item.get("case", item["image"])))
