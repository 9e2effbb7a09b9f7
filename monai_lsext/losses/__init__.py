"""Losses for networks that return a level set per time step."""

from .eikonal import EikonalLoss
from .multi_step import STEP_WEIGHT_RULES, MultiStepLoss, race_step_weights

__all__ = ["STEP_WEIGHT_RULES", "EikonalLoss", "MultiStepLoss", "race_step_weights"]
