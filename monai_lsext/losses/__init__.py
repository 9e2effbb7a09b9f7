"""Losses that MONAI lacks: on every time step of a network, Eikonal, class-balanced cross-entropy."""

from .class_balanced_cross_entropy import ClassBalancedCrossEntropyLoss
from .eikonal import EikonalLoss
from .multi_step import STEP_WEIGHT_RULES, MultiStepLoss, race_step_weights

__all__ = ["STEP_WEIGHT_RULES", "ClassBalancedCrossEntropyLoss", "EikonalLoss", "MultiStepLoss", "race_step_weights"]
