"""CRLS: backbones, named losses, images without objects, the map, sizes, AMP, overfitting, bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from monai_lsext.data.phantoms import shapes_phantom
from monai_lsext.metrics import InstanceAveragePrecision
from monai_lsext.networks.layers.region_proposal import Proposals
from monai_lsext.networks.nets import CRLS, SmallBackbone, VGG16Backbone

LOSSES = ["rpn_objectness", "rpn_box", "mask", "class", "box"]


def small(**options) -> CRLS:
    torch.manual_seed(0)
    defaults = {"roi_size": 8, "fc_channels": 16, "num_proposals": 20, "num_samples": 8, "anchor_sizes": (16,)}
    return CRLS(1, 2, **{**defaults, **options})


def phantoms(*counts: int | None, size: tuple[int, int] = (64, 64)) -> tuple[Tensor, Tensor]:
    """Images scaled to about [-1, 1], and labels."""
    made = [shapes_phantom(seed, size, count) for seed, count in enumerate(counts)]
    image = torch.stack([torch.from_numpy(p.image)[None] for p in made]) / 128 - 1
    label = torch.stack([torch.stack([torch.from_numpy(a.astype("float32")) for a in p[1:]]) for p in made])
    return image, label


def test_backbones() -> None:
    image = torch.rand(1, 3, 32, 48)
    for net, stride, channels in (
        (SmallBackbone(), 4, 96),
        (SmallBackbone(stride=8), 8, 96),
        (VGG16Backbone(), 16, 512),
    ):
        assert (net.stride, net.out_channels) == (stride, channels)
        assert net(image).shape == (1, channels, 32 // stride, 48 // stride)
    assert sum(p.numel() for p in SmallBackbone().parameters()) <= 1_500_000
    with pytest.raises(ValueError, match="`stride` must be 4 or 8, got 2"):
        SmallBackbone(stride=2)


def test_vgg16_loads_weights_of_the_whole_net() -> None:
    numbers = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    net = VGG16Backbone()
    assert list(net.state_dict()) == [f"features.{n}.{part}" for n in numbers for part in ("weight", "bias")]
    assert sum(p.numel() for p in net.parameters()) == 14_714_688
    weights = {name: torch.full_like(value, 0.5) for name, value in net.state_dict().items()}
    net.load_imagenet({**weights, "classifier.0.weight": torch.zeros(1)})
    assert all(bool((value == 0.5).all()) for value in net.state_dict().values())
    with pytest.raises(RuntimeError, match=r'Missing key.*"features.0.weight"'):
        net.load_imagenet({})


@pytest.mark.parametrize("counts", [(4, 3), (0,), (0, 4)], ids=["objects", "none", "one of each"])
def test_training_gives_named_losses_with_finite_gradients(counts: tuple[int, ...]) -> None:
    net = small()
    losses = net(*phantoms(*counts))
    assert list(losses) == LOSSES
    assert all(bool(torch.isfinite(loss)) and loss.ndim == 0 for loss in losses.values())
    assert (float(losses["mask"]) > 0) == (float(losses["rpn_box"]) > 0) == any(counts)
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
    found = net.eval()(phantoms(*counts)[0])
    assert found.shape == (len(counts), 2, 64, 64)


def test_mask_loss_reaches_the_box_regression() -> None:
    net = small(anchor_sizes=(12, 20, 28))
    for layer in (net.rpn.logits, net.rpn.offsets):
        torch.nn.init.normal_(layer.weight, std=0.05)
    net(*phantoms(5, 5))["mask"].backward()
    assert net.rpn.offsets.weight.grad.abs().max() > 0
    assert net.rpn.logits.weight.grad is None or not net.rpn.logits.weight.grad.any()


def test_boxes_of_the_background_have_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    net = small(anchor_sizes=(12, 20, 28))
    found: list[Proposals] = []
    propose = net.rpn.propose

    def leaves(*arguments: Any) -> list[Proposals]:
        found.extend(Proposals(p.boxes.detach().requires_grad_(), p.scores) for p in propose(*arguments))
        return found

    monkeypatch.setattr(net.rpn, "propose", leaves)
    net(*phantoms(5, 0))["class"].backward()
    assert found[0].boxes.grad.abs().max() > 0
    assert not found[1].boxes.grad.any()


def test_number_of_samples() -> None:
    assert small(num_samples=6).head.sampler.batch_size_per_image == 6
    with pytest.raises(ValueError, match="`num_samples` must be >= 2, got 1"):
        small(num_samples=1)


@pytest.mark.parametrize("size", [(64, 64), (70, 85)])
def test_objects_and_their_map_agree(size: tuple[int, int]) -> None:
    net, image = small(min_score=0.2, map_score=0.3).eval(), phantoms(4, 3, size=size)[0]
    found = net.detect(image)
    for item in found:
        assert set(item) == {"boxes", "labels", "scores", "masks"}
        assert item["masks"].shape == (len(item["boxes"]), *size)
        assert item["masks"].dtype == torch.bool
        assert (item["boxes"] >= 0).all()
        assert (item["boxes"][:, 2:] <= torch.tensor(size)).all()
        assert bool((item["scores"].diff() <= 0).all())
        assert set(item["labels"].tolist()) <= {1, 2}
        for mask, box in zip(item["masks"], item["boxes"], strict=True):
            inside = torch.zeros_like(mask)
            low, high = (box[:2] - 0.5).floor().clamp_min(0).int(), (box[2:] + 0.5).ceil().int()
            inside[low[0] : high[0], low[1] : high[1]] = True
            assert not (mask & ~inside).any()
    assert any(len(item["boxes"]) for item in found)
    drawn = net(image)
    assert drawn.shape == (2, 2, *size)
    for label in drawn:
        ids = label[0].unique()
        assert torch.equal(ids, torch.arange(len(ids)).float())
        assert torch.equal(label[0] > 0, label[1] > 0)


def test_an_image_alone_gives_what_it_gives_in_a_batch() -> None:
    net, image = small(min_score=0.2).eval(), phantoms(4, 3)[0]
    both = net.detect(image)
    for index, item in enumerate(both):
        alone = net.detect(image[index : index + 1])[0]
        assert torch.allclose(item["boxes"], alone["boxes"], atol=1e-3)
        assert torch.allclose(item["scores"], alone["scores"], atol=1e-4)


def test_autocast() -> None:
    net, (image, label) = small(), phantoms(4, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = net(image, label)
        sum(losses.values()).backward()
        found = net.eval()(image)
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())
    assert found.dtype == torch.float32


def test_dense_form_and_vgg16() -> None:
    image, label = phantoms(3)
    with torch.no_grad():
        losses = small(form="dense", backbone="vgg16", fc_channels=8)(image, label)
    assert list(losses) == LOSSES


def test_the_backbone_can_be_exported() -> None:
    """The whole net cannot: how many boxes remain depends on the image."""
    net, image = small().eval(), phantoms(3)[0]
    traced = torch.jit.trace(net.backbone, torch.zeros_like(image))
    assert torch.allclose(traced(image), net.backbone(image), atol=1e-5)


@pytest.mark.slow
def test_four_phantoms_are_learned_by_heart() -> None:
    torch.manual_seed(0)
    net = CRLS(1, 2, anchor_sizes=(12, 20, 32), roi_size=14, fc_channels=64, num_proposals=50)
    image, label = phantoms(None, None, None, None)
    steps = 160
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        sum(net(image, label).values()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
        schedule.step()
    metric = InstanceAveragePrecision(2)
    metric(net.eval().detect(image), label)
    scores = metric.aggregate()
    assert scores["mAP@0.5"] >= 0.95, scores
    found = net(image)
    # the map holds the same objects: most pixels have their object's class
    assert ((found[:, 1] == label[:, 1]) & (label[:, 1] > 0)).sum() / (label[:, 1] > 0).sum() > 0.8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "`num_classes` must be >= 1, got 0"),
        ({"in_channels": 0}, "`in_channels` must be >= 1, got 0"),
        ({"max_detections": 0}, "`max_detections` must be >= 1, got 0"),
        ({"backbone": "resnet"}, r"`backbone` must be one of \['small', 'small_stride8', 'vgg16'\], got 'resnet'"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CRLS(**options)


def test_bad_input() -> None:
    net, (image, label) = small(), phantoms(3)
    with pytest.raises(ValueError, match="`label` is required in training mode, got None"):
        net(image)
    with pytest.raises(ValueError, match=r"`label` must have shape \(1, 2, 64, 64\), got \(1, 1, 64, 64\)"):
        net(image, label[:, :1])
    with pytest.raises(ValueError, match=r"`image` must have shape \[B, 1, H, W\], got \(1, 3, 64, 64\)"):
        net(image.expand(1, 3, 64, 64), label)
    with pytest.raises(ValueError, match="class ids must be 1 to 2, got 3 for instance 1"):
        net(image, torch.where(label > 0, torch.tensor([1.0, 3.0]).view(1, 2, 1, 1), label))
