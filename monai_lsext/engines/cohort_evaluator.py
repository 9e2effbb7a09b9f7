"""Evaluator for inference over a cohort: a bad case is reported and skipped, the rest goes on."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch.distributed as dist
from ignite.handlers import ProgressBar
from monai.engines import SupervisedEvaluator

from monai_lsext.data.checked_dataset import error_sentence
from monai_lsext.data.image_file import case_name
from monai_lsext.engines.run_report import RunReport
from monai_lsext.gathered import gathered

__all__ = ["CohortEvaluator"]

logger = logging.getLogger(__name__)


class CohortEvaluator(SupervisedEvaluator):
    """``SupervisedEvaluator`` for batches of one from a :class:`monai_lsext.data.CheckedDataset`.

    A case whose loading, network, post-processing or saving fails is logged by one sentence and skipped. At the
    end ``run_report.json`` lists the cases, and ``SystemExit(3)`` is raised when some were skipped, so that
    ``python -m monai.bundle run`` exits 3; under torchrun, which would take that for a crash, the status
    stands in the report alone. Without usable data or output folder the end is ``SystemExit(2)``.

    Args:
        output_dir: folder of ``run_report.json``.
        progress: whether a progress bar (rate, time left) is shown, default True.
        kwargs: as for ``SupervisedEvaluator``; metrics are refused, since a skipped case has no result.

    Raises:
        ValueError: when metrics are given.
    """

    def __init__(self, output_dir: str | os.PathLike[str], progress: bool = True, **kwargs: Any) -> None:
        if kwargs.get("key_val_metric") or kwargs.get("additional_metrics"):
            raise ValueError("`key_val_metric` and `additional_metrics` must be None for CohortEvaluator")
        super().__init__(**kwargs)
        self.output_dir = output_dir
        self.report = RunReport()
        if progress:
            ProgressBar(desc="inference").attach(self)

    def run(self, global_epoch: int = 1) -> None:  # type: ignore[override]
        """Go through the cohort.

        Raises:
            SystemExit: status 2 without usable data or output folder, 3 when cases were skipped.
        """
        self.report = RunReport()
        try:
            self.report.open_folder(self.output_dir)
            loader: Any = self.data_loader
            loader.dataset.data[:0]  # a lazy list that cannot be read says why
            self.state.epoch_length = len(loader)
        except (OSError, ValueError) as error:
            logger.error("%s", error_sentence(error))
            raise SystemExit(2) from error
        super().run(global_epoch)
        distributed = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        if distributed:
            self._gather()
        if self.state.rank == 0:
            self.report.write(self.output_dir)
        if self.report.skipped and not distributed:
            raise SystemExit(self.report.exit_status)

    def _gather(self) -> None:
        parts = gathered((self.report.done, self.report.skipped))
        # a sampler repeats cases to give every rank as many
        done = {case["case"]: case for part in parts for case in part[0]}
        skipped = {case["case"]: case for part in parts for case in part[1]}
        self.report.done = [done[name] for name in sorted(done)]
        self.report.skipped = [skipped[name] for name in sorted(skipped)]

    def _iteration(self, engine: Any, batchdata: Any) -> dict[str, Any]:
        if "error" in batchdata:
            return self._skip(batchdata["case"][0], batchdata["error"][0])
        path = getattr(batchdata["image"], "meta", {}).get("filename_or_obj", [None])[0]
        case = batchdata["case"][0] if "case" in batchdata else case_name(path or f"item {engine.state.iteration}")
        try:
            output = super()._iteration(engine, batchdata)
        except Exception as error:  # network, post-processing or saving can fail in any way
            return self._skip(case, error_sentence(error, path))
        self.report.done.append({"case": case})
        return output

    def _skip(self, case: str, sentence: str) -> dict[str, Any]:
        logger.warning("skipped %s: %s", case, sentence)
        self.report.skipped.append({"case": case, "reason": sentence})
        return {}
