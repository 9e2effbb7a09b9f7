"""Region proposals: targets of anchors, box coding, the order of suppression and the losses on hand-worked cases."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from monai_lsext.networks.layers.instance_targets import InstanceTargets
from monai_lsext.networks.layers.region_proposal import (
    RegionOutput,
    RegionProposalNetwork,
    clip_boxes,
    match_anchors,
)

ANCHORS = torch.tensor(
    [
        [0.0, 0.0, 10.0, 10.0],  # the first object itself
        [0.0, 0.0, 10.0, 8.0],  # IoU 0.8 with it
        [0.0, 0.0, 10.0, 5.0],  # 0.5: neither
        [0.0, 0.0, 10.0, 2.0],  # 0.2
        [20.0, 20.0, 28.0, 24.0],  # 32 / 100 with the second object, its best
        [50.0, 50.0, 60.0, 60.0],  # none
    ]
)
OBJECTS = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]])


def network(**options) -> RegionProposalNetwork:
    torch.manual_seed(0)
    return RegionProposalNetwork(4, (8,), (1.0,), channels=4, **options)


def targets(boxes: Tensor) -> InstanceTargets:
    numbers = torch.arange(1, len(boxes) + 1)
    return InstanceTargets(boxes, torch.ones_like(numbers), numbers)


def test_targets_by_hand() -> None:
    label, index = match_anchors(ANCHORS, OBJECTS, 0.7, 0.3)
    assert label.tolist() == [1, 1, -1, 0, 1, 0]
    assert index[label == 1].tolist() == [0, 0, 1]


def test_best_anchor_of_an_object_serves_it_though_it_fits_another_more() -> None:
    anchors = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    objects = torch.tensor([[0.0, 0.0, 10.0, 6.0], [0.0, 6.0, 10.0, 10.0]])
    label, index = match_anchors(anchors, objects, 0.7, 0.3)
    assert label.tolist() == [1]
    assert index.tolist() == [0]
    label, _ = match_anchors(anchors, objects + 100, 0.7, 0.3)
    assert label.tolist() == [0]


def test_without_objects_all_anchors_are_background() -> None:
    label, _ = match_anchors(ANCHORS, torch.zeros(0, 4), 0.7, 0.3)
    assert label.tolist() == [0] * 6


def test_box_coding_by_hand() -> None:
    """t = ((x - x_a) / w_a, (y - y_a) / h_a, log(w / w_a), log(h / h_a)) of centres and sides."""
    coder = network().coder
    anchor, box = torch.tensor([[0.0, 0.0, 10.0, 20.0]]), torch.tensor([[4.0, 5.0, 24.0, 10.0]])
    code = coder.encode_single(box, anchor)
    assert code[0].tolist() == pytest.approx([(14 - 5) / 10, (7.5 - 10) / 20, math.log(2), math.log(0.25)])
    assert torch.allclose(coder.decode_single(code, anchor), box, atol=1e-5)


def test_anchors_lie_about_the_middle_of_their_cell() -> None:
    image, features = torch.zeros(1, 1, 16, 24), torch.zeros(1, 4, 2, 3)
    output = network()(image, features)
    middles = (output.anchors[:, :2] + output.anchors[:, 2:]) / 2
    assert middles.tolist() == [[r, c] for r in (4.0, 12.0) for c in (4.0, 12.0, 20.0)]
    assert (output.anchors[:, 2:] - output.anchors[:, :2]).unique().tolist() == [8.0]


def test_scores_and_offsets_go_with_their_anchor() -> None:
    """The features at one place alone change the anchors of that place alone."""
    torch.manual_seed(0)
    net = RegionProposalNetwork(4, (8, 16), (0.5, 1.0), channels=4)
    torch.nn.init.normal_(net.logits.weight)
    torch.nn.init.normal_(net.offsets.weight)
    features = torch.randn(1, 4, 5, 6)
    changed = features.clone()
    changed[0, :, 1, 4] += 1
    before, after = (net(torch.zeros(1, 1, 40, 48), f) for f in (features, changed))
    for a, b in ((before.logits, after.logits), (before.offsets.abs().sum(2), after.offsets.abs().sum(2))):
        moved = (a != b)[0].view(5, 6, 4).any(2)
        # the 3x3 convolution carries it to the neighbours
        assert moved.nonzero().amin(0).tolist() == [0, 3]
        assert moved.nonzero().amax(0).tolist() == [2, 5]
    hidden = torch.relu(net.conv(features))
    assert torch.allclose(before.logits.view(5, 6, 4)[3, 2], net.logits(hidden)[0, :, 3, 2])
    assert torch.allclose(before.offsets.view(5, 6, 4, 4)[3, 2].flatten(), net.offsets(hidden)[0, :, 3, 2])


def test_suppression_keeps_the_best_in_order() -> None:
    """Of boxes 0 and 1, IoU 0.8, the better stays; the small remainder outside of the image goes."""
    anchors = torch.cat([ANCHORS[:4], torch.tensor([[29.5, 0.0, 39.0, 9.0], [-3.0, 20.0, 5.0, 28.0]])])
    logits = torch.tensor([[0.1, 2.0, 1.0, 3.0, 5.0, -1.0]])
    output = RegionOutput(anchors, logits, torch.zeros(1, 6, 4))
    (found,) = network().propose(output, (30, 30))
    assert found.boxes.tolist() == [
        [0.0, 0.0, 10.0, 2.0],
        [0.0, 0.0, 10.0, 8.0],
        [0.0, 0.0, 10.0, 5.0],
        [0.0, 20.0, 5.0, 28.0],
    ]
    assert torch.allclose(found.scores, torch.tensor([3.0, 2.0, 1.0, -1.0]).sigmoid())
    (few,) = network(num_proposals=2).propose(output, (30, 30))
    assert torch.equal(few.boxes, found.boxes[:2])
    (candidates,) = network(num_candidates=3).propose(output, (30, 30))
    assert len(candidates.boxes) == 2


def test_gradient_reaches_the_offsets_through_the_boxes() -> None:
    offsets = torch.zeros(1, 1, 4, requires_grad=True)
    output = RegionOutput(torch.tensor([[4.0, 4.0, 14.0, 24.0]]), torch.zeros(1, 1), offsets)
    (found,) = network().propose(output, (30, 30))
    found.boxes[0, 2].backward()
    # end = centre + side / 2: by the centre 10, by the log of the side 10 / 2
    assert offsets.grad.flatten().tolist() == pytest.approx([10.0, 0.0, 5.0, 0.0])


def test_losses_by_hand() -> None:
    logits = torch.tensor([[0.0, 1.0, 7.0, -2.0, 0.5, 0.0]])
    offsets = torch.zeros(1, 6, 4)
    offsets[0, 0, 1] = 0.5
    offsets[0, 5] = 9.0
    losses = network().losses(RegionOutput(ANCHORS, logits, offsets), [targets(OBJECTS)])
    entropy = [math.log(2), math.log1p(math.exp(-1)), math.log1p(math.exp(-2)), math.log1p(math.exp(-0.5)), math.log(2)]
    assert float(losses["rpn_objectness"]) == pytest.approx(sum(entropy) / 256, rel=1e-5)
    # anchor 0 is off by 0.5; anchor 1 needs 0.125 and log 1.25 along the second axis; anchor 4 moves 0.125 and 0.75
    # of its sides and grows by log 1.25 and log 2.5
    wanted = [0.5, 0.125, math.log(1.25), 0.125, 0.75, math.log(1.25), math.log(2.5)]
    assert float(losses["rpn_box"]) == pytest.approx(10 / 2400 * sum(w * w / 2 for w in wanted), rel=1e-5)


def test_losses_are_the_mean_over_images_and_finite_without_objects() -> None:
    torch.manual_seed(0)
    logits, offsets = torch.randn(2, 6, requires_grad=True), torch.randn(2, 6, 4, requires_grad=True)
    both = [targets(OBJECTS), targets(torch.zeros(0, 4))]
    net = network()
    losses = net.losses(RegionOutput(ANCHORS, logits, offsets), both)
    singles = [
        net.losses(RegionOutput(ANCHORS, logits[i : i + 1], offsets[i : i + 1]), both[i : i + 1]) for i in (0, 1)
    ]
    for name in losses:
        assert torch.allclose(losses[name], (singles[0][name] + singles[1][name]) / 2)
    assert float(singles[1]["rpn_box"]) == 0
    sum(losses.values()).backward()
    assert torch.isfinite(logits.grad).all()
    assert not offsets.grad[1].any()


def test_boxes_are_cut_to_the_image() -> None:
    boxes = torch.tensor([[-3.0, 2.0, 50.0, 41.0]])
    assert clip_boxes(boxes, (30, 40)).tolist() == [[0.0, 2.0, 30.0, 40.0]]


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="`num_proposals` must be >= 1, got 0"):
        network(num_proposals=0)
    with pytest.raises(ValueError, match="`num_candidates` must be >= 1, got 0"):
        network(num_candidates=0)
