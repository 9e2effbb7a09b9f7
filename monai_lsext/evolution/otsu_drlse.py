"""The classical rival of the learned nets: an edge-based contour that starts from a threshold."""

from __future__ import annotations

import torch
from skimage.filters import threshold_otsu
from torch import Tensor, nn

from monai_lsext.evolution.drlse import drlse

__all__ = ["OtsuDRLSE"]


class OtsuDRLSE(nn.Module):
    """Dark objects by :func:`drlse`, started from Otsu's threshold of one channel; nothing is learned.

    ``phi_0 = 2`` where the channel is below the threshold of its own histogram, ``-2`` elsewhere.

    Args:
        channel: of the image, >= 0, default 0; both the threshold and the edges are its own.
        num_iter: iterations of DRLSE, >= 0, default 60; 0 is the threshold alone.
        length: weight of the edge-weighted length, >= 0, default 5.
        area: weight of the edge-weighted area, default 0; positive shrinks, negative grows.

    Shape:
        image [B, C, \\*S] -> phi [B, 1, \\*S]; 2D and 3D.

    Raises:
        ValueError: for a negative ``channel`` or ``num_iter``, or an image without that channel.

    Note:
        An image of one colour has nothing below its threshold: phi is negative all over.

    Reference:
        Otsu, "A threshold selection method from gray-level histograms", 1979; Chakravarty & Sivaswamy, "RACE-net",
        2018, compare with DRLSE started so.
    """

    def __init__(self, channel: int = 0, num_iter: int = 60, length: float = 5.0, area: float = 0.0) -> None:
        super().__init__()
        for name, value in (("channel", channel), ("num_iter", num_iter)):
            if value < 0:
                raise ValueError(f"`{name}` must be >= 0, got {value}")
        self.channel = channel
        self.num_iter = num_iter
        self.length = length
        self.area = area

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """The last level set."""
        if image.shape[1] <= self.channel:
            raise ValueError(f"`image` must have a channel {self.channel}, got {image.shape[1]} channels")
        grey = image[:, self.channel : self.channel + 1]
        dark = torch.stack([item < float(threshold_otsu(item.cpu().numpy())) for item in grey])
        return drlse(grey, 2.0 * (2.0 * dark - 1.0), self.num_iter, length=self.length, area=self.area)
