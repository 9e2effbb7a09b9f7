"""Objects as the connected components of a semantic segmentation: the rival of networks that detect."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from monai.utils import convert_to_tensor
from skimage.measure import label as components
from torch import Tensor, nn

from monai_lsext.networks.layers.instance_targets import instance_targets
from monai_lsext.networks.layers.mask_paste import instance_map

__all__ = ["ComponentDetector"]


class ComponentDetector(nn.Module):
    """A segmentation network whose every connected component is an object, with the interface of :class:`CRLS`.

    A pixel has the most probable of K + 1 classes; the pixels of a class, joined by sides, are its objects; the score
    is the mean probability of the class on them. In training mode ``forward(image, label)`` returns the loss
    ``segmentation``, cross-entropy over the pixels; in eval mode ``forward(image)`` returns the map.

    Args:
        network: [B, C, H, W] -> logits [B, K + 1, H, W].
        num_classes: K, >= 1, default 1.
        min_area_px: smaller components are no objects, >= 1, default 10.
        map_score: objects with a lower score are not drawn in the map, default 0.5.

    Shape:
        image [B, C, H, W], label [B, 2, H, W] (instance ids, class ids) -> in eval mode float32 [B, 2, H, W].

    Raises:
        ValueError: for an argument out of range; in training mode for a label that :func:`instance_targets` refuses,
            or without one.
    """

    def __init__(self, network: nn.Module, num_classes: int = 1, min_area_px: int = 10, map_score: float = 0.5) -> None:
        super().__init__()
        for name, value in (("num_classes", num_classes), ("min_area_px", min_area_px)):
            if value < 1:
                raise ValueError(f"`{name}` must be >= 1, got {value}")
        self.network = network
        self.num_classes = num_classes
        self.min_area_px = min_area_px
        self.map_score = map_score

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        """The map of the objects, or in training mode the loss."""
        if not self.training:
            return torch.stack([instance_map(found, self.map_score)[:2] for found in self.detect(image)])
        if label is None:
            raise ValueError("`label` is required in training mode, got None")
        for item in label:
            instance_targets(item, self.num_classes)
        wanted = convert_to_tensor(label, track_meta=False)[:, 1].long()
        return {"segmentation": F.cross_entropy(self.network(image).float(), wanted)}

    @torch.no_grad()
    def detect(self, image: Tensor) -> list[dict[str, Tensor]]:
        """The objects of each image, as :meth:`CRLS.detect` gives them."""
        probabilities = convert_to_tensor(self.network(image), track_meta=False).float().softmax(1)
        return [self._components(item) for item in probabilities]

    def _components(self, probability: Tensor) -> dict[str, Tensor]:
        chosen = probability.argmax(0)
        found: dict[str, list[Tensor]] = {"boxes": [], "labels": [], "scores": [], "masks": []}
        # numbers of the components; a component has one class
        numbers = torch.from_numpy(components(chosen.cpu().numpy(), background=0, connectivity=1)).to(chosen.device)
        for number in range(1, int(numbers.max()) + 1):
            mask = numbers == number
            if int(mask.sum()) < self.min_area_px:
                continue
            places = mask.nonzero()
            kind = chosen[mask][0]
            found["boxes"].append(torch.cat([places.amin(0), places.amax(0) + 1]).float())
            found["labels"].append(kind)
            found["scores"].append(probability[kind][mask].mean())
            found["masks"].append(mask)
        if not found["masks"]:
            none = probability.new_zeros
            return {
                "boxes": none(0, 4),
                "labels": none(0).long(),
                "scores": none(0),
                "masks": none(0, *chosen.shape).bool(),
            }
        stacked = {name: torch.stack(parts) for name, parts in found.items()}
        order = stacked["scores"].argsort(descending=True, stable=True)
        return {name: parts[order] for name, parts in stacked.items()}
