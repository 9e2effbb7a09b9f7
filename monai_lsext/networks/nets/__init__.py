"""Networks, one a file."""

from .edpcnn import EDPCNN
from .pnet_msa import PNetMSA
from .racenet import CascadedRACENet, RACENet
from .synthetic_gradient import SyntheticGradientNet
from .unet_dp import UNetDP

__all__ = ["EDPCNN", "CascadedRACENet", "PNetMSA", "RACENet", "SyntheticGradientNet", "UNetDP"]
