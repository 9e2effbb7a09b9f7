"""Ignite handlers that MONAI lacks: per-step metrics, schedules, resuming, pictures, distances in millimetres."""

from .best_model import BestModelSaver
from .contour_evolution import ContourEvolutionImages
from .epoch_seed import EpochSeed
from .gradient_clipping import GradientClipping
from .step_metrics import StepMetricsHandler
from .step_weight_schedule import StepWeightSchedule
from .surface_metrics import HausdorffDistanceMM, SurfaceDistanceMM, VolumeErrorML
from .training_checkpoint import TrainingCheckpoint
from .training_progress import TrainingProgress

__all__ = [
    "BestModelSaver",
    "ContourEvolutionImages",
    "EpochSeed",
    "GradientClipping",
    "HausdorffDistanceMM",
    "StepMetricsHandler",
    "StepWeightSchedule",
    "SurfaceDistanceMM",
    "TrainingCheckpoint",
    "TrainingProgress",
    "VolumeErrorML",
]
