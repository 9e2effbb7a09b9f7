"""Cross-entropy whose class weights follow the share of the classes in the truth."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.loss import _Loss

__all__ = ["ClassBalancedCrossEntropyLoss"]


class ClassBalancedCrossEntropyLoss(_Loss):
    """Binary cross-entropy in which the rare class weighs as much as the frequent one.

    With N pixels, Y+ and Y- the pixels inside and outside, and p = sigmoid(input)::

        loss = -1/N (beta sum_{Y+} log p + (1 - beta) sum_{Y-} log(1 - p)),   beta = |Y-| / N

    Args:
        batch: count the pixels of each channel over the whole batch instead of item by item, default False.

    Shape:
        input: logits [B, K, \\*S]; target, 0 or 1, [B, K, \\*S] -> scalar, the mean over items and channels.

    Raises:
        ValueError: when input and target differ in shape.

    Note:
        An item without the object has beta = 1 and a loss of 0 whatever the network says, so that false positives
        there cost nothing; ``batch=True`` counts such items together with the others. The factor 1/N, which HED does
        not have, makes the value independent of the image's size.

    Reference:
        Xie & Tu, "Holistically-nested edge detection", 2015, Eq. 2; CBCE in Cai, Lu, Xing & Yang, 2018, Table I.
    """

    def __init__(self, batch: bool = False) -> None:
        super().__init__()
        self.batch = batch

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, see the class."""
        if input.shape != target.shape:
            raise ValueError(
                f"`input` and `target` must have one shape, got {tuple(input.shape)} and {tuple(target.shape)}"
            )
        target = target.to(input.dtype)
        axes = [0] if self.batch else []
        beta = 1 - target.mean([*axes, *range(2, target.ndim)], keepdim=True)
        weight = beta * target + (1 - beta) * (1 - target)
        return (weight * F.binary_cross_entropy_with_logits(input, target, reduction="none")).mean()
