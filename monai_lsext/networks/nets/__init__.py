"""Networks, one a file."""

from .component_detector import ComponentDetector
from .crls import CRLS
from .crls_backbones import SmallBackbone, VGG16Backbone
from .edpcnn import EDPCNN
from .fconnet import FConNet
from .level_set_fcn import LevelSetFCN
from .pnet_birnn import PNetBiRNN
from .pnet_msa import PNetMSA
from .racenet import CascadedRACENet, RACENet
from .rls import RLS
from .synthetic_gradient import SyntheticGradientNet
from .unet_dp import UNetDP

__all__ = [
    "CRLS",
    "EDPCNN",
    "RLS",
    "CascadedRACENet",
    "ComponentDetector",
    "FConNet",
    "LevelSetFCN",
    "PNetBiRNN",
    "PNetMSA",
    "RACENet",
    "SmallBackbone",
    "SyntheticGradientNet",
    "UNetDP",
    "VGG16Backbone",
]
