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

    Raises:
        ValueError: for a share out of range.
    """
    if share is not None and not 0 < share <= 1:
        raise ValueError(f"`share` must lie in (0, 1], got {share}")
    patients = sorted({_patient(item) for item in items if "label" in item})
    order = np.random.default_rng(seed).permutation(len(patients))
    number = len(patients) if share is None else max(1, round(share * len(patients)))
    kept = {patients[index] for index in order[:number]}
    hidden = [
        item if _patient(item) in kept else {key: value for key, value in item.items() if key != "label"}
        for item in items
    ]
    labelled = [item for item in hidden if "label" in item]
    if not unlabelled:
        return labelled
    repeats = (len(hidden) - len(labelled)) // len(labelled) - 1 if balanced and labelled else 0
    return hidden + labelled * max(repeats, 0)


def _patient(item: dict[str, Any]) -> str:
    return str(item.get("patient", item.get("case", item["image"])))
