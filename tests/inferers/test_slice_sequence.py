"""Windows of slices: carried state equals the whole volume; overlap and blending is MONAI's sliding window."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor, nn

from monai_lsext.inferers import SliceSequenceInferer
from monai_lsext.networks.nets import PNetBiRNN, PNetMSA


def network(bidirectional: bool = True, change_mm: float | None = None) -> PNetBiRNN:
    torch.manual_seed(0)
    net = PNetBiRNN(PNetMSA(channels=2, num_units=2), bidirectional, 4, change_mm)
    with torch.no_grad():
        for parameter in net.recurrence.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return net.eval()


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("depth", "window"), [(1, 4), (2, 1), (11, 4), (12, 4), (5, 32)])
def test_carried_state_equals_the_whole_volume(bidirectional: bool, depth: int, window: int) -> None:
    net, volume = network(bidirectional), torch.randn(2, 1, 6, 5, depth)
    with torch.no_grad():
        expected = net(volume)
        assert (SliceSequenceInferer(window)(volume, net) - expected).abs().max() < 1e-5
        if depth > window:  # the state matters: windows by themselves differ
            alone = torch.cat([net(part) for part in volume.split(window, 4)], 4)
            assert (alone - expected).abs().max() > 1e-3


def test_500_slices() -> None:
    net, volume = network(), torch.randn(1, 1, 4, 4, 500)
    with torch.no_grad():
        assert (SliceSequenceInferer(64)(volume, net) - net(volume)).abs().max() < 1e-5


def test_abnormal_changes_are_looked_for_in_the_whole_volume() -> None:
    net = network(change_mm=0.5)
    affine = torch.diag(torch.tensor([0.3, 0.3, 2.0, 1.0], dtype=torch.float64))
    volume = MetaTensor(torch.randn(1, 1, 8, 8, 9), affine=affine)
    with torch.no_grad():
        expected, found = net(volume), SliceSequenceInferer(2)(volume, net)
        assert isinstance(found, MetaTensor)
        assert torch.allclose(found.as_tensor(), expected.as_tensor(), atol=1e-5)
        given = SliceSequenceInferer(2)(volume.as_tensor(), net, spacing_mm=(0.3, 0.3))
    assert torch.allclose(given, expected.as_tensor(), atol=1e-5)


def test_wrapped_network() -> None:
    net, volume = network(), torch.randn(1, 1, 4, 4, 3)
    wrapped = nn.DataParallel(net)
    assert torch.allclose(SliceSequenceInferer(2)(volume, wrapped), net(volume), atol=1e-5)


def test_slices_leave_the_recurrence_out() -> None:
    net, volume = network(), torch.randn(2, 1, 6, 5, 11)
    with torch.no_grad():
        found = SliceSequenceInferer(4, mode="slices")(volume, net)
        alone = net.pnet(volume[:, 0, :, :, 4:7].movedim(-1, 1))
    assert torch.allclose(found[..., 5], alone, atol=1e-5)
    assert (found - net(volume)).abs().max() > 1e-3


def test_blending_leaves_what_each_slice_gives_by_itself() -> None:
    volume = torch.rand(2, 1, 4, 5, 11)
    seen = []

    def double(part: Tensor) -> Tensor:
        seen.append(part.shape[-1])
        return 2 * part

    result = SliceSequenceInferer(4, mode="blend", overlap=0.25)(volume, double)
    assert torch.allclose(result, 2 * volume, atol=1e-6)
    assert set(seen) == {4}
    short = SliceSequenceInferer(32, mode="blend")(volume, double)
    assert torch.allclose(short, 2 * volume, atol=1e-6)
    assert seen[-1] == 11


def test_blending_weighs_the_middle_of_a_window_most() -> None:
    """Two windows of 4 slices that overlap in 2, the first of ones and the second of zeros."""
    values = iter([1.0, 0.0])
    result = SliceSequenceInferer(4, mode="blend")(
        torch.rand(1, 1, 4, 4, 6), lambda part: torch.cat([torch.full_like(p[None], next(values)) for p in part])
    )[0, 0, 1, 1]
    assert torch.equal(result[:2], torch.ones(2))
    assert torch.equal(result[4:], torch.zeros(2))
    assert 1 > result[2] > 0.5 > result[3] > 0
    assert float(result[2] + result[3]) == pytest.approx(1, abs=1e-5)


def test_blending_is_close_to_the_whole_volume_but_not_the_same() -> None:
    net, volume = network(), torch.randn(1, 1, 8, 8, 16)
    with torch.no_grad():
        difference = (SliceSequenceInferer(8, "blend")(volume, net) - net(volume)).abs()
    assert difference.max() > 1e-6
    assert difference.mean() < 0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 0}, "`window` must be >= 1, got 0"),
        ({"mode": "sum"}, r"`mode` must be one of \['carry', 'blend', 'slices'\], got 'sum'"),
        ({"overlap": 1.0}, "`overlap` must be >= 0 and < 1, got 1.0"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SliceSequenceInferer(**arguments)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"`inputs` must have shape \[B, C, H, W, D\], got \(1, 1, 4, 4\)"):
        SliceSequenceInferer()(torch.zeros(1, 1, 4, 4), network())
    with pytest.raises(TypeError, match="`mode` 'carry' needs a PNetBiRNN, got Identity; use 'blend' instead"):
        SliceSequenceInferer()(torch.zeros(1, 1, 4, 4, 2), nn.Identity())
