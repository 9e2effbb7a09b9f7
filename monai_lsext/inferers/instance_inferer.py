"""The objects that a detecting network finds."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type
from torch import Tensor

from monai_lsext.networks.layers.mask_paste import instance_map
from monai_lsext.networks.unwrap import unwrapped

__all__ = ["InstanceInferer"]


class InstanceInferer(Inferer):
    """Calls ``network.detect`` on whole images, of any size.

    Args:
        as_map: whether the objects are drawn into one map (inference) or stay a list (metrics, which need overlapping
            masks and low scores); default False.

    Shape:
        image [B, C, H, W] -> for each image "boxes" [N, 4], "labels" [N], "scores" [N] and "masks" [N, H, W]; as a map
        [B, 3, H, W]: instance ids, class ids, scores; objects scored below the network's ``map_score`` are left out.
    """

    def __init__(self, as_map: bool = False) -> None:
        super().__init__()
        self.as_map = as_map

    def __call__(self, inputs: Tensor, network: Any, *args: Any, **kwargs: Any) -> Any:
        """Detect.

        Args:
            inputs: the batch.
            network: with a method ``detect``, :class:`CRLS` or :class:`ComponentDetector`; a wrapper of several
                processes is taken off.
            args: further arguments of ``detect``.
            kwargs: further named arguments of ``detect``.
        """
        network = unwrapped(network)
        found = network.detect(inputs, *args, **kwargs)
        if not self.as_map:
            return found
        drawn = torch.stack([instance_map(objects, network.map_score) for objects in found])
        return convert_to_dst_type(drawn, inputs, dtype=drawn.dtype)[0]
