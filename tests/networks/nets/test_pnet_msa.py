"""PNet-MSA: size, the folded decoder against the layers as they stand, blend, growth, any image size, export."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_lsext.losses import MultiStepLoss
from monai_lsext.networks.nets import PNetMSA


def small(**options) -> PNetMSA:
    torch.manual_seed(0)
    net = PNetMSA(**{"channels": 4, "num_units": 3, **options})
    with torch.no_grad():  # nothing at a value that would hide a mistake
        net.blend.copy_(torch.linspace(-1, 1, net.num_units))
        for layer in [*net.deconvolutions, *net.fusions]:
            layer.bias.normal_()
    return net.double()


def as_it_stands(net: PNetMSA, image: Tensor, active: int) -> list[Tensor]:
    """U_1 .. U_active and Y (a probability) from the formulas, every D_j(F_j) at full size."""
    full, x = [], image
    for j in range(active):
        x = net.branches[j](F.max_pool2d(x, 2) if j else x)
        full.append(net.deconvolutions[j - 1](x) if j else x)
    fused = [full[: k + 1] if net.aggregate else full[k : k + 1] for k in range(active)]
    units = [net.fusions[k](torch.cat(fused[k], 1)) for k in range(active)]
    weights = net.blend[:active].softmax(0)
    return [*units, sum(w * u.sigmoid() for w, u in zip(weights, units, strict=True))]


@pytest.mark.parametrize("aggregate", [True, False])
@pytest.mark.parametrize("active", [1, 2, 3])
@pytest.mark.parametrize("out_channels", [1, 2])
def test_equals_the_layers_as_they_stand(aggregate: bool, active: int, out_channels: int) -> None:
    net = small(aggregate=aggregate, out_channels=out_channels)
    net.set_active_units(active)
    image = torch.randn(2, 3, 12, 8, dtype=torch.float64)
    reference = copy.deepcopy(net)
    *units, probability = as_it_stands(reference, image, active)
    steps = net(image)
    assert len(steps) == active + 1
    for found, expected in zip(steps[:-1], units, strict=True):
        assert torch.allclose(found, expected, atol=1e-12)
    assert torch.allclose(steps[-1].sigmoid(), probability, atol=1e-12)
    (steps[-1].square().sum() + steps[0].sum()).backward()
    (torch.logit(probability).square().sum() + units[0].sum()).backward()
    for name, parameter in reference.named_parameters():
        found = net.get_parameter(name).grad
        assert (found is None) == (parameter.grad is None), name
        assert found is None or torch.allclose(found, parameter.grad, atol=1e-9), name


def test_published_size(tmp_path: Path) -> None:
    net = PNetMSA()
    assert sum(p.numel() for p in net.parameters()) == 2_098_570
    torch.save(net.state_dict(), tmp_path / "model.pt")
    assert (tmp_path / "model.pt").stat().st_size < 10e6
    alone = sum(p.numel() for p in PNetMSA(aggregate=False).parameters())
    assert alone == 2_098_570 - 64 * (1 + 2 + 3 + 4)


def test_eval_gives_the_blend_alone() -> None:
    net, image = small().eval(), torch.randn(1, 3, 8, 8, dtype=torch.float64)
    assert torch.allclose(net(image).sigmoid(), as_it_stands(net, image, 3)[-1], atol=1e-12)


def test_blend_is_clamped_and_exact_at_its_ends() -> None:
    net = small()
    weights = net.blend.softmax(0)
    units = [torch.full((1, 1, 1, 1), value) for value in (-40.0, -12.0, -30.0)]
    # single precision: p = w_2 sigmoid(-12), of which 1 - p keeps no digit
    expected = torch.log(weights[1]) + F.logsigmoid(torch.tensor(-12.0))
    assert net.float()._blended(units).item() == pytest.approx(expected.item(), abs=1e-5)
    assert net._blended([-u for u in units]).item() == pytest.approx(-expected.item(), abs=1e-5)
    assert net._blended([torch.full((1, 1, 1, 1), 99.0)] * 3).item() == 16


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (4, 7), (8, 8)])
def test_any_size_is_padded_by_replication_and_cropped(size: tuple[int, int]) -> None:
    net, image = small().eval(), torch.randn(1, 3, *size, dtype=torch.float64)
    rows, columns = (torch.arange(-(-s // 4) * 4).clamp(max=s - 1) for s in size)
    padded = net(image[:, :, rows][..., columns])
    assert torch.allclose(net(image), padded[:, :, : size[0], : size[1]], atol=1e-12)


def test_growth_unlocks_unit_by_unit_and_leaves_the_rest_untouched() -> None:
    net, image = small(), torch.randn(1, 3, 8, 8, dtype=torch.float64)
    net.set_active_units(1)
    first = net.eval()(image)
    assert torch.allclose(first, as_it_stands(net, image, 1)[0], atol=1e-12)
    net.train()(image)[-1].sum().backward()
    waiting = [*net.branches[1:].parameters(), *net.deconvolutions.parameters(), *net.fusions[1:].parameters()]
    assert all(p.grad is None for p in waiting)
    assert [net.unlock_next_unit() for _ in range(3)] == [True, True, False]
    assert int(net.active_units) == 3


def test_the_number_of_units_is_in_the_state_dict() -> None:
    net, image = small().eval(), torch.randn(1, 3, 8, 8, dtype=torch.float64)
    net.set_active_units(2)
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    buffer.seek(0)
    other = PNetMSA(channels=4, num_units=3).double().eval()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(other(image), net(image))
    assert torch.equal(copy.deepcopy(other)(image), net(image))
    inside = torch.nn.Sequential(PNetMSA(channels=4, num_units=3)).double().eval()
    inside.load_state_dict({f"0.{key}": value for key, value in net.state_dict().items()})
    assert torch.equal(inside(image), net(image))
    assert other.unlock_next_unit()
    assert not torch.allclose(other(image), net(image))
    assert int(net.active_units) == 2


def test_he_initialisation() -> None:
    torch.manual_seed(0)
    net = PNetMSA(channels=64, num_units=3)
    convolution, deconvolution = net.branches[1][3].weight, net.deconvolutions[1].weight
    assert convolution.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)
    assert deconvolution.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.02)
    with torch.no_grad():  # so that every unit starts at the same scale
        spread = [unit.std().item() for unit in net(torch.randn(2, 3, 32, 32))[:-1]]
    assert max(spread) < 4 * min(spread)


def test_under_several_processes_every_parameter_has_a_gradient(tmp_path: Path) -> None:
    net, image = small(), torch.randn(1, 3, 8, 8, dtype=torch.float64)
    net.set_active_units(1)
    alone = net(image)
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        steps = net(image)
        steps[-1].sum().backward()
    finally:
        torch.distributed.destroy_process_group()
    assert torch.equal(steps[0], alone[0])
    assert all(p.grad is not None for p in net.parameters())
    assert not any(p.grad.any() for p in net.branches[1:].parameters())


def test_learns_a_disc_with_the_loss_of_all_units() -> None:
    torch.manual_seed(0)
    net = PNetMSA(channels=4, num_units=2)
    axis = torch.arange(16.0) - 7
    truth = ((axis[:, None] ** 2 + axis**2) < 25).float()[None, None]
    image = (truth + 0.3 * torch.randn_like(truth)).expand(1, 3, 16, 16)
    loss = MultiStepLoss(F.binary_cross_entropy_with_logits, "uniform")
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(20):
        optimiser.zero_grad()
        loss(net(image), truth).backward()
        optimiser.step()
    mask = net(image)[-1] > 0
    assert 2 * (mask * truth).sum() / (mask.sum() + truth.sum()) > 0.95


def test_dropout_acts_in_training_only() -> None:
    net, image = small(dropout=0.5), torch.randn(1, 3, 8, 8, dtype=torch.float64)
    assert not torch.equal(net(image)[0], net(image)[0])
    assert torch.equal(net.eval()(image), net(image))


def test_autocast_gives_single_precision() -> None:
    net, image = small().float().eval(), torch.randn(1, 3, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(image)
    assert found.dtype == torch.float32
    assert torch.allclose(found, net(image), atol=0.3)


def test_traced_net_gives_the_same() -> None:
    net, image = small().eval(), torch.randn(1, 3, 9, 8, dtype=torch.float64)
    traced = torch.jit.trace(net, torch.zeros_like(image), check_trace=False)
    assert torch.allclose(traced(image), net(image), atol=1e-12)


def test_onnx_gives_the_same(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    net, image, path = small(channels=2, num_units=2).float().eval(), torch.randn(1, 3, 5, 6), tmp_path / "net.onnx"
    torch.onnx.export(net, (torch.zeros_like(image),), path, dynamo=True, verbose=False, optimize=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    assert torch.allclose(torch.from_numpy(found), net(image), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_channels": 0}, "`in_channels` must be >= 1, got 0"),
        ({"num_units": 0}, "`num_units` must be >= 1, got 0"),
        ({"channels": -1}, "`channels` must be >= 1, got -1"),
        ({"dropout": 1.0}, "`dropout` must be >= 0 and < 1, got 1.0"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PNetMSA(**options)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"`image` must have shape \[B, 3, H, W\], got \(1, 1, 8, 8\)"):
        small()(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match="`number` of active units must be 1 to 3, got 4"):
        small().set_active_units(4)
