"""Seeded cross-validation parts of a list of cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from monai.data import partition_dataset, select_cross_validation_folds

__all__ = ["cross_validation_part"]

T = TypeVar("T")


def cross_validation_part(
    items: Sequence[T], part: str, fold: int | None, num_folds: int = 5, seed: int = 0
) -> list[T]:
    """Training or validation part of a shuffled list that is cut into ``num_folds`` folds.

    Args:
        items: cases, in an order that does not depend on the machine.
        part: ``train`` (all folds but one), ``val`` (that one) or ``all`` (the list as it stands).
        fold: index of the validation fold, 0 to ``num_folds`` - 1; None: no fold is held back, so that ``train`` and
            ``val`` are both the whole list, and a score on ``val`` is a training score.
        num_folds: number of folds, 2 to the number of cases.
        seed: seed of the shuffle.

    Raises:
        ValueError: for an unknown part, a fold out of range, or fewer cases than folds.
    """
    if part not in ("all", "train", "val"):
        raise ValueError(f"`part` must be 'all', 'train' or 'val', got {part!r}")
    if part == "all" or fold is None:
        return list(items)
    if not 0 <= fold < num_folds:
        raise ValueError(f"`fold` must be 0 to {num_folds - 1}, got {fold}")
    if not 2 <= num_folds <= len(items):
        raise ValueError(
            f"`num_folds` must be 2 to the number of cases, {len(items)}, got {num_folds}: add cases, "
            "or give `fold` None (--fold '$None'), which trains on all"
        )
    folds = partition_dataset(list(items), num_partitions=num_folds, shuffle=True, seed=seed)
    chosen = [fold] if part == "val" else [other for other in range(num_folds) if other != fold]
    return select_cross_validation_folds(folds, chosen)
