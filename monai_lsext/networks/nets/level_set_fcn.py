"""The small fully convolutional networks that a level set refines."""

from __future__ import annotations

from typing import NamedTuple

import torch
from monai.networks.layers.factories import Conv, Dropout, Pool
from torch import Tensor, nn

from monai_lsext.networks.layers.end_padding import cropped, padded

__all__ = ["LEVEL_SET_FCN_PLANS", "LevelSetFCN"]


class _Plan(NamedTuple):
    """One network.

    Args:
        widths: channels after each 3x3 convolution.
        pools: factor of the max pooling behind each of them.
        out_channels: K of the logits, from a 1x1 convolution.
        kernel_size: of the transposed convolution, channel by channel; its stride is the product of the pools.
        up_bias: whether that has a bias.
    """

    widths: tuple[int, ...]
    pools: tuple[int, ...]
    out_channels: int
    kernel_size: int
    up_bias: bool


LEVEL_SET_FCN_PLANS = {
    "liver": _Plan((16, 32, 64), (2, 2, 2), 2, 16, False),
    "left_ventricle": _Plan((16, 16, 16, 16, 16, 32, 128), (2, 1, 3, 1, 1, 1, 1), 1, 6, True),
}


class LevelSetFCN(nn.Module):
    """Convolutions with ReLU and max pooling, a 1x1 convolution, one transposed convolution back to full size.

    ``liver``: 3x3 convolutions of 16, 32, 64 channels, each followed by a pooling of 2; two logits (background,
    object), 16x16 transposed kernels of stride 8. ``left_ventricle``: 16, 16, 16, 16, 16, 32, 128 channels, one
    pooling of 2 and one of 3; one logit, a 6x6 transposed kernel of stride 6.

    Args:
        spatial_dims: 2 (default) or 3.
        in_channels: C, >= 1, default 1.
        variant: "liver" (default) or "left_ventricle"; in 2D with one channel 23,938 and 51,238 parameters.
        dropout: probability before the 1x1 convolution, 0 .. 1, default 0.

    Shape:
        [B, C, \\*S] of any size -> logits [B, 2, \\*S] (softmax) or [B, 1, \\*S] (sigmoid).

    Raises:
        ValueError: for an argument out of range or an image of another form.

    Note:
        The paper gives the counts, not the plans; these match both counts. For the left ventricle it names a
        subsampling by 6 and no place for it: after the first and the third convolution here, so that an output sees
        64 pixels. The liver's count fits one other plan (a 24x24 transposed kernel from 64 channels to one, with
        bias). Convolutions start by He's rule and the transposed one as linear (left ventricle: nearest)
        interpolation; the paper draws all weights from N(0, 0.01), from which a training of the left ventricle does
        not leave the empty mask for hundreds of steps. Images are padded at their ends by replication to a multiple
        of the stride.

    Reference:
        Tang, Valipour, Zhang, Cobzas & Jagersand, "A deep level set method for image segmentation", 2017, Section 3.
    """

    def __init__(
        self, spatial_dims: int = 2, in_channels: int = 1, variant: str = "liver", dropout: float = 0.0
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"`spatial_dims` must be 2 or 3, got {spatial_dims}")
        if in_channels < 1:
            raise ValueError(f"`in_channels` must be >= 1, got {in_channels}")
        if variant not in LEVEL_SET_FCN_PLANS:
            raise ValueError(f"`variant` must be one of {sorted(LEVEL_SET_FCN_PLANS)}, got {variant!r}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"`dropout` must be within 0 to 1, got {dropout}")
        plan = LEVEL_SET_FCN_PLANS[variant]
        convolution, pool = Conv[Conv.CONV, spatial_dims], Pool[Pool.MAX, spatial_dims]
        layers: list[nn.Module] = []
        self.spatial_dims, self.in_channels, self.stride = spatial_dims, in_channels, 1
        channels = in_channels
        for width, factor in zip(plan.widths, plan.pools, strict=True):
            layers += [convolution(channels, width, 3, padding=1), nn.ReLU()]
            if factor > 1:
                layers.append(pool(factor))
            channels, self.stride = width, self.stride * factor
        if dropout > 0:
            layers.append(Dropout[Dropout.DROPOUT, spatial_dims](dropout))
        self.features = nn.Sequential(*layers)
        self.classify = convolution(channels, plan.out_channels, 1)
        self.upsample = Conv[Conv.CONVTRANS, spatial_dims](
            plan.out_channels,
            plan.out_channels,
            plan.kernel_size,
            stride=self.stride,
            padding=(plan.kernel_size - self.stride) // 2,
            groups=plan.out_channels,
            bias=plan.up_bias,
        )
        for module in self.modules():
            if isinstance(module, convolution):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.upsample.weight.copy_(_interpolation(spatial_dims, plan.kernel_size, self.stride))
        if plan.up_bias:
            nn.init.zeros_(self.upsample.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of the image's size."""
        if image.ndim != self.spatial_dims + 2 or image.shape[1] != self.in_channels:
            raise ValueError(
                f"`image` must have {self.in_channels} channels and {self.spatial_dims} spatial axes, "
                f"got the shape {list(image.shape)}"
            )
        logits = self.upsample(self.classify(self.features(padded(image, self.stride))))
        return cropped(logits, image)


def _interpolation(spatial_dims: int, kernel_size: int, stride: int) -> Tensor:
    """Kernel [*kernel] that interpolates linearly, or takes the nearest where kernels do not overlap."""
    line = torch.ones(kernel_size)
    if kernel_size > stride:
        line = 1 - (torch.arange(kernel_size) - (kernel_size - 1) / 2).abs() / stride
    kernel = torch.ones(())
    for _ in range(spatial_dims):
        kernel = kernel[..., None] * line
    return kernel
