"""Region proposal network: where objects may be, whatever their class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from monai.apps.detection.utils.anchor_utils import AnchorGenerator
from monai.apps.detection.utils.box_coder import BoxCoder
from monai.apps.detection.utils.hard_negative_sampler import HardNegativeSampler
from monai.data.box_utils import box_iou, non_max_suppression
from torch import Tensor, nn

from .instance_targets import InstanceTargets

__all__ = ["Proposals", "RegionOutput", "RegionProposalNetwork", "clip_boxes", "match_anchors"]

_MIN_SIDE_PX = 1.0
# the paper's balance of the two losses: N_cls, N_reg and lambda
_SAMPLES, _LOCATIONS, _BOX_WEIGHT = 256, 2400, 10.0
_POSITIVE_IOU, _NEGATIVE_IOU, _NMS_IOU = 0.7, 0.3, 0.7


class RegionOutput(NamedTuple):
    """Anchors [A, 4] in pixels; logits [B, A] of holding an object; box offsets [B, A, 4]."""

    anchors: Tensor
    logits: Tensor
    offsets: Tensor


class Proposals(NamedTuple):
    """Boxes [N, 4] of one image in pixels and their scores [N], the best first."""

    boxes: Tensor
    scores: Tensor


def match_anchors(anchors: Tensor, boxes: Tensor, positive_iou: float, negative_iou: float) -> tuple[Tensor, Tensor]:
    """Which anchors stand for an object.

    1 where the IoU with some box is above ``positive_iou``, or is the greatest that a box has with any anchor; 0 where
    it is below ``negative_iou`` for all boxes; -1, ignored, between.

    Args:
        anchors: boxes of one image.
        boxes: the objects' boxes; without any, all anchors are 0.
        positive_iou: lower bound of 1.
        negative_iou: upper bound of 0.

    Shape:
        anchors [A, 4], boxes [G, 4] -> label [A], and index [A] of the box with the greatest IoU.

    Reference:
        Ren et al., "Faster R-CNN", 2015, section 3.1.2.
    """
    if len(boxes) == 0:
        nothing = torch.zeros(len(anchors), dtype=torch.long, device=anchors.device)
        return nothing, nothing
    overlap = torch.as_tensor(box_iou(anchors, boxes))
    best, index = overlap.max(dim=1)
    label = torch.full_like(index, -1)
    label[best < negative_iou] = 0
    label[best > positive_iou] = 1
    # of a box that no anchor covers well; an anchor that does not touch it stands for nothing
    most = overlap.amax(dim=0)
    chosen = (overlap == most) & (most > 0)
    label[chosen.any(1)] = 1
    own = chosen.any(1) & (best <= positive_iou)
    index = torch.where(own, (overlap * chosen).argmax(1), index)
    return label, index


def clip_boxes(boxes: Tensor, image_size: Sequence[int]) -> Tensor:
    """Boxes [.., 4] cut to the image, differentiable inside it."""
    limit = torch.tensor([*image_size, *image_size], dtype=boxes.dtype, device=boxes.device)
    return boxes.clamp_min(0).minimum(limit)


class RegionProposalNetwork(nn.Module):
    """A 3x3 convolution and two 1x1 convolutions: for each anchor a score and an offset of its box.

    ``L = 1/N_cls sum L_cls + lambda/N_reg sum_positive smooth_L1(t - t*)``, the mean over the images; N_cls = 256 drawn
    anchors at most, N_reg = 2400, lambda = 10. The IoUs of :func:`match_anchors` are 0.7 and 0.3; of two boxes with an
    IoU above 0.7 the worse goes.

    Args:
        in_channels: channels of the features.
        anchor_sizes: square roots of the anchors' areas in pixels.
        aspect_ratios: ratios of the anchors' second side to the first.
        channels: of the 3x3 convolution, default 128.
        num_proposals: boxes that remain, >= 1, default 300.
        num_candidates: best boxes that enter non-maximum suppression, >= 1, default 2000.

    Shape:
        image [B, C, H, W], features [B, in_channels, h, w] -> :class:`RegionOutput` with A = h w k anchors.

    Raises:
        ValueError: for ``num_proposals`` or ``num_candidates`` out of range.

    Note:
        One logit and the logistic loss stand for the paper's two classes and softmax: the same function. The drawn
        negatives are MONAI's hard ones. The paper's scheme suppresses among some ten thousand boxes; here among the
        best 2000.

    Reference:
        Le et al., "Recurrent level set networks for instance segmentation", 2019, section 3.1; Ren et al., "Faster
        R-CNN", 2015.
    """

    def __init__(
        self,
        in_channels: int,
        anchor_sizes: Sequence[int],
        aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0),
        channels: int = 128,
        num_proposals: int = 300,
        num_candidates: int = 2000,
    ) -> None:
        super().__init__()
        for name, value in (("num_proposals", num_proposals), ("num_candidates", num_candidates)):
            if value < 1:
                raise ValueError(f"`{name}` must be >= 1, got {value}")
        self.num_proposals = num_proposals
        self.num_candidates = num_candidates
        self.anchors = AnchorGenerator((tuple(anchor_sizes),), (tuple(aspect_ratios),))
        self.coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.sampler = HardNegativeSampler(_SAMPLES, positive_fraction=0.5, min_neg=_SAMPLES // 2)
        count = len(anchor_sizes) * len(aspect_ratios)
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.logits = nn.Conv2d(channels, count, 1)
        self.offsets = nn.Conv2d(channels, 4 * count, 1)
        for layer in (self.logits, self.offsets):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(torch.as_tensor(layer.bias), 0.0)

    def forward(self, image: Tensor, features: Tensor) -> RegionOutput:
        """Score and offset of all anchors; those of a place follow each other, places run along the last axis."""
        hidden = torch.relu(self.conv(features))
        anchors = self.anchors(image[:1], [features[:1].float()])[0]
        logits = self.logits(hidden).float()  # [B, k, h, w]
        offsets = self.offsets(hidden).float().unflatten(1, (-1, 4))  # [B, k, 4, h, w]
        return RegionOutput(
            anchors, logits.permute(0, 2, 3, 1).flatten(1), offsets.permute(0, 3, 4, 1, 2).flatten(1, 3)
        )

    def propose(
        self, output: RegionOutput, image_size: Sequence[int], max_proposals: int | None = None
    ) -> list[Proposals]:
        """The best boxes of each image, cut to it, after non-maximum suppression; differentiable in the offsets.

        Args:
            output: of :meth:`forward`.
            image_size: rows and columns.
            max_proposals: fewer than ``num_proposals``, where that many are enough.
        """
        found = []
        count = min(self.num_proposals, max_proposals or self.num_proposals)
        for logits, offsets in zip(output.logits, output.offsets, strict=True):
            top = logits.topk(min(self.num_candidates, len(logits))).indices
            boxes = clip_boxes(self.coder.decode_single(offsets[top], output.anchors[top]), image_size)
            scores = logits[top].sigmoid()
            whole = ((boxes[:, 2:] - boxes[:, :2]) >= _MIN_SIDE_PX).all(1).nonzero()[:, 0]
            # on the CPU: the suppression asks for one number a box, which on a GPU would wait for each
            kept = non_max_suppression(boxes[whole].detach().cpu(), scores[whole].detach().cpu(), _NMS_IOU, count)
            chosen = whole[torch.as_tensor(kept).to(whole.device)]
            found.append(Proposals(boxes[chosen], scores[chosen]))
        return found

    def losses(self, output: RegionOutput, targets: Sequence[InstanceTargets]) -> dict[str, Tensor]:
        """``rpn_objectness`` and ``rpn_box``, the mean over the images."""
        objectness, box = output.logits.sum() * 0, output.offsets.sum() * 0
        for logits, offsets, target in zip(output.logits, output.offsets, targets, strict=True):
            label, index = match_anchors(output.anchors, target.boxes, _POSITIVE_IOU, _NEGATIVE_IOU)
            positive, negative = (
                mask.bool() for mask in self.sampler.select_samples_per_img(label, logits.detach().sigmoid())
            )
            drawn = positive | negative
            loss = F.binary_cross_entropy_with_logits(logits[drawn], label[drawn].float(), reduction="sum")
            objectness = objectness + loss / _SAMPLES
            if bool(positive.any()):
                wanted = self.coder.encode_single(target.boxes[index[positive]], output.anchors[positive])
                loss = F.smooth_l1_loss(offsets[positive], wanted, reduction="sum")
                box = box + _BOX_WEIGHT / _LOCATIONS * loss
        return {"rpn_objectness": objectness / len(targets), "rpn_box": box / len(targets)}
