"""Ignite handlers that MONAI lacks: per-step metrics, schedules, resuming, pictures, distances in millimetres."""

from .averaged_hausdorff import AveragedHausdorffMM
from .best_model import BestModelSaver
from .contour_evolution import ContourEvolutionImages
from .epoch_seed import EpochSeed
from .gradient_clipping import GradientClipping
from .mean_average_precision import MeanAveragePrecision
from .replay_buffer import ReplayBuffer
from .stage_growth import StageGrowth
from .stage_weights import StageWeights
from .step_metrics import StepMetricsHandler
from .step_weight_schedule import StepWeightSchedule
from .surface_metrics import HausdorffDistanceMM, SurfaceDistanceMM, VolumeErrorML
from .training_checkpoint import TrainingCheckpoint
from .training_progress import TrainingProgress

__all__ = [
    "AveragedHausdorffMM",
    "BestModelSaver",
    "ContourEvolutionImages",
    "EpochSeed",
    "GradientClipping",
    "HausdorffDistanceMM",
    "MeanAveragePrecision",
    "ReplayBuffer",
    "StageGrowth",
    "StageWeights",
    "StepMetricsHandler",
    "StepWeightSchedule",
    "SurfaceDistanceMM",
    "TrainingCheckpoint",
    "TrainingProgress",
    "VolumeErrorML",
]
