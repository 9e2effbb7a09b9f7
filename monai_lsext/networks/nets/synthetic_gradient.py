"""The network of EDPCNN that stands in for the dynamic programme, to give it a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from monai.networks.blocks import Convolution
from torch import Tensor, nn

__all__ = ["SyntheticGradientNet"]


class SyntheticGradientNet(nn.Module):
    """F of EDPCNN: from the costs of all contour points to the probability of each to lie on the contour.

    A small U-Net: three encoder blocks (two 3x3 convolutions, then 2x2 max-pooling), a block at the bottom, three
    decoder blocks (a 4x4 transposed convolution of stride 2, joined to the encoder's features, two 3x3
    convolutions), a 1x1 convolution; batch normalisation and ReLU after each but the last. Lines x points is
    padded to a multiple of 8, along the lines by going on around the star, along the points by repeating the
    last, and the result cropped.

    Args:
        channels: of the three blocks and the bottom, >= 1, default (8, 16, 32, 64): 153,753 parameters.

    Shape:
        cost [B, N, M] -> [B, N, M], float32; any N, M >= 1.

    Returns:
        ``log_softmax`` over the M points of each line. Its cross-entropy with an index is
        ``nll_loss(log_p.transpose(1, 2), index)``.

    Raises:
        ValueError: for ``channels`` that are not four numbers >= 1, or an input of another shape.

    Note:
        The paper gives widths, blocks and the softmax. This is the plain form with the public code's 153,753
        parameters: every convolution but the last, the transposed ones too, has a bias and a batch normalisation.

    Reference:
        Nguyen & Ray, "End-to-end learning of convolutional neural net and dynamic programming for left
        ventricle segmentation" (EDPCNN), 2019, Algorithm 2.
    """

    def __init__(self, channels: Sequence[int] = (8, 16, 32, 64)) -> None:
        super().__init__()
        if len(channels) != 4 or min(channels) < 1:
            raise ValueError(f"`channels` must be 4 numbers >= 1, got {tuple(channels)}")
        shallower = (1, *channels[:-1])
        self.encoder = nn.ModuleList(_block(*widths) for widths in zip(shallower, channels, strict=True))
        self.rise = nn.ModuleList(_rise(deep, wide) for wide, deep in pairwise(channels))
        self.decoder = nn.ModuleList(_block(2 * wide, wide) for wide in channels[:-1])
        self.pool = nn.MaxPool2d(2)
        self.output = nn.Conv2d(channels[0], 1, 1)

    def forward(self, cost: Tensor) -> Tensor:
        """Log-probability of each point of each line."""
        if cost.ndim != 3:
            raise ValueError(f"`cost` must have shape [B, N, M], got {tuple(cost.shape)}")
        lines, points = cost.shape[1:]
        around = torch.arange(lines + -lines % 8, device=cost.device) % lines
        along = torch.arange(points + -points % 8, device=cost.device).clamp(max=points - 1)
        x = cost[:, around][:, :, along][:, None]  # [B, 1, 8n, 8m]
        skipped: list[Tensor] = []
        for depth, block in enumerate(self.encoder):
            x = block(self.pool(x) if depth else x)
            skipped.append(x)
        skipped.pop()
        for rise, block in zip(reversed(self.rise), reversed(self.decoder), strict=True):
            x = block(torch.cat([skipped.pop(), rise(x)], dim=1))
        return self.output(x)[:, 0, :lines, :points].float().log_softmax(2)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    first = Convolution(2, inputs, outputs, act="RELU", norm="BATCH")
    return nn.Sequential(first, Convolution(2, outputs, outputs, act="RELU", norm="BATCH"))


def _rise(inputs: int, outputs: int) -> Convolution:
    return Convolution(
        2, inputs, outputs, 2, 4, act="RELU", norm="BATCH", is_transposed=True, padding=1, output_padding=0
    )
