"""Inferers that MONAI does not have."""

from .shifted_ensemble import ShiftedEnsembleInferer
from .slice_wise import SliceWiseInferer

__all__ = ["ShiftedEnsembleInferer", "SliceWiseInferer"]
