"""Feature maps for CRLS: a small residual net, and the convolutions of VGG-16."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import cast

import torch.nn.functional as F
from monai.networks.blocks import Convolution, ResidualUnit
from torch import Tensor, nn

__all__ = ["SmallBackbone", "VGG16Backbone"]

_GROUPS = ("group", {"num_groups": 8})
_WIDTHS = (24, 48, 96, 128)
# convolutions of each of VGG-16's five stages, and their channels
_VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


class SmallBackbone(nn.Module):
    """Residual units down to a sixteenth of the image, added back up to the wanted stride; 0.69 million weights.

    Args:
        in_channels: channels of the image, default 3.
        stride: 4 (default) or 8 pixels of the image in a point of the features.

    Shape:
        [B, in_channels, H, W] -> [B, 96, H / stride, W / stride]; H and W are multiples of 16.

    Raises:
        ValueError: for another stride.
    """

    out_channels = 96
    divisor = 16

    def __init__(self, in_channels: int = 3, stride: int = 4) -> None:
        super().__init__()
        if stride not in (4, 8):
            raise ValueError(f"`stride` must be 4 or 8, got {stride}")
        self.in_channels = in_channels
        self.stride = stride
        self.stem = Convolution(2, in_channels, _WIDTHS[0], strides=2, act="relu", norm=_GROUPS)
        self.down = nn.ModuleList(
            ResidualUnit(2, a, b, strides=2, act="relu", norm=_GROUPS) for a, b in pairwise(_WIDTHS)
        )
        used = _WIDTHS[1:] if stride == 4 else _WIDTHS[2:]
        self.lateral = nn.ModuleList(nn.Conv2d(width, self.out_channels, 1) for width in used)
        self.merge = Convolution(2, self.out_channels, self.out_channels, act="relu", norm=_GROUPS)

    def forward(self, image: Tensor) -> Tensor:
        """The features."""
        x = self.stem(image)
        levels = []
        for unit in self.down:
            x = unit(x)
            levels.append(x)
        levels = levels[-len(self.lateral) :]
        merged = None
        for lateral, level in zip(list(self.lateral)[::-1], levels[::-1], strict=True):
            here = lateral(level)
            merged = here if merged is None else here + F.interpolate(merged, scale_factor=2.0)
        return cast(Tensor, self.merge(merged))


class VGG16Backbone(nn.Module):
    """VGG-16's 13 convolutions, each with a ReLU, and four poolings; 14.7 million weights.

    Its weights have torchvision's names (``features.0.weight`` .. ``features.28.bias``); a state dict of VGG-16 trained
    on ImageNet loads by :meth:`load_imagenet`. The images must then be scaled as there (mean 0.485, 0.456, 0.406 and
    standard deviation 0.229, 0.224, 0.225 of RGB in [0, 1]).

    Args:
        in_channels: channels of the image, default 3.

    Shape:
        [B, in_channels, H, W] -> [B, 512, H / 16, W / 16]; H and W are multiples of 16.

    Reference:
        Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014.
    """

    out_channels = 512
    divisor = 16
    stride = 16

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.in_channels = in_channels
        layers: list[nn.Module] = []
        width = in_channels
        for stage, (count, channels) in enumerate(_VGG16):
            if stage > 0:
                layers.append(nn.MaxPool2d(2))
            for _ in range(count):
                layers += [nn.Conv2d(width, channels, 3, padding=1), nn.ReLU(inplace=True)]
                width = channels
        self.features = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        """The features, the paper's conv5."""
        return cast(Tensor, self.features(image))

    def load_imagenet(self, state_dict: Mapping[str, Tensor]) -> None:
        """Take the convolutions from a state dict of the whole VGG-16; its classifier is left out.

        Raises:
            RuntimeError: by torch, for a missing weight or one of another shape.
        """
        self.load_state_dict({name: value for name, value in state_dict.items() if name.startswith("features.")})
