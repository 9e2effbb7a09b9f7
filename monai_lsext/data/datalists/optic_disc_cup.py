"""Data list of the optic disc and cup task, from DRISHTI-GS1 or a user's own images."""

from __future__ import annotations

from pathlib import Path

from .drishti_gs1 import drishti_gs1_datalist
from .image_folder import image_folder_part

__all__ = ["optic_disc_cup_datalist"]

PARTS = ("all", "train", "val", "test")


def optic_disc_cup_datalist(
    dataset_dir: str | Path,
    part: str = "train",
    fold: int | None = 0,
    num_folds: int = 5,
    seed: int = 0,
    view: str = "crop",
    test_fraction: float = 0.2,
) -> list[dict[str, str]]:
    """One part of the data in a folder; training, validation and test never share a case.

    A folder with ``index.csv`` is read as DRISHTI-GS1 (its Test split is ``test``), any other as ``images/`` and
    ``labels/``, of which a random ``test_fraction`` is ``test``, the same for every ``seed``. The folds lie in
    the rest.

    Args:
        dataset_dir: the folder.
        part: ``train``, ``val``, ``test``, or ``all`` of training and validation.
        fold: validation fold, 0 to ``num_folds`` - 1; None: ``train`` and ``val`` are both all of the training split.
        num_folds: number of folds, default 5.
        seed: seed of the folds.
        view: ``crop`` or ``full``, for DRISHTI-GS1.
        test_fraction: share of a user's own images that is held back, 0 < share < 1.

    Returns:
        list of {"image", "label", "case"}.

    Raises:
        FileNotFoundError: for a missing folder or files, naming them.
        ValueError: for an unknown option, or too few cases.
    """
    if part not in PARTS:
        raise ValueError(f"`part` must be one of {list(PARTS)}, got {part!r}")
    root = Path(dataset_dir)
    if not root.is_dir():
        raise FileNotFoundError(f"`dataset_dir` must be an existing folder, got {root}")
    if (root / "index.csv").is_file():
        if part == "test":
            return drishti_gs1_datalist(root, "Test", view)
        return drishti_gs1_datalist(root, "Training", view, num_folds, fold, part, seed)
    return image_folder_part(root, part, fold, num_folds, seed, test_fraction)
