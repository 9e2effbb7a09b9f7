"""The papers' figures, from ``published.yaml``, which says how it is to be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class Metric:
    """How a column of a paper is measured here."""

    measure: str = ""
    kind: str = ""
    scale: float = 1.0
    digits: int = 3
    lower: bool = False
    cases: str = ""
    why: str = ""

    @classmethod
    def read(cls, given: dict[str, str]) -> Metric:
        kind, _, measure = given.get("measure", "").rpartition(":")
        if kind not in ("", "p", "ratio", "times"):
            kind, measure = "", given["measure"]
        return cls(
            measure=measure,
            kind=kind,
            scale=float(given.get("scale", 1)),
            digits=int(given.get("digits", 3)),
            lower=given.get("lower") == "true",
            cases=given.get("cases", ""),
            why=given.get("why", ""),
        )


@dataclass(frozen=True)
class Published:
    """One figure of a paper as printed, value ± deviation in the metric's unit; ``why`` it is not measured."""

    method: str
    metric: str
    text: str
    why: str = ""


@dataclass(frozen=True)
class Claim:
    """What the paper says of two methods, and the likely cause where it does not hold."""

    better: str
    than: str
    metric: str
    cause: str


@dataclass(frozen=True)
class Table:
    """A table of a paper, or one of ours that continues it."""

    title: str
    data: str
    here: str
    metrics: dict[str, Metric]
    rows: list[Published]
    sources: dict[str, list[str]] = field(default_factory=dict)
    rivals: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    pairs: str = ""
    claims: list[Claim] = field(default_factory=list)

    @classmethod
    def read(cls, given: dict[str, Any]) -> Table:
        metrics = {name: Metric.read(one or {}) for name, one in given["metrics"].items()}
        not_here = given.get("not_here", {})
        rows = [
            Published(method, metric, text, not_here.get(method) or metrics[metric].why)
            for method, texts in given["rows"].items()
            for metric, text in texts.items()
        ]
        rivals = given.get("rivals", {})
        if isinstance(rivals, str):  # the same for all others
            rivals = {method: rivals for method in given["rows"] if method != rivals}
        parts = {key: given[key] for key in ("title", "data", "here", "sources", "named", "pairs") if key in given}
        claims = [Claim(**claim) for claim in given.get("claims", [])]
        return cls(**parts, metrics=metrics, rows=rows, rivals=rivals, claims=claims)


@dataclass(frozen=True)
class Paper:
    """A paper's tables, and the tasks whose steps measure them."""

    title: str
    source: str
    tasks: list[str]
    tables: list[Table]


def papers(path: Path = FILE) -> list[Paper]:
    """All papers; every text is as written in the file."""
    given = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    return [Paper(**{**paper, "tables": [Table.read(table) for table in paper["tables"]]}) for paper in given]
