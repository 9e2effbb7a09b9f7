"""Inferers that MONAI does not have."""

from .instance_inferer import InstanceInferer
from .shifted_ensemble import ShiftedEnsembleInferer
from .slice_sequence import SliceSequenceInferer
from .slice_wise import SliceWiseInferer

__all__ = ["InstanceInferer", "ShiftedEnsembleInferer", "SliceSequenceInferer", "SliceWiseInferer"]
