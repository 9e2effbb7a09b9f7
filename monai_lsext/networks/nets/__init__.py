"""Networks, one a file."""

from .racenet import CascadedRACENet, RACENet

__all__ = ["CascadedRACENet", "RACENet"]
