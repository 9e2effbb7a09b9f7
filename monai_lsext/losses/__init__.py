"""Losses for networks that return a level set per time step."""

from .class_balanced_cross_entropy import ClassBalancedCrossEntropyLoss
from .eikonal import EikonalLoss
from .multi_step import STEP_WEIGHT_RULES, MultiStepLoss, race_step_weights

__all__ = ["STEP_WEIGHT_RULES", "ClassBalancedCrossEntropyLoss", "EikonalLoss", "MultiStepLoss", "race_step_weights"]
