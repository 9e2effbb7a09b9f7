"""Connected components as detections: hand-made probabilities, the loss, nothing found, bad input."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_lsext.networks.nets import ComponentDetector


class Given(nn.Module):
    """Gives these logits whatever the image."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, image: Tensor) -> Tensor:
        return self.logits.expand(len(image), -1, -1, -1)


def logits() -> Tensor:
    """Two squares of class 1, surer in the second, that meet one of class 2; a speck of three pixels."""
    probability = torch.full((3, 12, 16), 0.05)
    probability[0] = 0.9
    for kind, rows, columns, value in (
        (1, (0, 4), (0, 4), 0.7),
        (1, (6, 10), (6, 10), 0.8),
        (2, (6, 10), (10, 14), 0.9),
        (1, (0, 1), (8, 11), 0.9),
    ):
        window = (slice(*rows), slice(*columns))
        probability[(slice(None), *window)] = (1 - value) / 2
        probability[(kind, *window)] = value
    return probability.log()[None]


def test_components_are_the_objects() -> None:
    net = ComponentDetector(Given(logits()), num_classes=2).eval()
    found = net.detect(torch.zeros(2, 1, 12, 16))[1]
    assert found["labels"].tolist() == [2, 1, 1]
    torch.testing.assert_close(found["scores"], torch.tensor([0.9, 0.8, 0.7]))
    assert found["boxes"].tolist() == [[6, 10, 10, 14], [6, 6, 10, 10], [0, 0, 4, 4]]
    assert found["masks"].flatten(1).sum(1).tolist() == [16, 16, 16]
    drawn = net(torch.zeros(1, 1, 12, 16))[0]
    assert [drawn[0, 7, 12], drawn[0, 7, 7], drawn[0, 2, 2], drawn[0, 0, 9]] == [1, 2, 3, 0]
    assert [drawn[1, 7, 12], drawn[1, 7, 7], drawn[1, 2, 2], drawn[1, 0, 9]] == [2, 1, 1, 0]


def test_a_surer_map_has_fewer_objects() -> None:
    net = ComponentDetector(Given(logits()), num_classes=2, min_area_px=3, map_score=0.85).eval()
    assert len(net.detect(torch.zeros(1, 1, 12, 16))[0]["scores"]) == 4
    assert int(net(torch.zeros(1, 1, 12, 16))[0, 0].max()) == 2


def test_nothing_found() -> None:
    net = ComponentDetector(Given(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 5, 6).clone())).eval()
    found = net.detect(torch.zeros(1, 1, 5, 6))[0]
    assert {name: tuple(part.shape) for name, part in found.items()} == {
        "boxes": (0, 4),
        "labels": (0,),
        "scores": (0,),
        "masks": (0, 5, 6),
    }
    assert not net(torch.zeros(1, 1, 5, 6)).any()


def test_loss_is_cross_entropy_of_the_classes() -> None:
    net = ComponentDetector(Given(torch.zeros(1, 3, 4, 4)), num_classes=2)
    label = torch.zeros(1, 2, 4, 4)
    label[0, :, :2] = torch.tensor([5.0, 2.0])[:, None, None]
    losses = net(torch.zeros(1, 1, 4, 4), label)
    assert list(losses) == ["segmentation"]
    assert losses["segmentation"].item() == pytest.approx(math.log(3))
    losses["segmentation"].backward()
    probability = F.one_hot(label[0, 1].long(), 3).movedim(-1, 0)
    torch.testing.assert_close(net.network.logits.grad[0], (1 / 3 - probability) / 16)


@pytest.mark.parametrize("options", [{"num_classes": 0}, {"min_area_px": 0}])
def test_bad_arguments(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be >= 1, got 0"):
        ComponentDetector(nn.Identity(), **options)


def test_bad_labels() -> None:
    net = ComponentDetector(Given(torch.zeros(1, 2, 4, 4)))
    with pytest.raises(ValueError, match="`label` is required in training mode, got None"):
        net(torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match="class ids must be 1 to 1, got 2 for instance 1"):
        net(torch.zeros(1, 1, 4, 4), torch.tensor([1.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4))
