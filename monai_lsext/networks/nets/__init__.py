"""Networks, one a file."""

from .edpcnn import EDPCNN
from .racenet import CascadedRACENet, RACENet
from .synthetic_gradient import SyntheticGradientNet
from .unet_dp import UNetDP

__all__ = ["EDPCNN", "CascadedRACENet", "RACENet", "SyntheticGradientNet", "UNetDP"]
