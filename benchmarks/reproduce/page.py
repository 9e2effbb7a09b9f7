"""``docs/reproduction.md``, from the published figures, the steps and the figures that are kept; nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.reproduce.efficiency import efficiency_lines
from benchmarks.reproduce.figures import Figures, benches, find, kept, paired
from benchmarks.reproduce.published import Claim, Metric, Paper, Published, Table, papers
from benchmarks.reproduce.steps import ROOT, Step
from benchmarks.reproduce.tasks import STEPS

PAGE = ROOT / "docs" / "reproduction.md"
HEAD = """# Reproduction

Every figure that the five papers publish, beside ours. This page is written by `make reproduce` from what its steps
measured (`benchmarks/results/reproduction`) and, for times, from `make bench`; nobody writes in it by hand.

```bash
LSEXT_DATA=FOLDER make reproduce PLAN=1              # the steps: done, to do, not possible and why
LSEXT_DATA=FOLDER make reproduce                     # all of them; started again it goes on where it was interrupted
LSEXT_DATA=FOLDER make reproduce TASK=racenet_nuclei # one task, or one step: TASK=racenet_nuclei/shipped
```

*Ours*: mean ± standard deviation over n cases (over the cases of all seeds where there are several); cases without a
finite value, such as the distance to an empty mask, are left out of the mean, and n says so. *Rival*: the method named
there, on the same cases. *p*: two-sided paired t-test, with the number of pairs. Where *measured by* ends in `shipped`
the weights are those of the repository, not trained by this command; a step's `configs` is a fingerprint of its command
and of all that its configs say.
"""


@dataclass(frozen=True)
class Kept:
    """All that has been measured, and the steps."""

    steps: list[Step]
    records: dict[str, dict[str, Any]]
    rows: dict[str, dict[str, Any]]

    def figures(self, table: Table, method: str, metric: Metric) -> Figures | None:
        figures = find(table.sources.get(method, []), self.records, self.rows)
        return figures if figures and figures.measures(metric) else None

    def missing(self, table: Table, method: str) -> str:
        """What would have to be run."""
        sources = table.sources.get(method)
        if not sources:
            return "not measured: no command measures it"
        if sources[0].startswith("bench:"):
            return "not measured: needs `make bench`"
        name = sources[0].partition(":")[0]
        step = next(step for step in self.steps if step.name == name)
        minutes = step.minutes + sum(before.minutes for before in step.after if before.name not in self.records)
        return f"not measured: needs `make reproduce TASK={name}` (about {max(minutes / 60, 0.1):.1f} CPU hours)"


def page(
    of: list[Paper] | None = None,
    steps: list[Step] | None = None,
    records: dict[str, dict[str, Any]] | None = None,
    rows: dict[str, dict[str, Any]] | None = None,
) -> str:
    """The whole page; what is not given is what the repository holds."""
    found = Kept(
        STEPS if steps is None else steps,
        kept() if records is None else records,
        benches() if rows is None else rows,
    )
    parts = [HEAD]
    for paper in papers() if of is None else of:
        parts.append(f"## {paper.title}\n\n*{paper.source}.*\n")
        parts += ["\n".join(table_lines(table, found)) + "\n" for table in paper.tables]
        parts.append("\n".join(step_lines(paper, found)) + "\n")
    return "\n".join([*parts, *efficiency_lines(found.records)])


def table_lines(table: Table, found: Kept) -> list[str]:
    """A table of a paper with what was measured, and its claims."""
    paper = f"Paper: {table.data}." if table.data else "Not in the paper."
    lines = [f"### {table.title}", "", f"{paper} Here: {table.here}."]
    lines += [f"Paired over {table.pairs}."] if table.pairs else []
    lines += [
        "",
        "| method | metric | published | ours | n | rival in the same run | p | measured by |",
        "|" + " --- |" * 8,
    ]
    lines += ["| " + " | ".join(cells(row, table, found)) + " |" for row in table.rows]
    claims = [f"- {claim_line(claim, table, found)}" for claim in table.claims]
    return [*lines, "", *claims] if claims else lines


def cells(row: Published, table: Table, found: Kept) -> list[str]:
    """One line: what is printed, and what was measured or why not."""
    metric = table.metrics[row.metric]
    named = table.named.get(row.method)
    first = [row.method if named is None else f"{row.method} ({named})", row.metric, row.text or "not given"]
    figures = found.figures(table, row.method, metric)
    if row.why:
        return [*first, f"not measured: {row.why}", "", "", "", ""]
    if figures is None:
        return [*first, found.missing(table, row.method), "", "", "", ""]
    rival_name = table.rivals.get(row.method, "")
    rival = found.figures(table, rival_name, metric)
    source = f"`{figures.source}`"
    compared = compare(figures, rival, metric)
    if metric.kind:
        return [*first, compared or found.missing(table, rival_name), "", "", "", source if compared else ""]
    beside = f"{rival_name}: {rival.mean_and_deviation(metric)}" if rival else ""
    return [*first, figures.mean_and_deviation(metric), figures.count(metric), beside, compared, source]


def compare(ours: Figures, rival: Figures | None, metric: Metric) -> str:
    """p and the number of pairs, or what the metric asks for instead; empty where there is nothing to compare."""
    if rival is None:
        return ""
    if metric.kind in ("ratio", "times"):
        times = ours.mean(metric) / rival.mean(metric)
        return f"{1 / times if metric.kind == 'ratio' else times:,.{metric.digits}f}"
    test = paired(ours, rival, metric)
    return f"{test[0]:.2g} ({test[1]})" if test else ""


def claim_line(claim: Claim, table: Table, found: Kept) -> str:
    """Whether the paper's order of two methods is found here, and if not, why perhaps."""
    text = f"{claim.better} better than {claim.than} in {claim.metric}"
    metric = table.metrics[claim.metric]
    better, than = (found.figures(table, method, metric) for method in (claim.better, claim.than))
    if better is None or than is None:
        return f"{text}: **not measured yet**."
    first, second = better.mean(metric), than.mean(metric)
    test = paired(better, than, metric)
    figures = f"{first:.{metric.digits}f} against {second:.{metric.digits}f}"
    figures += f", p {test[0]:.2g}" if test else ""
    if first < second if metric.lower else first > second:
        weak = ", but no difference is shown" if test and test[0] >= 0.05 else ""
        return f"{text}: **holds**{weak} ({figures})."
    return f"{text}: **does not hold** ({figures}). Likely cause: {claim.cause}."


def step_lines(paper: Paper, found: Kept) -> list[str]:
    """How it was measured: time, size, versions and command of each step."""
    steps = [step for step in found.steps if step.task in paper.tasks]
    lines = [
        f"### Steps of {paper.title}",
        "",
        "| step | run | CPU minutes | parameters | configs |",
        "|" + " --- |" * 5,
    ]
    for step in steps:
        record = found.records.get(step.name)
        if record is None:
            lines.append(f"| {step.name} | not yet | about {step.minutes:.0f} | | |")
            continue
        environment = record["environment"]
        machine = f"torch {environment['torch']}, {environment['gpu'] or environment['processor']}"
        minutes = f"{record['cpu_seconds'] / 60:.1f}" + (" (the last start's)" if record["starts"] > 1 else "")
        counts = {f"{one['parameters']:,}" for one in record["methods"].values() if one["parameters"]}
        lines.append(f"| {step.name} | {machine} | {minutes} | {', '.join(sorted(counts))} | {record['fingerprint']} |")
    commands = [line for step in steps for line in (f"# {step.name}", step.command)]
    return [*lines, "", "```bash", *commands, "```"]
