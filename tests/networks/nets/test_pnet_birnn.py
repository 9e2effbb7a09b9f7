"""PNet with the recurrence: a slow loop slice by slice, chunks, abnormal changes, a lost slice, one and 500 slices."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from monai.data import MetaTensor
from monai.losses import DiceLoss
from torch import Tensor, nn

from monai_lsext.networks.layers.averaged_hausdorff import averaged_hausdorff_distance
from monai_lsext.networks.nets import PNetBiRNN, PNetMSA


class Middle(nn.Module):
    """Takes the slice itself for its logit."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, images: Tensor) -> Tensor:
        return self.gain * images[:, 1:2]


def small(**options) -> PNetBiRNN:
    torch.manual_seed(0)
    pnet = PNetMSA(channels=2, num_units=2)
    with torch.no_grad():
        pnet.fusions[1].bias.fill_(0.3)
    net = PNetBiRNN(pnet, **options)
    with torch.no_grad():
        for parameter in net.recurrence.parameters():  # away from the start, so that everything takes part
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net.double()


def slice_by_slice(net: PNetBiRNN, volume: Tensor) -> Tensor:
    """Equations 5 to 10 with a loop over the slices; a probability [B, 1, H, W, D]."""
    slices = volume.unbind(-1)
    maps = []
    for t, here in enumerate(slices):
        triple = torch.cat([slices[max(t - 1, 0)], here, slices[min(t + 1, len(slices) - 1)]], 1)
        maps.append(net.pnet(triple).sigmoid())

    def direction(lstm: nn.Module, sequence: list[Tensor]) -> list[Tensor]:
        (layer,) = lstm.layers
        wi, wh, peep = layer.input_conv, layer.hidden_conv, layer.peephole
        hidden = cell = torch.zeros_like(sequence[0])
        gates = []
        for y in sequence:
            shares = [
                F.conv2d(y, wi.weight[g : g + 1], wi.bias[g : g + 1], padding=1)
                + F.conv2d(hidden, wh.weight[g : g + 1], padding=1)
                for g in range(4)
            ]
            i = torch.sigmoid(shares[0] + peep[0] * cell)
            f = torch.sigmoid(shares[1] + peep[1] * cell)
            cell = f * cell + i * torch.tanh(shares[2])
            o = torch.sigmoid(shares[3] + peep[2] * cell)
            hidden = o * torch.tanh(cell)
            gates.append(o)
        return gates

    if not net.bidirectional:
        return torch.stack(direction(net.recurrence, maps), -1)
    weights = net.recurrence.blend.softmax(0)
    ahead = direction(net.recurrence.forward_lstm, maps)
    back = direction(net.recurrence.backward_lstm, maps[::-1])[::-1]
    return torch.stack([weights[0] * a + weights[1] * b for a, b in zip(ahead, back, strict=True)], -1)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_equals_a_loop_slice_by_slice(bidirectional: bool, depth: int) -> None:
    net = small(bidirectional=bidirectional).eval()
    volume = torch.randn(2, 1, 6, 5, depth, dtype=torch.float64)
    assert torch.allclose(net(volume).sigmoid(), slice_by_slice(net, volume), atol=1e-10)


def test_500_slices_in_pieces() -> None:
    net, volume = small(slices_at_once=64).eval(), torch.randn(1, 1, 4, 4, 500, dtype=torch.float64)
    with torch.no_grad():
        found = net(volume)
        assert torch.allclose(found.sigmoid(), slice_by_slice(net, volume), atol=1e-10)


def test_pieces_bound_the_memory_and_change_neither_result_nor_gradient() -> None:
    volume, seen = torch.randn(2, 1, 4, 6, 7, dtype=torch.float64), []
    results, gradients = [], []
    for slices_at_once in (1, 4, 100):
        net = small(slices_at_once=slices_at_once).train()
        net.pnet.register_forward_pre_hook(lambda _, images: seen.append(len(images[0])))
        own, refined = net(volume)
        (own.square().mean() + refined.square().mean()).backward()
        results.append(torch.cat([own, refined]))
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
    assert set(seen) == {2, 4, 14}  # a slice of each item at least
    for result, gradient in zip(results, gradients, strict=True):
        assert torch.allclose(result, results[0], atol=1e-10)
        assert torch.allclose(gradient, gradients[0], atol=1e-9)
    assert gradients[0].abs().min() >= 0
    assert (gradients[0] != 0).double().mean() > 0.9


def test_training_gives_both_maps_and_keeps_the_statistics() -> None:
    net, volume = small().train(), torch.randn(1, 1, 4, 4, 3, dtype=torch.float64)
    before = copy.deepcopy(net.state_dict())
    own, refined = net(volume)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    net.eval()
    assert torch.allclose(refined, net(volume), atol=1e-10)
    assert torch.allclose(own[..., 1], net.pnet(volume[0].movedim(-1, 0).movedim(1, 0)), atol=1e-10)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_starts_with_the_masks_of_the_slices(bidirectional: bool) -> None:
    torch.manual_seed(0)
    net = PNetBiRNN(Middle(), bidirectional).eval()
    volume = torch.randn(1, 1, 6, 6, 4)
    assert torch.equal(net(volume) > 0, volume > 0)
    expected = torch.sigmoid(4 * volume.sigmoid() - 2)
    assert torch.allclose(net(volume).sigmoid(), expected, atol=1e-6)


def test_logits_are_finite_where_the_gates_are_full() -> None:
    net = PNetBiRNN(Middle())
    with torch.no_grad():
        net.recurrence.forward_lstm.layers[0].input_conv.bias[-1] = 200.0
        net.recurrence.backward_lstm.layers[0].input_conv.bias[-1] = 200.0
    own, refined = net(99 * torch.ones(1, 1, 3, 3, 2))
    assert own.max() == 16
    assert 15 < refined.max() <= 16
    refined.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def disc_volume(seed: int, depth: int = 8) -> tuple[Tensor, Tensor, int]:
    """Logits of a slowly moving disc with empty slices at both ends and one lost slice; the truth; which is lost."""
    generator = torch.Generator().manual_seed(seed)
    x, t = torch.arange(12.0)[:, None, None], torch.arange(depth) - depth / 2
    centre = 3.5 + 5 * torch.rand(2, generator=generator)
    speed = 0.8 * torch.rand(2, generator=generator) - 0.4
    radius = 2 + 2 * torch.rand(1, generator=generator)
    rows, columns = (c + v * t for c, v in zip(centre, speed, strict=True))
    truth = ((x - rows) ** 2 + (x.movedim(0, 1) - columns) ** 2 < radius**2).float()
    truth[..., [0, -1]] = 0
    lost = int(torch.randint(2, depth - 2, (1,), generator=generator))
    logits = 8 * truth - 4
    logits[..., lost] = -4
    return logits[None, None], truth[None, None], lost


def dice(mask: Tensor, truth: Tensor) -> float:
    return float(2 * (mask * truth).sum() / (mask.sum() + truth.sum()))


def test_both_directions_learn_to_restore_a_lost_slice() -> None:
    """Seen by other volumes than those of the training, also longer ones: the rest does not get worse."""
    torch.manual_seed(0)
    net, steps = PNetBiRNN(Middle()).train(), 100
    loss = DiceLoss(sigmoid=True, jaccard=True)
    optimiser = torch.optim.Adam(net.recurrence.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        logits, truth = (torch.cat(pair) for pair in zip(*[disc_volume(2 * step + i)[:2] for i in (0, 1)], strict=True))
        optimiser.zero_grad()
        loss(net(logits)[-1], truth).backward()
        optimiser.step()
        schedule.step()
    net.eval()
    volumes = [disc_volume(10_000 + i, 9 + i % 3) for i in range(6)]
    masks = [net(logits) > 0 for logits, _, _ in volumes]
    of_lost = [dice(mask[..., lost], truth[..., lost]) for mask, (_, truth, lost) in zip(masks, volumes, strict=True)]
    assert all(dice(logits[..., lost] > 0, truth[..., lost]) == 0 for logits, truth, lost in volumes)
    assert sum(of_lost) / len(of_lost) > 0.6
    gains = [
        dice(mask, truth) - dice(logits > 0, truth) for mask, (logits, truth, _) in zip(masks, volumes, strict=True)
    ]
    assert sum(gains) > 0


def test_only_slices_beside_an_abnormal_change_are_refined() -> None:
    net = PNetBiRNN(Middle(), change_mm=0.5).eval()
    with torch.no_grad():  # so that refined slices can be told apart
        net.recurrence.forward_lstm.layers[0].input_conv.bias[-1] = -1.0
    volume = torch.full((1, 1, 12, 12, 8), -4.0)
    for t in (1, 2, 3, 5, 6):  # slice 4 is lost
        volume[..., 3 : 8 + t % 2, 3:8, t] = 4
    everywhere = PNetBiRNN(Middle()).eval()
    everywhere.load_state_dict(net.state_dict())
    found, all_refined = net(volume, spacing_mm=(0.5, 0.5)), everywhere(volume)
    for t in range(8):  # slice 2 alone has neighbours whose masks differ by the disc's slow movement only
        assert torch.equal(found[..., t], (volume if t == 2 else all_refined)[..., t])
        assert not torch.equal(volume[..., t], all_refined[..., t])


@pytest.mark.parametrize(("spacing", "changed"), [((1.2, 1.2), True), ((0.4, 9.0), False), ((9.0, 0.4), True)])
def test_change_is_measured_in_millimetres_along_each_axis(spacing: tuple[float, float], changed: bool) -> None:
    """A square that moves by one pixel along the first axis."""
    volume = -torch.ones(1, 1, 12, 12, 2)
    volume[..., 3:8, 3:8, 0] = 1
    volume[..., 4:9, 3:8, 1] = 1
    distance = averaged_hausdorff_distance(volume[0, 0, ..., 0] > 0, volume[0, 0, ..., 1] > 0, spacing)
    net = PNetBiRNN(Middle(), change_mm=0.5).eval()
    assert (distance > 0.5) == changed
    affine = torch.diag(torch.tensor([-spacing[0], spacing[1], 3.0, 1.0], dtype=torch.float64))
    given, read = net(volume, spacing_mm=spacing), net(MetaTensor(volume, affine=affine))
    assert torch.equal(given, read.as_tensor())
    assert torch.equal(given, volume) != changed


def test_change_without_a_spacing_is_refused() -> None:
    with pytest.raises(ValueError, match="`change_mm` needs the spacing: give `spacing_mm`, or a MetaTensor"):
        PNetBiRNN(Middle(), change_mm=0.5).eval()(torch.zeros(1, 1, 4, 4, 2))


def test_result_keeps_the_place_of_the_volume() -> None:
    affine = torch.diag(torch.tensor([2.0, 2.0, 5.0, 1.0], dtype=torch.float64))
    result = PNetBiRNN(Middle()).eval()(MetaTensor(torch.randn(1, 1, 4, 4, 3), affine=affine))
    assert isinstance(result, MetaTensor)
    assert torch.equal(result.affine, affine)


def test_traced_net_gives_the_same() -> None:
    net, volume = small().eval(), torch.randn(1, 1, 5, 4, 3, dtype=torch.float64)
    traced = torch.jit.trace(net, torch.zeros_like(volume), check_trace=False)
    assert torch.allclose(traced(volume), net(volume), atol=1e-10)


@pytest.mark.slow
def test_onnx_gives_the_same_volume(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    net, volume, path = small().float().eval(), torch.randn(1, 1, 5, 4, 3), tmp_path / "net.onnx"
    torch.onnx.export(net, (torch.zeros_like(volume),), path, dynamo=True, verbose=False, optimize=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: volume.numpy()})
    assert torch.allclose(torch.from_numpy(found), net(volume), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slices_at_once": 0}, "`slices_at_once` must be >= 1, got 0"),
        ({"change_mm": 0.0}, "`change_mm` must be > 0, got 0.0"),
        ({"change_mm": math.nan}, "`change_mm` must be > 0, got nan"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PNetBiRNN(Middle(), **options)


def test_bad_input() -> None:
    net = PNetBiRNN(Middle())
    for shape in ((1, 3, 4, 4, 2), (1, 1, 4, 4)):
        with pytest.raises(ValueError, match=r"`volume` must have shape \[B, 1, H, W, D\], got"):
            net(torch.zeros(shape))
    with pytest.raises(ValueError, match="`volume` of 0 slices must have the slices 0 to -1"):
        net(torch.zeros(1, 1, 4, 4, 0))
    with pytest.raises(ValueError, match="`backward` needs a bidirectional network"):
        PNetBiRNN(Middle(), bidirectional=False).sweep(torch.zeros(1, 1, 4, 4, 2), backward=True)
    with pytest.raises(ValueError, match="`pnet` must return one channel, got 3"):
        PNetBiRNN(nn.Conv2d(3, 3, 1))(torch.zeros(1, 1, 4, 4, 2))
