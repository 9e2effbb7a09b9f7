"""Table of two evaluated runs on the same cases, with a paired t-test."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from scipy.stats import ttest_rel

__all__ = ["compare_runs", "read_metric"]


def read_metric(path: str | Path) -> dict[str, dict[str, float]]:
    """Read one ``<metric>_raw.csv`` of MONAI's ``MetricsSaver``.

    Args:
        path: CSV whose first column is the file name of the case, then one column a class.

    Returns:
        {class name: {case: value}}; the column ``mean`` over classes is left out when there are several classes.

    Raises:
        ValueError: when the file has no case.
    """
    with open(path, newline="") as stream:
        rows = list(csv.DictReader(stream))
    if not rows:
        raise ValueError(f"{Path(path).name} holds no case")
    case_column, *classes = rows[0]
    classes = [name for name in classes if name != "mean"] or classes
    return {name: {Path(row[case_column]).name: float(row[name]) for row in rows} for name in classes}


def compare_runs(run: str | Path, rival: str | Path, class_names: list[str] | None = None) -> str:
    """Markdown table: per metric and class mean, standard deviation, min and median of both runs, and p.

    p is the two-sided paired t-test over the cases that both runs measured (``scipy.stats.ttest_rel``).

    Args:
        run: folder with the ``*_raw.csv`` of the run.
        rival: folder of the run to compare with.
        class_names: names for class0, class1, ...; default the columns' own.

    Returns:
        The table as text, one row a metric and class.

    Raises:
        ValueError: when a folder holds no ``*_raw.csv``, or the two share no metric or case.
    """
    lines = [
        "| metric | class | n | ours: mean ± sd | min | median | rival: mean ± sd | min | median | paired t-test p |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    ours, theirs = _metrics(run), _metrics(rival)
    shared = [name for name in ours if name in theirs]
    if not shared:
        raise ValueError(f"no metric in common: {sorted(ours)} and {sorted(theirs)}")
    for metric in shared:
        for index, (name, values) in enumerate(ours[metric].items()):
            other = theirs[metric].get(name, {})
            cases = [c for c in values if np.isfinite(values[c]) and np.isfinite(other.get(c, np.nan))]
            if not cases:
                raise ValueError(f"the two runs share no case of {metric}, {name}")
            pair = [np.array([source[c] for c in cases]) for source in (values, other)]
            p = ttest_rel(*pair).pvalue if len(cases) > 1 else float("nan")
            label = class_names[index] if class_names and len(ours[metric]) == len(class_names) else name
            cells = [metric, label, str(len(cases)), *_summary(pair[0]), *_summary(pair[1]), f"{p:.2g}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _summary(values: np.ndarray) -> list[str]:
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    return [f"{values.mean():.4f} ± {deviation:.4f}", f"{values.min():.4f}", f"{np.median(values):.4f}"]


def _metrics(folder: str | Path) -> dict[str, dict[str, dict[str, float]]]:
    files = sorted(Path(folder).glob("*_raw.csv"))
    if not files:
        raise ValueError(f"no *_raw.csv in {folder}; run evaluate.yaml first")
    return {path.name.removesuffix("_raw.csv"): read_metric(path) for path in files}
