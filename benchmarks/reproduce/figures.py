"""The figures that are kept in ``benchmarks/results``, and what is worked out from them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_rel

from benchmarks.reproduce.published import Metric
from benchmarks.reproduce.steps import RESULTS
from benchmarks.stored import read_result, row_name


@dataclass(frozen=True)
class Figures:
    """What one method has: the record of a step, or a row of a benchmark."""

    source: str
    record: dict[str, Any]

    def column(self, metric: Metric) -> tuple[np.ndarray, list[str]]:
        """Values of the cases that count, and the groups of these cases; of an overall figure one value."""
        name = metric.measure
        if name not in self.record["values"]:
            value = self.record["overall"].get(name, self.record.get(name))
            return np.array([] if value is None else [value], dtype=float), [] if value is None else [""]
        keep = [bool(re.search(metric.cases, case)) for case in self.record["cases"]]
        values = np.array(self.record["values"][name], dtype=float)[keep]
        return values, [group for group, kept in zip(self.record["groups"], keep, strict=True) if kept]

    def measures(self, metric: Metric) -> bool:
        """Whether there is a finite value."""
        return bool(np.isfinite(self.column(metric)[0]).any())

    def mean(self, metric: Metric) -> float:
        """In the paper's unit, over the cases where it is finite."""
        values = self.column(metric)[0]
        return metric.scale * float(values[np.isfinite(values)].mean())

    def mean_and_deviation(self, metric: Metric) -> str:
        values = metric.scale * self.column(metric)[0]
        finite = values[np.isfinite(values)]
        mean = f"{finite.mean():,.{metric.digits}f}"
        return f"{mean} ± {finite.std(ddof=1):.{metric.digits}f}" if len(finite) > 1 else mean

    def count(self, metric: Metric) -> str:
        """Of cases; of how many where some have no finite value."""
        values = self.column(metric)[0]
        finite = int(np.isfinite(values).sum())
        return "" if len(values) < 2 else str(finite) if finite == len(values) else f"{finite} of {len(values)}"


def paired(ours: Figures, rival: Figures, metric: Metric) -> tuple[float, int] | None:
    """p of the two-sided paired t-test over the groups that both have, their cases averaged, and the number of them."""
    means = [_by_group(*figures.column(metric)) for figures in (ours, rival)]
    shared = sorted(means[0].keys() & means[1].keys() - {""})
    if len(shared) < 2:
        return None
    first, second = ([mean[group] for group in shared] for mean in means)
    return float(ttest_rel(first, second).pvalue), len(shared)


def _by_group(values: np.ndarray, groups: list[str]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        if np.isfinite(value):
            found.setdefault(group, []).append(float(value))
    return {group: float(np.mean(several)) for group, several in found.items()}


def kept(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Records of the steps by name."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return {record["step"]: record for record in records}


def benches(folder: Path = RESULTS.parent) -> dict[str, dict[str, Any]]:
    """Rows of the benchmarks as records, ``bench:rls:RLS conv, 64x64, 1``."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        for row in read_result(path)["rows"]:
            found[f"bench:{path.stem}:{row_name(row)}"] = {"values": {}, "overall": row}
    return found


def find(sources: list[str], steps: dict[str, dict[str, Any]], rows: dict[str, dict[str, Any]]) -> Figures | None:
    """Of the first source that has been measured."""
    for source in sources:
        if source in rows:
            return Figures(source, rows[source])
        name, _, method = source.partition(":")
        if method in steps.get(name, {}).get("methods", {}):
            return Figures(source, steps[name]["methods"][method])
    return None
