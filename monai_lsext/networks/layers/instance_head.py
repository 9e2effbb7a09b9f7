"""Second and third stage of CRLS: the mask of a box by a recurrent level set, then its class and a better box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from monai.apps.detection.utils.box_coder import BoxCoder
from monai.apps.detection.utils.hard_negative_sampler import HardNegativeSampler
from monai.data.box_utils import box_iou
from torch import Tensor, nn

from .instance_targets import InstanceTargets
from .region_proposal import Proposals
from .roi_warp import roi_warp, sample_in_boxes

__all__ = ["InstanceHead", "SampledBoxes", "sample_boxes"]

_POSITIVE_IOU = 0.5
_POOLED = 7


class SampledBoxes(NamedTuple):
    """Boxes of one image that train the head: [R, 4], class [R] (0: none), number [R] of their object in the list."""

    boxes: Tensor
    classes: Tensor
    objects: Tensor


def sample_boxes(proposals: Proposals, target: InstanceTargets, sampler: HardNegativeSampler) -> SampledBoxes:
    """Draw boxes for training from the proposals and the objects' own boxes.

    A box has the class of the object with which it has the greatest IoU, where that is at least 0.5; else it is
    background.

    Args:
        proposals: boxes of the first stage, best first.
        target: the image's objects, none or more.
        sampler: draws boxes with an object by chance, and of the background those with high scores.
    """
    boxes = torch.cat([proposals.boxes, target.boxes])
    scores = torch.cat([proposals.scores.detach(), proposals.scores.new_ones(len(target.boxes))])
    if len(target.boxes):
        best, index = torch.as_tensor(box_iou(boxes.detach(), target.boxes)).max(dim=1)
        classes = torch.where(best >= _POSITIVE_IOU, target.classes[index], 0)
    else:
        classes = index = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device)
    positive, negative = sampler.select_samples_per_img(classes, scores)
    drawn = (positive | negative).nonzero()[:, 0]
    return SampledBoxes(boxes[drawn], classes[drawn], index[drawn])


class InstanceHead(nn.Module):
    """Mask, class and refined box of each box.

    ``f_ROI`` is the feature warped to m x m. A 1x1 convolution makes it the image I of a recurrent level set, whose
    probability of the object is the mask. ``f_MSK = f_ROI * mask``; both are pooled to 7 x 7 and pass two fully
    connected layers each; the two results, joined, give the K + 1 classes and the offsets of the box.

    Args:
        in_channels: channels of the features.
        num_classes: K, >= 1, background not counted.
        stride: pixels of the image in a point of the features.
        level_set: takes [R, 1, m, m] and gives logits [R, 2, m, m], or the list of its steps' logits.
        roi_size: m, >= 7.
        fc_channels: width of the fully connected layers, default 256.
        dropout: probability of dropping one of their activations, default 0.
        num_samples: boxes of an image that are drawn for training at most, up to half of them with an object, >= 2,
            default 64.

    Raises:
        ValueError: for ``roi_size`` or ``num_samples`` out of range.

    Note:
        The paper's I is one plane, its feature has 512: the 1x1 convolution is one reading. Fully connected layers on
        m x m would hold hundreds of millions of weights: max-pooling to 7 x 7, as in Fast R-CNN, comes first. The
        boxes' offsets do not depend on the class.
        The gradient through the boxes is that of the boxes that cover an object: one of the background, moved to look
        more like background, may carry the proposals away.

    Reference:
        Le et al., "Recurrent level set networks for instance segmentation", 2019, sections 3.2 and 3.3.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        stride: int,
        level_set: nn.Module,
        roi_size: int = 21,
        fc_channels: int = 256,
        dropout: float = 0.0,
        num_samples: int = 64,
    ) -> None:
        super().__init__()
        if num_samples < 2:
            raise ValueError(f"`num_samples` must be >= 2, got {num_samples}")
        if roi_size < _POOLED:
            raise ValueError(f"`roi_size` must be >= {_POOLED}, got {roi_size}")
        self.stride = stride
        self.roi_size = roi_size
        self.coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
        self.sampler = HardNegativeSampler(num_samples, positive_fraction=0.5, min_neg=num_samples // 2)
        self.plane = nn.Conv2d(in_channels, 1, 1)
        self.level_set = level_set
        inputs = in_channels * _POOLED**2
        self.box_branch, self.mask_branch = (
            nn.Sequential(
                *(nn.Flatten(), nn.Linear(inputs, fc_channels), nn.ReLU(), nn.Dropout(dropout)),
                *(nn.Linear(fc_channels, fc_channels), nn.ReLU(), nn.Dropout(dropout)),
            )
            for _ in range(2)
        )
        self.classes = nn.Linear(2 * fc_channels, num_classes + 1)
        self.offsets = nn.Linear(2 * fc_channels, 4)
        nn.init.normal_(self.offsets.weight, std=0.001)
        nn.init.zeros_(self.offsets.bias)

    def warp(self, features: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """f_ROI [R, C, m, m] of the boxes of all images."""
        return roi_warp(features, boxes, self.roi_size, self.stride)

    def masks(self, warped: Tensor) -> Tensor:
        """Logits [R, 2, m, m] of background and object."""
        if len(warped) == 0:
            return warped.new_zeros(0, 2, self.roi_size, self.roi_size)
        steps = self.level_set(self.plane(warped))
        return torch.as_tensor(steps[-1] if isinstance(steps, list) else steps).float()

    def classify(self, warped: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits [R, K + 1] and box offsets [R, 4]."""
        masked = warped * masks.softmax(1)[:, 1:]
        joined = [
            branch(F.adaptive_max_pool2d(part, _POOLED))
            for branch, part in ((self.box_branch, warped), (self.mask_branch, masked))
        ]
        hidden = torch.cat(joined, dim=1)
        return self.classes(hidden).float(), self.offsets(hidden).float()

    def losses(
        self,
        features: Tensor,
        labels: Tensor,
        targets: Sequence[InstanceTargets],
        proposals: Sequence[Proposals],
    ) -> dict[str, Tensor]:
        """``mask``, ``class`` and ``box``: the mean over the drawn boxes; masks and offsets of those with an object."""
        drawn = [sample_boxes(p, t, self.sampler) for p, t in zip(proposals, targets, strict=True)]
        boxes = [torch.where(part.classes[:, None] > 0, part.boxes, part.boxes.detach()) for part in drawn]
        warped = self.warp(features, boxes)
        masks = self.masks(warped)
        scores, offsets = self.classify(warped, masks)
        classes = torch.cat([part.classes for part in drawn])
        found = classes > 0
        losses = {"mask": masks.sum() * 0, "class": scores.sum() * 0, "box": offsets.sum() * 0}
        if len(classes):
            losses["class"] = F.cross_entropy(scores, classes)
        if bool(found.any()):
            together = zip(labels, drawn, targets, strict=True)
            wanted = torch.cat([self._mask_targets(label, part, target) for label, part, target in together])
            losses["mask"] = F.cross_entropy(masks[found], wanted)
            start = torch.cat([part.boxes[part.classes > 0] for part in drawn]).detach()
            objects = torch.cat(
                [t.boxes[part.objects[part.classes > 0]] for part, t in zip(drawn, targets, strict=True)]
            )
            shift = self.coder.encode_single(objects, start)
            losses["box"] = F.smooth_l1_loss(offsets[found], shift, reduction="sum") / len(classes)
        return losses

    def _mask_targets(self, label: Tensor, drawn: SampledBoxes, target: InstanceTargets) -> Tensor:
        """Where the object of each box lies in it, [R', m, m] of 0 and 1."""
        found = drawn.classes > 0
        ids = label[None, :1].float()
        crops = sample_in_boxes(ids, [drawn.boxes[found].detach()], self.roi_size, mode="nearest")[:, 0]
        return (crops == target.ids[drawn.objects[found]].view(-1, 1, 1)).long()
