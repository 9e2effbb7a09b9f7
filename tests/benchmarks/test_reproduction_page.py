"""``docs/reproduction.md``: worked by hand from given figures; nothing lost, nothing made up."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from benchmarks.reproduce.figures import Figures
from benchmarks.reproduce.page import PAGE, page
from benchmarks.reproduce.published import Metric, Paper, Table, papers
from benchmarks.reproduce.steps import Step

GIVEN = {
    "title": "Hearts",
    "data": "40 hearts",
    "here": "3 hearts",
    "pairs": "patients",
    "rivals": "U-Net",
    "sources": {
        "snake": ["toy/method", "toy/shipped"],
        "U-Net": ["toy/rival"],
        "slow": ["toy/late"],
        "fast": ["bench:toy:snake, 64x64"],
    },
    "named": {"U-Net": "a small one"},
    "not_here": {"expert": "no second expert"},
    "metrics": {
        "Dice, %": {"measure": "dice", "scale": "100", "digits": "1"},
        "HD, px": {"measure": "hd", "digits": "2", "lower": "true"},
        "p": {"measure": "p:dice"},
        "ms": {"measure": "median_ms", "digits": "1"},
    },
    "rows": {
        "snake": {"Dice, %": "91 ± 2", "HD, px": "", "p": "0.01"},
        "U-Net": {"Dice, %": "90"},
        "slow": {"Dice, %": "80"},
        "fast": {"ms": "7"},
        "expert": {"Dice, %": "95"},
    },
    "claims": [
        {"better": "snake", "than": "U-Net", "metric": "Dice, %", "cause": "too few hearts"},
        {"better": "U-Net", "than": "snake", "metric": "Dice, %", "cause": "too few hearts"},
        {"better": "snake", "than": "U-Net", "metric": "HD, px", "cause": "one heart is far off"},
        {"better": "slow", "than": "snake", "metric": "Dice, %", "cause": "not known"},
    ],
}
TABLE = Table.read(GIVEN)
TRAINING = Step("toy", "training", ("-m", "tool"), 60)
STEPS = [Step("toy", "method", ("-m", "tool", "$DATA/hearts"), 5), Step("toy", "late", (), 120, after=(TRAINING,))]


def method(dice: list[float], hd: list[float], parameters: int) -> dict[str, Any]:
    groups = ["a", "b", "c", "c"]
    cases = ["a_1", "b_1", "c_1", "c_2"]
    return {
        "parameters": parameters,
        "cases": cases,
        "groups": groups,
        "values": {"dice": dice, "hd": hd},
        "overall": {},
    }


def record(name: str, one: dict[str, Any], starts: int = 1) -> dict[str, Any]:
    environment = {"torch": "2.0", "gpu": None, "processor": "x86_64"}
    return {
        "step": name,
        "fingerprint": "0123",
        "starts": starts,
        "cpu_seconds": 90.0,
        "environment": environment,
        "methods": {"": one},
    }


# patients: snake 0.8, 0.9, 1.0, U-Net 0.7, 0.9, 0.8; differences 0.1, 0, 0.2: t = sqrt(3) with 2 degrees of freedom
RECORDS = {
    "toy/method": record("toy/method", method([0.8, 0.9, 1.0, 1.0], [1, 2, 3, float("inf")], 1234), 2),
    "toy/rival": record("toy/rival", method([0.7, 0.9, 0.7, 0.9], [1, 1, 1, 1], 99)),
}
ROWS = {"bench:toy:snake, 64x64": {"values": {}, "overall": {"median_ms": 6.54}}}
EXPECTED = """### Hearts

Paper: 40 hearts. Here: 3 hearts.
Paired over patients.

| method | metric | published | ours | n | rival in the same run | p | measured by |
| --- | --- | --- | --- | --- | --- | --- | --- |
| snake | Dice, % | 91 ± 2 | 92.5 ± 9.6 | 4 | U-Net: 80.0 ± 11.5 | 0.23 (3) | `toy/method` |
| snake | HD, px | not given | 2.00 ± 1.00 | 3 of 4 | U-Net: 1.00 ± 0.00 | 0.23 (3) | `toy/method` |
| snake | p | 0.01 | 0.23 (3) |  |  |  | `toy/method` |
| U-Net (a small one) | Dice, % | 90 | 80.0 ± 11.5 | 4 |  |  | `toy/rival` |
| slow | Dice, % | 80 | not measured: needs `make reproduce TASK=toy/late` (about 3.0 CPU hours) |  |  |  |  |
| fast | ms | 7 | 6.5 |  |  |  | `bench:toy:snake, 64x64` |
| expert | Dice, % | 95 | not measured: no second expert |  |  |  |  |

- snake better than U-Net in Dice, %: **holds**, but no difference is shown (92.5 against 80.0, p 0.23).
- U-Net better than snake in Dice, %: **does not hold** (80.0 against 92.5, p 0.23). Likely cause: too few hearts.
- snake better than U-Net in HD, px: **does not hold** (2.00 against 1.00, p 0.23). Likely cause: one heart is far off.
- slow better than snake in Dice, %: **not measured yet**.
"""
EXPECTED_STEPS = """### Steps of Toy

| step | run | CPU minutes | parameters | configs |
| --- | --- | --- | --- | --- |
| toy/method | torch 2.0, x86_64 | 1.5 (the last start's) | 1,234 | 0123 |
| toy/late | not yet | about 120 | | |

```bash
# toy/method
python -m tool $LSEXT_DATA/hearts
# toy/late
python
```
"""


def test_page_of_given_figures_is_the_one_worked_by_hand() -> None:
    text = page([Paper("Toy", "Nobody, 2000", ["toy"], [TABLE])], STEPS, RECORDS, ROWS)
    assert text[text.index("## Toy") :] == f"## Toy\n\n*Nobody, 2000.*\n\n{EXPECTED}\n{EXPECTED_STEPS}"


def test_ratios_and_cases() -> None:
    one = Figures("", method([1, 2, 3, 6], [1, 1, 1, 1], 10))
    assert one.mean(Metric.read({"measure": "dice", "cases": "_1$"})) == 2
    assert Metric.read({"measure": "ratio:dice"}).kind == "ratio"
    assert Metric.read({"measure": "mAP@[.5:.95]"}) == Metric(measure="mAP@[.5:.95]")
    assert one.mean(Metric(measure="parameters")) == 10
    sources = {"a": ["bench:t:a"], "b": ["bench:t:b"]}
    metrics = {"faster": {"measure": "ratio:ms", "digits": "1"}, "times": {"measure": "times:ms", "digits": "2"}}
    given = {"title": "T", "data": "", "here": "here", "rivals": "b", "rows": {"a": {"faster": "3", "times": "0.3"}}}
    found = {f"bench:t:{name}": {"values": {}, "overall": {"ms": ms}} for name, ms in (("a", 2), ("b", 5))}
    table = Table.read({**given, "sources": sources, "metrics": metrics})
    text = page([Paper("P", "", [], [table])], [], {}, found)
    assert "| a | faster | 3 | 2.5 |" in text
    assert "| a | times | 0.3 | 0.40 |" in text


@pytest.mark.parametrize("measured", [False, True])
def test_every_published_row_stands_on_the_page_once_measured_or_with_a_reason(measured: bool) -> None:
    for paper in papers():
        for table in paper.tables:
            given = {} if measured else {"records": {}, "rows": {}}
            text = page([Paper(paper.title, paper.source, [], [table])], **given).partition("### Steps")[0]
            lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
            found = Counter((cells[0].partition(" (")[0], cells[1], cells[2]) for cells in lines)
            wanted = Counter((row.method.partition(" (")[0], row.metric, row.text or "not given") for row in table.rows)
            assert found == wanted, table.title
            assert max(found.values()) == 1, table.title
            for cells in lines:
                assert re.fullmatch(
                    r"not measured: .+" if not measured else r"not measured: .+|−?[\d,.]+\b.*", cells[3]
                )


def test_published_counts_of_the_papers() -> None:
    """Counted by hand in the papers, figure by figure."""
    counts = {paper.title: sum(bool(row.text) for table in paper.tables for row in table.rows) for paper in papers()}
    assert counts == {
        "RACE-net": 72,
        "RLS and CRLS": 24,
        "FCN-levelset": 22,
        "PNet-MSA and BiRNN": 39,
        "EDPCNN": 42,
    }


def test_the_page_in_the_docs_is_what_the_kept_figures_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m benchmarks.reproduce --page`"
