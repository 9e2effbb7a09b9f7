"""Objects from a detecting network, as a list and as a map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monai_lsext.inferers import InstanceInferer


class Detector(nn.Module):
    """Finds a sure object on the left half and an unsure one on the right."""

    map_score = 0.5

    def detect(self, image: Tensor) -> list[dict[str, Tensor]]:
        masks = torch.zeros(2, 4, 6, dtype=torch.bool)
        masks[0, :, :3], masks[1, :, 3:] = True, True
        objects = {"masks": masks, "labels": torch.tensor([2, 1]), "scores": torch.tensor([0.75, 0.25])}
        return [objects for _ in image]


def test_list_and_map() -> None:
    found = InstanceInferer()(torch.zeros(2, 1, 4, 6), Detector())
    assert [item["scores"].tolist() for item in found] == [[0.75, 0.25]] * 2
    drawn = InstanceInferer(as_map=True)(torch.zeros(2, 1, 4, 6), Detector())
    assert drawn.shape == (2, 3, 4, 6)
    assert drawn[:, :, 0, 0].tolist() == [[1, 2, 0.75]] * 2
    assert not drawn[..., 3:].any()


def test_the_wrapper_of_several_processes_is_taken_off() -> None:
    assert len(InstanceInferer()(torch.zeros(1, 1, 4, 6), nn.DataParallel(Detector()))) == 1
