"""DRISHTI-GS1: fundus images with the optic disc and the optic cup."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .folds import cross_validation_part

__all__ = ["drishti_gs1_datalist", "drishti_gs1_label"]

VIEW_FOLDERS = {"crop": "roi", "full": "full"}
SPLITS = ("Training", "Test")


def drishti_gs1_datalist(
    dataset_dir: str | Path,
    split: str = "Training",
    view: str = "crop",
    num_folds: int = 5,
    fold: int | None = None,
    part: str = "all",
    seed: int = 0,
) -> list[dict[str, str]]:
    """Cases of one split, in the order of ``index.csv``; validation folds are taken inside the split.

    The folder holds ``index.csv`` (columns ``case`` and ``split``; areas ``px_disc`` and ``px_cup`` are checked
    where given) and ``roi/images``, ``roi/labels`` (crops around the disc), ``full/images``, ``full/labels``
    (whole photographs, where there are any) with one ``<case>.png`` each. Label: 0 background, 1 disc rim, 2 cup.

    Args:
        dataset_dir: the folder.
        split: ``Training`` or ``Test``, the data set's own.
        view: ``crop`` or ``full``; ``full`` lists the cases that have a whole photograph.
        num_folds: number of folds, default 5.
        fold: validation fold, 0 to ``num_folds`` - 1; None: none is held back.
        part: ``all``, ``train`` or ``val``; see :func:`cross_validation_part`.
        seed: seed of the folds.

    Returns:
        list of {"image", "label", "case"}.

    Raises:
        FileNotFoundError: for a missing folder, ``index.csv`` or listed files, naming them.
        ValueError: for an unknown option, missing columns, an empty split, or a case without disc or cup.

    Reference:
        Sivaswamy et al., Drishti-GS: retinal image dataset for optic nerve head segmentation, ISBI 2014.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {list(SPLITS)}, got {split!r}")
    if view not in VIEW_FOLDERS:
        raise ValueError(f"`view` must be one of {sorted(VIEW_FOLDERS)}, got {view!r}")
    root = Path(dataset_dir)
    folder = root / VIEW_FOLDERS[view]
    cases = [row["case"] for row in _index(root) if row["split"] == split]
    if view == "full":
        cases = [case for case in cases if (folder / "images" / f"{case}.png").is_file()]
    if not cases:
        raise ValueError(f"{root} has no case of split {split!r} in view {view!r}")
    items = [{name: str(folder / f"{name}s" / f"{case}.png") for name in ("image", "label")} for case in cases]
    missing = [path for item in items for path in item.values() if not Path(path).is_file()]
    if missing:
        raise FileNotFoundError(f"{len(missing)} files listed in index.csv are missing: {', '.join(missing[:5])}")
    listed = [{**item, "case": case} for item, case in zip(items, cases, strict=True)]
    return cross_validation_part(listed, part, fold, num_folds, seed)


def _index(root: Path) -> list[dict[str, str]]:
    path = root / "index.csv"
    if not path.is_file():
        raise FileNotFoundError(f"expected DRISHTI-GS1's list of cases at {path}, but there is none")
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        absent = {"case", "split"} - set(reader.fieldnames or ())
        if absent:
            raise ValueError(f"{path} must have the columns case and split, missing: {', '.join(sorted(absent))}")
        rows = list(reader)
    for row in rows:
        empty = [name for name in ("disc", "cup") if row.get(f"px_{name}") == "0"]
        if empty:
            raise ValueError(f"{path}: the label of case {row['case']} has no {' and no '.join(empty)}")
    return rows


def drishti_gs1_label(
    disc_softmap: NDArray[np.uint8], cup_softmap: NDArray[np.uint8], min_share: float = 0.7
) -> NDArray[np.uint8]:
    """Label map from the published soft maps (share of the experts, 0 to 255): 0 background, 1 disc rim, 2 cup.

    Args:
        disc_softmap: ``<case>_ODsegSoftmap.png``, grey, 8 bit.
        cup_softmap: ``<case>_cupsegSoftmap.png``, of the same size.
        min_share: least share of the experts, 0 to 1; default 0.7: three of four. The cup is cut at the disc.
    """
    disc, cup = (softmap >= 255 * min_share for softmap in (disc_softmap, cup_softmap))
    return (disc.astype(np.uint8) + (disc & cup)).astype(np.uint8)
