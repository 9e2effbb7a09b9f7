"""F-ConNet: two fully connected layers, the baseline of the RLS paper."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from monai.utils import ensure_tuple_rep
from torch import Tensor, nn

from .rls import check_plane

__all__ = ["FConNet"]


class FConNet(nn.Module):
    """Mask of an image of fixed size by two fully connected layers with a ReLU between.

    ``s = W_2 relu(W_1 I + b_1) + b_2`` on the flattened image, each layer with one unit for each of its n points; the
    logits are (0, s), so that softmax over them is sigmoid(s).

    Args:
        spatial_dims: 2 or 3, default 2.
        in_channels: channels of the image, >= 1, default 1.
        image_size: side or sides in pixels, default 64: 33.6 million weights.
        dropout: probability of dropping a hidden unit, default 0.

    Shape:
        image [B, in_channels, \\*S] -> logits [B, 2, \\*S], background and object.

    Raises:
        ValueError: for an argument out of range, or an image of other channels or another size.

    Note:
        The image is brought to mean 0 and standard deviation 1, as in :class:`RLS`.

    Reference:
        Le et al., "Recurrent level set networks for instance segmentation", 2019, section 6.2.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        image_size: int | Sequence[int] = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"`spatial_dims` must be 2 or 3, got {spatial_dims}")
        if in_channels < 1:
            raise ValueError(f"`in_channels` must be >= 1, got {in_channels}")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be >= 0 and < 1, got {dropout}")
        self.image_size = ensure_tuple_rep(image_size, spatial_dims)
        self.in_channels = in_channels
        points = math.prod(self.image_size)
        self.hidden = nn.Linear(in_channels * points, points)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(points, points)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of background and object."""
        check_plane(image, len(self.image_size), self.in_channels, self.image_size)
        hidden = torch.relu(self.hidden(F.layer_norm(image, image.shape[1:]).flatten(1)))
        score = self.output(self.dropout(hidden)).view(image.shape[0], 1, *self.image_size)
        return torch.cat([torch.zeros_like(score), score], dim=1)
