"""The two trainings of EDPCNN: they learn, the losses by hand, gradients, empty slices, AMP, DDP, bad arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.networks.nets import UNet
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from monai_lsext.engines import synthetic_gradient_trainer as engine_module
from monai_lsext.engines.synthetic_gradient_trainer import SyntheticGradientTrainer
from monai_lsext.networks.layers.contour_likelihood import contour_negative_log_likelihood
from monai_lsext.networks.layers.dp_snake import legalise_contour
from monai_lsext.networks.nets.edpcnn import EDPCNN
from monai_lsext.networks.nets.synthetic_gradient import SyntheticGradientNet

MODES = ["exact", "synthetic"]


def ellipses(count: int, size: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy images of one ellipse each, their masks [count, 1, size, size], the centres [count, 2]."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    middle = size * (0.4 + 0.2 * torch.rand(count, 2, 1, 1))
    axis = size * (0.15 + 0.1 * torch.rand(count, 2, 1, 1))
    mask = (((y - middle[:, 0]) / axis[:, 0]) ** 2 + ((x - middle[:, 1]) / axis[:, 1]) ** 2 < 1).float()[:, None]
    return mask + 0.7 * torch.randn_like(mask), mask, middle[:, :, 0, 0]


def network(localiser: str = "joint") -> EDPCNN:
    torch.manual_seed(0)
    return EDPCNN(UNet(2, 1, 2, (4, 8), (2,)), 16, 24, radius_px=36.0, localiser=localiser)


def trainer(mode: str, net: nn.Module, batches: list[dict], **options) -> SyntheticGradientTrainer:
    if mode == "synthetic":
        synthetic = SyntheticGradientNet((4, 4, 8, 8))
        options = {
            "synthetic_network": synthetic,
            "synthetic_optimizer": torch.optim.Adam(synthetic.parameters(), 1e-2),
            "inner_steps": 3,
        } | options
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    common = {"device": torch.device("cpu"), "max_epochs": 1, "train_data_loader": batches, "decollate": False}
    return SyntheticGradientTrainer(network=net, optimizer=optimizer, mode=mode, **(common | options))


def batch(count: int = 2, seed: int = 1) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    image, label, _ = ellipses(count)
    return {"image": image, "label": label}


def dice(found: Tensor, truth: Tensor) -> float:
    return float(2 * ((found > 0) * truth).sum() / ((found > 0).sum() + truth.sum()))


@pytest.mark.parametrize("mode", MODES)
def test_a_few_iterations_raise_the_dice(mode: str) -> None:
    net = network("none")
    torch.manual_seed(100)
    image, mask, centre = ellipses(8)
    before = dice(net.eval()(image, centre), mask)
    trainer(mode, net, [batch(4, seed) for seed in range(30)]).run()
    after = dice(net.eval()(image, centre), mask)
    assert after > before + 0.15
    assert after > 0.85


def test_the_localiser_learns_to_find_the_object() -> None:
    net = network()
    torch.manual_seed(100)
    image, mask, _ = ellipses(8)
    trainer("exact", net, [batch(4, seed) for seed in range(40)]).run()
    assert dice(net.eval()(image), mask) > 0.8


def test_exact_loss_is_the_likelihood_per_line_of_the_true_contour(monkeypatch: pytest.MonkeyPatch) -> None:
    net, data = network("none"), batch()
    centre, angle = torch.tensor([[32.0, 31.0], [30.0, 33.0]]), torch.tensor([0.3, -2.0])
    monkeypatch.setattr(engine_module, "_random_star", lambda mask: (centre, angle))
    cost = net.pattern.cost(net(data["image"])[:, :1], centre, angle)
    index = legalise_contour(net.pattern.index_from_mask(data["label"], centre, angle), net.max_jump, 24)
    expected = contour_negative_log_likelihood(cost, index, net.max_jump, 0.5).sum() / (2 * 16)
    engine = trainer("exact", net, [data], temperature=0.5)
    engine.run()
    assert torch.allclose(engine.state.output["loss"], expected)
    assert "localiser_loss" not in engine.state.output


def test_random_star_lies_on_any_pixel_of_the_object_at_any_angle() -> None:
    torch.manual_seed(0)
    pixels = [(0, 0), (4, 5), (8, 6)]
    mask = torch.zeros(3000, 1, 9, 7)
    for y, x in pixels:
        mask[:, 0, y, x] = 1
    centre, angle = engine_module._random_star(mask)
    share = [float((centre == torch.tensor(pixel)).all(1).float().mean()) for pixel in pixels]
    assert share == pytest.approx([1 / 3] * 3, abs=0.03)
    assert sum(share) == pytest.approx(1)
    assert angle.min() == pytest.approx(-torch.pi, abs=0.02)
    assert angle.max() == pytest.approx(torch.pi, abs=0.02)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("localiser", ["none", "detached", "joint"])
def test_output_and_gradient(mode: str, localiser: str) -> None:
    net = network(localiser)
    engine = trainer(mode, net, [batch()], localiser_weight=0.5)
    engine.run()
    output = engine.state.output
    assert output["pred"].shape == (2, 2, 64, 64)
    expected = {"image", "label", "pred", "loss", "contour_loss"}
    expected |= {"localiser_loss"} if localiser != "none" else set()
    expected |= {"synthetic_loss"} if mode == "synthetic" else set()
    assert set(output) == expected
    localiser_loss = output.get("localiser_loss", 0.0)
    assert output["loss"].item() == pytest.approx(float(output["contour_loss"] + 0.5 * localiser_loss))
    assert all(p.grad.any() for name, p in net.named_parameters() if name.endswith("weight"))


@pytest.mark.parametrize("mode", MODES)
def test_slices_without_an_object_reach_the_localiser_only(mode: str) -> None:
    data, net = batch(3), network()
    data["label"][1] = 0
    maps: list[Tensor] = []
    engine = trainer(mode, net, [data])
    engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, lambda e: maps.append(e.state.output["pred"]))
    engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, lambda e: maps[0].retain_grad())
    engine.run()
    assert [bool(g.any()) for g in maps[0].grad[:, 0]] == [True, False, True]
    assert [bool(g.any()) for g in maps[0].grad[:, 1]] == [True, True, True]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("localiser", ["none", "joint"])
def test_batch_without_any_object(mode: str, localiser: str) -> None:
    data = batch()
    data["label"].zero_()
    engine = trainer(mode, network(localiser), [data])
    engine.run()
    assert engine.state.output["contour_loss"] == 0
    assert (engine.state.output["loss"] > 0) == (localiser == "joint")


def test_inner_steps_fire_their_events_and_the_outer_step_leaves_f_alone() -> None:
    steps: list[str] = []
    engine = trainer("synthetic", network(), [batch(), batch()])
    f = engine.synthetic_network
    seen: dict[str, Tensor] = {}

    def remember(_: SupervisedTrainer) -> None:
        seen.update({name: value.clone() for name, value in f.state_dict().items()})
        seen.update({f"{name}.grad": p.grad.clone() for name, p in f.named_parameters()})

    engine.add_event_handler(IterationEvents.INNER_ITERATION_STARTED, lambda _: steps.append("started"))
    engine.add_event_handler(IterationEvents.INNER_ITERATION_COMPLETED, lambda _: steps.append("completed"))
    engine.add_event_handler(IterationEvents.INNER_ITERATION_COMPLETED, remember)
    engine.run()
    assert steps == ["started", "completed"] * 6
    assert all(torch.equal(seen[name], value) for name, value in f.state_dict().items())
    assert all(torch.equal(seen[f"{name}.grad"], p.grad) for name, p in f.named_parameters())


def test_f_comes_to_imitate_the_programme() -> None:
    losses: list[float] = []
    engine = trainer("synthetic", network(), [batch()] * 12, inner_steps=10, sigma=0.5)
    engine.add_event_handler(
        IterationEvents.MODEL_COMPLETED, lambda e: losses.append(e.state.output["synthetic_loss"].item())
    )
    engine.run()
    assert sum(losses[-3:]) / 3 < 0.85 * losses[0]


def test_object_beyond_the_pattern_is_clamped_with_a_warning() -> None:
    data = batch(1)
    data["label"].fill_(1)
    with pytest.warns(UserWarning, match="`mask` of some item reaches beyond `radius_px` = 36: clamped"):
        trainer("exact", network("none"), [data]).run()


@pytest.mark.parametrize("mode", MODES)
def test_decollated_output(mode: str) -> None:
    engine = trainer(mode, network(), [batch()], decollate=True, postprocessing=lambda data: data)
    engine.run()
    assert [item["pred"].shape for item in engine.state.output] == [(2, 64, 64)] * 2
    assert engine.state.output[0]["loss"] == engine.state.output[1]["loss"] > 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.filterwarnings("ignore:.*CUDA is not available", "ignore:.*GradScaler", "ignore:.*_warn_autocast")
def test_amp_can_be_on(mode: str) -> None:
    engine = trainer(mode, network(), [batch()], amp=True)
    engine.run()
    assert engine.state.output["loss"].isfinite()


@pytest.mark.parametrize("mode", MODES)
def test_losses_are_float32_for_half_precision_maps(mode: str) -> None:
    engine = trainer(mode, network(), [batch()])
    engine.state.output = {}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = engine._loss(torch.randn(2, 2, 64, 64, dtype=torch.bfloat16, requires_grad=True), batch()["label"])
    assert loss.dtype == torch.float32
    assert loss.isfinite()


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("localiser", ["detached", "joint"])
def test_distributed_networks_are_unwrapped(localiser: str) -> None:
    f = DistributedDataParallel(SyntheticGradientNet((2, 2, 4, 4)))
    options = {"synthetic_network": f, "synthetic_optimizer": torch.optim.Adam(f.parameters())}
    engine = trainer("synthetic", DistributedDataParallel(network(localiser)), [batch(), batch()], **options)
    engine.run()
    assert engine.state.output["loss"].isfinite()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "gumbel"}, "`mode` must be one of .* got 'gumbel'"),
        ({"mode": "synthetic"}, "`synthetic_network` must be given in mode 'synthetic' alone, got None in 'synthetic'"),
        ({"synthetic_network": nn.Identity()}, "`synthetic_network` must be given in mode 'synthetic' alone, got Id"),
        ({"inner_steps": 0}, "`inner_steps` must be >= 1, got 0"),
        ({"sigma": -1.0}, "`sigma` must be >= 0, got -1.0"),
        ({"temperature": 0.0}, "`temperature` must be > 0, got 0.0"),
        ({"localiser_weight": -0.1}, "`localiser_weight` must be >= 0, got -0.1"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    net = network()
    with pytest.raises(ValueError, match=message):
        SyntheticGradientTrainer(network=net, optimizer=torch.optim.SGD(net.parameters()), **options)


def test_another_network_is_refused() -> None:
    net = nn.Conv2d(1, 2, 1)
    with pytest.raises(TypeError, match="`network` must be an EDPCNN, got Conv2d"):
        SyntheticGradientTrainer(network=net, optimizer=torch.optim.SGD(net.parameters()))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d.update(label=d["label"][:, :, 1:]), r"`label` must have shape \(2, 1, 64, 64\), got \(2, 1, 63"),
        (lambda d: d["image"].fill_(torch.nan), "the map of item 0 is not finite"),
    ],
)
def test_bad_data(spoil: Callable[[dict], None], message: str) -> None:
    data = batch()
    spoil(data)
    with pytest.raises(ValueError, match=message):
        trainer("exact", network(), [data]).run()
