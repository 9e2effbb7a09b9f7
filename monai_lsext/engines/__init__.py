"""Engines: cohort inference that a bad case does not stop, and the trainer of the star snake."""

from __future__ import annotations

from monai_lsext.engines.cohort_evaluator import CohortEvaluator
from monai_lsext.engines.level_set_semi_supervised_trainer import LevelSetSemiSupervisedTrainer
from monai_lsext.engines.run_report import EXIT_SKIPPED, RunReport
from monai_lsext.engines.synthetic_gradient_trainer import SyntheticGradientTrainer

__all__ = ["EXIT_SKIPPED", "CohortEvaluator", "LevelSetSemiSupervisedTrainer", "RunReport", "SyntheticGradientTrainer"]
