"""Second and third stage of CRLS: which boxes train it, their mask targets, masked features, losses by hand."""

from __future__ import annotations

import math

import pytest
import torch
from monai.apps.detection.utils.hard_negative_sampler import HardNegativeSampler
from torch import Tensor, nn

from monai_lsext.networks.layers.instance_head import InstanceHead, SampledBoxes, sample_boxes
from monai_lsext.networks.layers.instance_targets import InstanceTargets, instance_targets
from monai_lsext.networks.layers.region_proposal import Proposals


class LeftHalf(nn.Module):
    """In place of a level set: the object fills the left half of each box."""

    def forward(self, plane: Tensor) -> Tensor:
        logits = torch.zeros(len(plane), 2, *plane.shape[2:])
        logits[:, 1, :, : plane.shape[3] // 2] = 50.0
        logits[:, 0, :, plane.shape[3] // 2 :] = 50.0
        return logits


def head(**options) -> InstanceHead:
    torch.manual_seed(0)
    return InstanceHead(3, 2, 1, LeftHalf(), roi_size=8, fc_channels=8, **options)


def label_map() -> Tensor:
    label = torch.zeros(2, 20, 20)
    label[:, 2:10, 2:10] = torch.tensor([1.0, 2.0])[:, None, None]
    label[:, 12:16, 10:18] = torch.tensor([2.0, 1.0])[:, None, None]
    return label


def test_boxes_get_the_class_of_the_object_that_they_cover() -> None:
    target = instance_targets(label_map(), 2)
    boxes = torch.tensor([[2.0, 2.0, 10.0, 6.0], [2.0, 2.0, 10.0, 5.9], [12.0, 10.0, 16.0, 17.0]])
    drawn = sample_boxes(Proposals(boxes, torch.zeros(3)), target, HardNegativeSampler(10, 0.5, 5))
    # the proposals, of IoU 0.5, below it and 7/8, then the objects themselves
    assert torch.equal(drawn.boxes, torch.cat([boxes, target.boxes]))
    assert drawn.classes.tolist() == [2, 0, 1, 2, 1]
    assert drawn.objects[drawn.classes > 0].tolist() == [0, 1, 0, 1]


def test_without_objects_all_boxes_are_background() -> None:
    nothing = instance_targets(torch.zeros(2, 20, 20), 2)
    boxes = torch.tensor([[2.0, 2.0, 10.0, 6.0], [1.0, 1.0, 9.0, 9.0]])
    drawn = sample_boxes(Proposals(boxes, torch.zeros(2)), nothing, HardNegativeSampler(10, 0.5, 5))
    assert drawn.classes.tolist() == [0, 0]
    few = sample_boxes(Proposals(boxes[:0], torch.zeros(0)), nothing, HardNegativeSampler(10, 0.5, 5))
    assert len(few.boxes) == 0


def test_half_of_the_drawn_boxes_have_an_object() -> None:
    target = instance_targets(label_map(), 2)
    boxes = target.boxes.repeat(20, 1)
    boxes[20:] = torch.tensor([0.0, 0.0, 3.0, 3.0])
    drawn = sample_boxes(Proposals(boxes, torch.rand(40)), target, HardNegativeSampler(16, 0.5, 8))
    assert (len(drawn.classes), int((drawn.classes > 0).sum())) == (16, 8)


def test_mask_targets_are_the_object_in_the_box() -> None:
    label = label_map()
    target = instance_targets(label, 2)
    boxes = torch.tensor([[2.0, 2.0, 10.0, 10.0], [10.0, 10.0, 18.0, 18.0], [0.0, 0.0, 16.0, 16.0]])
    drawn = SampledBoxes(boxes, torch.tensor([2, 1, 2]), torch.tensor([0, 1, 0]))
    found = head()._mask_targets(label, drawn, target)
    assert found[0].all()
    expected = torch.zeros(8, 8, dtype=torch.long)
    expected[2:6] = 1
    assert torch.equal(found[1], expected)
    # 2 pixels a cell, the other object is background
    expected = torch.zeros(8, 8, dtype=torch.long)
    expected[1:5, 1:5] = 1
    assert torch.equal(found[2], expected)


def test_the_mask_hides_features_from_its_branch_alone() -> None:
    net, warped = head(), torch.rand(2, 3, 8, 8)
    masks = net.masks(warped)
    scores, _ = net.classify(warped, masks)
    changed = warped.clone()
    changed[0, :, 3, 6] += 1  # outside of the mask
    with torch.no_grad():
        net.box_branch[1].weight.zero_()
    before, after = (net.classify(x, masks)[0] for x in (warped, changed))
    assert torch.equal(before, after)
    assert not torch.equal(before, scores)


def test_losses_by_hand() -> None:
    net, label = head(), label_map()
    with torch.no_grad():
        for layer in (net.classes, net.offsets):
            layer.weight.zero_()
            layer.bias.zero_()
    label[:, 12:16, 10:18] = 0
    target = instance_targets(label, 2)
    # the object's own box and one that is a pixel longer along each axis
    proposal = Proposals(torch.tensor([[2.0, 2.0, 11.0, 11.0]]), torch.ones(1))
    losses = net.losses(torch.rand(1, 3, 20, 20), label[None], [target], [proposal])
    assert float(losses["class"]) == pytest.approx(math.log(3))
    # right on the left half, wrong by 50 on the right one; of the longer box the last cells are background
    share = (8 * 4 + (7 * 3 + 4)) / (2 * 64) * 50
    assert float(losses["mask"]) == pytest.approx(share, rel=1e-5)
    shift = [10 * 0.5 / 9] * 2 + [5 * math.log(9 / 8)] * 2
    assert float(losses["box"]) == pytest.approx(sum(s * s / 2 for s in shift) / 2, rel=1e-4)


def test_gradient_of_the_losses_reaches_proposals_that_cover_an_object() -> None:
    torch.manual_seed(0)
    net = InstanceHead(3, 2, 1, nn.Conv2d(1, 2, 1), roi_size=8, fc_channels=8)
    boxes = torch.tensor([[2.5, 2.0, 10.0, 9.0], [0.0, 11.0, 5.0, 19.0]], requires_grad=True)
    features, target = torch.rand(1, 3, 20, 20), instance_targets(label_map(), 2)
    losses = net.losses(features, label_map()[None], [target], [Proposals(boxes, torch.tensor([0.5, 0.5]))])
    (losses["mask"] + losses["class"]).backward()
    assert boxes.grad[0].abs().min() > 0
    assert not boxes.grad[1].any()


def test_losses_without_any_box_are_zero() -> None:
    net = head()
    nothing = InstanceTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long))
    features = torch.rand(1, 3, 20, 20, requires_grad=True)
    losses = net.losses(features, torch.zeros(1, 2, 20, 20), [nothing], [Proposals(torch.zeros(0, 4), torch.zeros(0))])
    assert [float(loss) for loss in losses.values()] == [0.0, 0.0, 0.0]
    sum(losses.values()).backward()


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="`roi_size` must be >= 7, got 6"):
        InstanceHead(3, 2, 1, LeftHalf(), roi_size=6)
    with pytest.raises(ValueError, match="`num_samples` must be >= 2, got 1"):
        head(num_samples=1)
