"""Engines: the evaluator that a bad case does not stop, and the report of its run."""

from __future__ import annotations

from monai_lsext.engines.cohort_evaluator import CohortEvaluator
from monai_lsext.engines.run_report import EXIT_SKIPPED, RunReport

__all__ = ["EXIT_SKIPPED", "CohortEvaluator", "RunReport"]
