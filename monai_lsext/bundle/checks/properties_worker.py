"""Starts a bundle's workflows and writes what fails: ``properties_worker BUNDLE RESULT.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from monai.bundle import ConfigWorkflow

from monai_lsext.bundle.source import one_line

__all__ = ["workflow_faults"]

# The multi-GPU overlay needs torchrun to initialise; its ids are seen by the checks of references.
WORKFLOWS = (
    ("train", ("train.yaml",)),
    ("train", ("train.yaml", "evaluate.yaml")),
    ("infer", ("inference.yaml",)),
)


def workflow_faults(root: Path, workflow_type: str, names: tuple[str, ...], folder: Path) -> list[str]:
    """Faults of one workflow, with its data and output folders below ``folder``, which is empty."""
    title = "configs/" + " + ".join(names)
    try:
        workflow = ConfigWorkflow(
            config_file=[str(root / "configs" / name) for name in names],
            meta_file=str(root / "configs/metadata.json"),
            logging_file=str(root / "configs/logging.conf"),
            workflow_type=workflow_type,
            bundle_root=str(root),
            dataset_dir=str(folder / "no_data"),
            output_dir=str(folder / "output"),
        )
        workflow.initialize()
        missing = workflow.check_properties()
    except Exception as e:  # whatever a config raises is the fault to report
        return [f"{title} does not start without data: {one_line(e)}"]
    return [f"{title}: property {name} is missing or has another id than MONAI's" for name in missing or []]


def main() -> None:
    root, result = Path(sys.argv[1]), Path(sys.argv[2])
    faults = [
        fault for workflow_type, names in WORKFLOWS for fault in workflow_faults(root, workflow_type, names, Path.cwd())
    ]
    result.write_text(json.dumps(faults), encoding="utf-8")


if __name__ == "__main__":
    main()
