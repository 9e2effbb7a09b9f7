"""Check that MONAI's workflows start from a foreign working directory with no data on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import monai_lsext
from monai_lsext.bundle.source import BundleError, BundleSource

__all__ = ["check_properties"]

WORKER = "monai_lsext.bundle.checks.properties_worker"
TIME_LIMIT_S = 300


def check_properties(source: BundleSource) -> Iterator[str]:
    """Train, evaluate and inference start, with MONAI's properties, from any folder and without data."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "faults.json"
        package_parent = str(Path(monai_lsext.__file__).parents[1])
        scripts_parent = str(source.root) if (source.root / "scripts").is_dir() else None
        search_path = os.pathsep.join(filter(None, [package_parent, scripts_parent, os.environ.get("PYTHONPATH")]))
        run = subprocess.run(
            [sys.executable, "-m", WORKER, str(source.root), str(result)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": search_path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
        )
        if not result.is_file():
            last_words = (run.stderr.strip().splitlines() or ["no message"])[-1]
            raise BundleError(f"the workflows' process ended with status {run.returncode}: {last_words}")
        yield from json.loads(result.read_text(encoding="utf-8"))
