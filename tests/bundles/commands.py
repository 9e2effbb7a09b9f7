"""The command lines of bundles, and the figures that they write."""

from __future__ import annotations

import csv
import sys
from pathlib import Path


def bundle_run(
    bundle: Path, *configs: str, launcher: tuple[str, ...] = (sys.executable,), **options: object
) -> list[str]:
    """`monai.bundle run` with files of the bundle's configs, each laid over the one before."""
    files = "[" + ",".join(f"'{bundle / 'configs' / name}'" for name in configs) + "]"
    flags = [part for key, value in {"bundle_root": bundle, **options}.items() for part in (f"--{key}", str(value))]
    return [*launcher, "-m", "monai.bundle", "run", "--config_file", files, *flags]


def measured(output_dir: Path, metric: str, column: str = "class0") -> list[float]:
    """A metric of each case, as `evaluate.yaml` wrote it."""
    with open(output_dir / "evaluation" / f"{metric}_raw.csv", newline="") as stream:
        return [float(row[column]) for row in csv.DictReader(stream)]
