"""Mean of the results for an image and its shifted copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

__all__ = ["ShiftedEnsembleInferer"]


class ShiftedEnsembleInferer(Inferer):
    """Averages the masks of shifted copies of the image, each shifted back.

    ``p(x) = 1/K sum_k sigmoid(f(I(. - s_k)))(x + s_k)``; the result is ``logit(p)``, whose sign is that of
    ``p - 1/2``, so that it takes the place of the network's own output.

    Args:
        shifts_px: the K shifts s_k in voxels, each with one whole number per spatial axis; a zero shift is the image
            itself. Default the image and three copies, each moved by 4 voxels along one axis.
        masks: average the masks (phi > 0), as the paper does, instead of the probabilities (default).

    Shape:
        image [B, C, \\*S] -> the network's [B, K, \\*S], as logits.

    Raises:
        ValueError: for no shift, or shifts of different or wrong lengths.

    Note:
        The paper averages masks, thresholds at 0.5 and does not say how far the copies are shifted. Four masks can tie
        at 0.5; probabilities hardly do, and keep the border's place within the voxel for the way back to the file's
        grid. What a shift uncovers is filled with the nearest voxel; what it moves out counts for the other copies.

    Reference:
        Chakravarty & Sivaswamy, RACE-net, IEEE JBHI 2018, section V, "ensemble".
    """

    def __init__(
        self,
        shifts_px: Sequence[Sequence[int]] = ((0, 0, 0), (4, 0, 0), (0, 4, 0), (0, 0, 4)),
        masks: bool = False,
    ) -> None:
        super().__init__()
        self.shifts = [tuple(int(s) for s in shift) for shift in shifts_px]
        if not self.shifts or len({len(shift) for shift in self.shifts}) > 1:
            raise ValueError(f"`shifts_px` must be at least one shift, all of one length, got {shifts_px}")
        self.masks = masks

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Run the network once for each shift."""
        if len(self.shifts[0]) != inputs.ndim - 2:
            raise ValueError(f"`shifts_px` must have {inputs.ndim - 2} numbers each, got {list(self.shifts[0])}")
        total = count = inputs.new_zeros(())
        for shift in self.shifts:
            result = network(_shift(inputs, shift), *args, **kwargs)
            share = (result > 0).to(result.dtype) if self.masks else torch.sigmoid(result)
            known = _shift_back(torch.ones_like(share[:1, :1]), shift)
            share = _shift_back(share, shift)
            total, count = total + share, count + known
        # the smallest probability of single precision keeps the logit finite
        return torch.logit(total / count.clamp(min=1), eps=1e-7)


def _shift(image: Tensor, shift: Sequence[int]) -> Tensor:
    """Moved copy, the nearest voxel repeated where it was uncovered."""
    index = [
        (torch.arange(size, device=image.device) - s).clamp(0, size - 1)
        for size, s in zip(image.shape[2:], shift, strict=True)
    ]
    for axis, places in enumerate(index):
        image = image.index_select(axis + 2, places)
    return image


def _shift_back(result: Tensor, shift: Sequence[int]) -> Tensor:
    """Moved back, zero where nothing is known."""
    for axis, s in enumerate(shift):
        if s:
            result = torch.roll(result, -s, dims=axis + 2)
            size = result.shape[axis + 2]
            result.narrow(axis + 2, size - s if s > 0 else 0, abs(s)).zero_()
    return result
