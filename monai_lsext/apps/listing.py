"""Command ``list``: the bundles that come with the package."""

from __future__ import annotations

from monai_lsext.registry import BUNDLES, PAPERS, bundle_folders

__all__ = ["bundle_table"]


def bundle_table() -> str:
    """One line per bundle: name, paper, input -> output, whether its weights are there."""
    rows = [("bundle", "paper", "input -> output", "weights")]
    for name, info in BUNDLES.items():
        paper = PAPERS[info.paper] if info.paper is not None else None
        cited = f"{paper.authors.split(',')[0].split()[-1]} {paper.year}" if paper is not None else "-"
        present = any((folder / name / "models" / "model.pt").is_file() for folder in bundle_folders())
        rows.append((name, cited, f"{info.takes} -> {info.gives}", "yes" if present else "no"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)
