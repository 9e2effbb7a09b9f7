"""CRLS: objects one by one - where they are, their masks by a recurrent level set, their classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from monai.data.box_utils import batched_nms
from monai.utils import convert_to_tensor
from torch import Tensor, nn

from monai_lsext.networks.layers.end_padding import padded
from monai_lsext.networks.layers.instance_head import InstanceHead
from monai_lsext.networks.layers.instance_targets import instance_targets
from monai_lsext.networks.layers.mask_paste import instance_map, paste_masks
from monai_lsext.networks.layers.region_proposal import Proposals, RegionProposalNetwork, clip_boxes

from .crls_backbones import SmallBackbone, VGG16Backbone
from .rls import RLS

__all__ = ["CRLS"]

BACKBONES: dict[str, Callable[[int], SmallBackbone | VGG16Backbone]] = {
    "small": lambda in_channels: SmallBackbone(in_channels, stride=4),
    "small_stride8": lambda in_channels: SmallBackbone(in_channels, stride=8),
    "vgg16": VGG16Backbone,
}


class CRLS(nn.Module):
    """Contextual recurrent level sets: three stages on one feature map, trained together, also through the boxes.

    1. :class:`RegionProposalNetwork` finds boxes; 2. :class:`RLS` finds the mask in each; 3. fully connected layers on
    the masked and on the whole feature of the box give its class and a better box. ``L = L_RPN + L_SEG + L_CLS``.

    In training mode ``forward(image, label)`` returns the named losses ``rpn_objectness`` and ``rpn_box`` (L_RPN),
    ``mask`` (L_SEG), ``class`` and ``box`` (L_CLS), whose sum is L. In eval mode ``forward(image)`` returns one map.
    :meth:`detect` returns the objects with their scores.

    Args:
        in_channels: channels of the image, >= 1, default 3.
        num_classes: K, >= 1, background not counted; default 1.
        backbone: ``small`` (default; 0.69 million weights, stride 4), ``small_stride8``, or ``vgg16``, as published.
        anchor_sizes: square roots of the anchors' areas in pixels, default (16, 32, 64).
        aspect_ratios: of the anchors, default (0.5, 1, 2).
        roi_size: m, side of the masks in their boxes, >= 7, default 21.
        form: of the level set, ``conv`` (default) or ``dense``, as published.
        num_steps: T of the level set, >= 1, default 3.
        fc_channels: width of the fully connected layers, default 256.
        num_proposals: boxes that enter the second stage, >= 1, default 300; in training at most 4 ``num_samples``.
        num_samples: boxes of an image that train it at most, >= 2, default 64.
        max_detections: objects of an image at most, >= 1, default 100.
        min_score: objects with a lower score are not detected, default 0.05.
        map_score: objects with a lower score are not drawn in the map, default 0.5.
        detection_iou: of two boxes of one class with a greater IoU the worse goes, default 0.5.
        dropout: probability of dropping an activation of the fully connected layers, default 0.

    Shape:
        image [B, in_channels, H, W], label [B, 2, H, W] (instance ids, class ids) -> in eval mode float32
        [B, 2, H, W]: instance ids 1 .. n in the order of the scores, and class ids.

    Raises:
        ValueError: for an argument out of range, an image of another shape, a label that :func:`instance_targets`
            refuses; in training mode without a label.

    Note:
        2D, as published. The paper takes the mask of the proposed box. In eval mode, here, the mask is evolved once
        more in the refined box, to which it then belongs; in training the objects' own boxes are among those drawn.

    Reference:
        Le et al., "Recurrent level set networks for instance segmentation", 2019, sections 3-5.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1,
        backbone: str = "small",
        anchor_sizes: Sequence[int] = (16, 32, 64),
        aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0),
        roi_size: int = 21,
        form: str = "conv",
        num_steps: int = 3,
        fc_channels: int = 256,
        num_proposals: int = 300,
        num_samples: int = 64,
        max_detections: int = 100,
        min_score: float = 0.05,
        map_score: float = 0.5,
        detection_iou: float = 0.5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("num_classes", num_classes)):
            if value < 1:
                raise ValueError(f"`{name}` must be >= 1, got {value}")
        if max_detections < 1:
            raise ValueError(f"`max_detections` must be >= 1, got {max_detections}")
        if backbone not in BACKBONES:
            raise ValueError(f"`backbone` must be one of {sorted(BACKBONES)}, got {backbone!r}")
        self.num_classes = num_classes
        self.max_detections = max_detections
        self.min_score = min_score
        self.map_score = map_score
        self.detection_iou = detection_iou
        self.backbone = BACKBONES[backbone](in_channels)
        channels = self.backbone.out_channels
        self.rpn = RegionProposalNetwork(channels, anchor_sizes, aspect_ratios, num_proposals=num_proposals)
        level_set = RLS(2, 1, roi_size, form, num_steps)
        self.head = InstanceHead(
            channels,
            num_classes,
            self.backbone.stride,
            level_set,
            roi_size=roi_size,
            fc_channels=fc_channels,
            dropout=dropout,
            num_samples=num_samples,
        )

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        """The map of the objects, or in training mode the named losses."""
        if not self.training:
            return torch.stack([instance_map(found, self.map_score)[:2] for found in self.detect(image)])
        image = self._checked(image)
        if label is None:
            raise ValueError("`label` is required in training mode, got None")
        label = convert_to_tensor(label, track_meta=False)
        if tuple(label.shape) != (len(image), 2, *image.shape[2:]):
            expected = (len(image), 2, *image.shape[2:])
            raise ValueError(f"`label` must have shape {expected}, got {tuple(label.shape)}")
        targets = [instance_targets(item, self.num_classes) for item in label]
        large = padded(image, self.backbone.divisor)
        features = self.backbone(large)
        output = self.rpn(large, features)
        proposals = self.rpn.propose(output, image.shape[2:], 4 * self.head.sampler.batch_size_per_image)
        return self.rpn.losses(output, targets) | self.head.losses(features, label, targets, proposals)

    @torch.no_grad()
    def detect(self, image: Tensor) -> list[dict[str, Tensor]]:
        """The objects of each image, the best-scored first.

        Args:
            image: the batch.

        Shape:
            image [B, in_channels, H, W].

        Returns:
            for each image "boxes" [N, 4] in pixels (start_1, start_2, end_1, end_2), "labels" [N] from 1 to K,
            "scores" [N] and "masks" [N, H, W], bool.
        """
        image = self._checked(image)
        large = padded(image, self.backbone.divisor)
        features = self.backbone(large)
        proposals = self.rpn.propose(self.rpn(large, features), image.shape[2:])
        return [self._detected(features[i : i + 1], proposals[i], image.shape[2:]) for i in range(len(image))]

    def _detected(self, features: Tensor, proposals: Proposals, size: Sequence[int]) -> dict[str, Tensor]:
        warped = self.head.warp(features, [proposals.boxes])
        logits, offsets = self.head.classify(warped, self.head.masks(warped))
        boxes = clip_boxes(self.head.coder.decode_single(offsets, proposals.boxes), size)
        probability = logits.softmax(1)[:, 1:]
        whole = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(1)
        index, kind = ((probability >= self.min_score) & whole[:, None]).nonzero().unbind(1)
        boxes, scores = boxes[index], probability[index, kind]
        # on the CPU for the reason that the proposals' suppression is
        kept = batched_nms(boxes.cpu(), scores.cpu(), kind.cpu(), self.detection_iou, self.max_detections)
        chosen = torch.as_tensor(kept).to(boxes.device)
        boxes = boxes[chosen]
        masks = self.head.masks(self.head.warp(features, [boxes])).softmax(1)[:, 1]
        return {
            "boxes": boxes,
            "labels": kind[chosen] + 1,
            "scores": scores[chosen],
            "masks": paste_masks(masks, boxes, size),
        }

    def _checked(self, image: Tensor) -> Tensor:
        if image.ndim != 4 or image.shape[1] != self.backbone.in_channels:
            expected = f"[B, {self.backbone.in_channels}, H, W]"
            raise ValueError(f"`image` must have shape {expected}, got {tuple(image.shape)}")
        return convert_to_tensor(image, track_meta=False)
