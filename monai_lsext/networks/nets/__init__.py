"""Networks, one a file."""

from .edpcnn import EDPCNN
from .level_set_fcn import LevelSetFCN
from .pnet_birnn import PNetBiRNN
from .pnet_msa import PNetMSA
from .racenet import CascadedRACENet, RACENet
from .synthetic_gradient import SyntheticGradientNet
from .unet_dp import UNetDP

__all__ = [
    "EDPCNN",
    "CascadedRACENet",
    "LevelSetFCN",
    "PNetBiRNN",
    "PNetMSA",
    "RACENet",
    "SyntheticGradientNet",
    "UNetDP",
]
