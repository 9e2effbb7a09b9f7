"""The paper's rivals of EDPCNN: a plain segmentation network, and the snake put on its mask afterwards."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks.nets import BasicUNet
from monai.utils import convert_to_dst_type, convert_to_tensor
from scipy import ndimage
from torch import Tensor, nn

from .edpcnn import EDPCNN

__all__ = ["UNetDP"]


class UNetDP(EDPCNN):
    """A segmentation network that knows nothing of contours in training; the snake may be put on its mask.

    In training mode the logits [B, 1, H, W], for Dice or cross-entropy, or the list of them where the backbone gives
    one (the steps of :class:`RACENet`), for :class:`monai_lsext.losses.MultiStepLoss`. In eval mode with ``snake``
    the signed distance to EDPCNN's contour on the binary mask ``logit > 0`` (U-Net + DP); without it, the logit in
    one connected component of that mask and -16 elsewhere (U-Net): the component that holds the centre, or the largest.

    Args:
        backbone: 2D network with one output channel, the logit; default MONAI's BasicUNet for one input channel.
        snake: whether the contour is drawn by dynamic programming, default True.
        kwargs: those of :class:`EDPCNN` but ``localiser``: the mask itself is the localiser.

    Shape:
        image [B, C, H, W], centre [B, 2] or None -> [B, 1, H, W], > 0 inside.

    Raises:
        ValueError: as EDPCNN.

    Reference:
        Nguyen & Ray, "EDPCNN", 2019, the rows U-Net and U-Net + DP.
    """

    def __init__(self, backbone: nn.Module | None = None, snake: bool = True, **kwargs: Any) -> None:
        super().__init__(BasicUNet(2, 1, 1) if backbone is None else backbone, localiser="joint", **kwargs)
        self.snake = snake

    @property
    def allowed_channels(self) -> tuple[int, ...]:
        """The logit alone."""
        return (1,)

    def maps(self, image: Tensor) -> Tensor:
        """Mask and logit [B, 2, H, W]."""
        logit = super().maps(image)
        return torch.cat([(logit > 0).to(logit), logit], dim=1)

    def forward(self, image: Tensor, centre: Tensor | None = None) -> Tensor | list[Tensor]:  # type: ignore[override]
        """Logit, or those of all steps, in training; in eval signed distance or logit of one component."""
        if self.training:
            image = convert_to_tensor(image, track_meta=False)
            large = self._large(image)
            logits = self.backbone(large)
            if isinstance(logits, list):
                return [self._checked(step, large, image) for step in logits]
            return self._checked(logits, large, image)
        if self.snake:
            return super().forward(image, centre)
        logit = self.maps(torch.as_tensor(image))[:, 1:]
        chosen = torch.stack(
            [component(item[0] > 0, None if centre is None else centre[i]) for i, item in enumerate(logit)]
        )
        result = logit.float().where(chosen[:, None], -16.0)
        return convert_to_dst_type(result, image, dtype=result.dtype)[0]


def component(mask: Tensor, centre: Tensor | None = None) -> Tensor:
    """The connected component of ``mask`` [H, W] that holds ``centre`` [2]; the largest if none does or none is given.

    Pixels that share an edge or a corner are connected. An empty mask comes back empty.
    """
    numbers, count = ndimage.label(mask.cpu().numpy(), [[1] * 3] * 3)
    regions = torch.from_numpy(numbers).to(mask.device)
    if count == 0:
        return mask
    wanted = 0
    if centre is not None:
        row, column = (int(min(max(round(float(x)), 0), size - 1)) for x, size in zip(centre, mask.shape, strict=True))
        wanted = int(regions[row, column])
    return regions == (wanted or int(regions.flatten().bincount()[1:].argmax()) + 1)
