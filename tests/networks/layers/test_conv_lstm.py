from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv3d

from monai_lsext.networks.layers import BidirectionalConvLSTM, ConvLSTM

SIZE = {2: (5, 4), 3: (4, 3, 2)}


def random_lstm(spatial_dims: int = 2, **options: object) -> ConvLSTM:
    torch.manual_seed(0)
    lstm = ConvLSTM(spatial_dims=spatial_dims, **options).double()
    for parameter in lstm.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return lstm


def frames(lstm: ConvLSTM, batch: int = 2, length: int = 4) -> Tensor:
    size = SIZE[lstm.spatial_dims]
    return torch.randn(batch, length, lstm.in_channels, *size, dtype=torch.float64)


def formulas(layer: torch.nn.Module, sequence: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Equations 5 to 9, one gate of one item of one frame at a time: H and O of all frames, and the last C."""
    spatial = sequence.ndim - 3
    convolve = conv2d if spatial == 2 else conv3d
    w_x, w_h = layer.input_conv.weight.chunk(4), layer.hidden_conv.weight.chunk(4)
    bias = layer.input_conv.bias.chunk(4)
    padding = tuple(side // 2 for side in w_x[0].shape[2:])
    peepholes = [0.0] * 3 if layer.peephole is None else [w.view(-1, *[1] * spatial) for w in layer.peephole]
    hiddens, outputs, cells = [], [], []
    for b in range(len(sequence)):
        h, c = hidden[b], cell[b]
        for x in sequence[b]:
            i, f, g, o = (
                convolve(x[None], w_x[k], bias[k], padding=padding)[0] + convolve(h[None], w_h[k], padding=padding)[0]
                for k in range(4)
            )
            i, f = torch.sigmoid(i + peepholes[0] * c), torch.sigmoid(f + peepholes[1] * c)
            c = f * c + i * torch.tanh(g)
            o = torch.sigmoid(o + peepholes[2] * c)
            h = o * torch.tanh(c)
            hiddens.append(h)
            outputs.append(o)
        cells.append(c)
    shape = (*sequence.shape[:2], *hidden.shape[1:])
    return torch.stack(hiddens).view(shape), torch.stack(outputs).view(shape), torch.stack(cells)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"peephole": False},
        {"in_channels": 2, "hidden_channels": 3},
        {"in_channels": 9, "hidden_channels": 5},  # too many taps for shifted copies: torch's convolution
        {"kernel_size": (1, 5)},
        {"spatial_dims": 3, "in_channels": 2},
        {"spatial_dims": 3, "hidden_channels": 2, "kernel_size": (3, 1, 1)},
    ],
)
def test_equals_the_formulas(options: dict) -> None:
    lstm = random_lstm(**options)
    sequence = frames(lstm)
    state = tuple(torch.randn(1, 2, lstm.hidden_channels, *sequence.shape[3:], dtype=torch.float64) for _ in range(2))
    expected, expected_gate, last_cell = formulas(lstm.layers[0], sequence, state[0][0], state[1][0])
    for differentiated in (False, True):
        with torch.set_grad_enabled(differentiated):
            output, (hidden, cell) = lstm(sequence, state)
        assert torch.allclose(output, expected, atol=1e-6, rtol=0)
        assert torch.equal(hidden[0], output[:, -1])
        assert torch.allclose(cell[0], last_cell, atol=1e-6, rtol=0)
    lstm.layers[0].gate = True
    assert torch.allclose(lstm(sequence, state)[0], expected_gate, atol=1e-6, rtol=0)


def test_seventy_two_weights_and_their_start() -> None:
    layer = ConvLSTM().layers[0]
    assert layer.input_conv.weight.numel() + layer.hidden_conv.weight.numel() == 72
    assert layer.input_conv.bias.tolist() == [0, 1, 0, 0]
    assert layer.peephole.tolist() == [[0], [0], [0]]


@pytest.mark.parametrize("output", ["hidden", "gate"])
@pytest.mark.parametrize(
    "options",
    [
        {"hidden_channels": 2},
        {"in_channels": 2, "peephole": False},
        {"in_channels": 8, "hidden_channels": 4},
        {"spatial_dims": 3},
        {"num_layers": 2},
    ],
)
def test_gradcheck(options: dict, output: str) -> None:
    lstm = random_lstm(output=output, **options)
    sequence = frames(lstm, length=3)[..., :2]
    mask = torch.tensor([[True, True, True], [True, False, True]])
    state = tuple(
        torch.randn(len(lstm.layers), 2, lstm.hidden_channels, *sequence.shape[3:], dtype=torch.float64)
        for _ in range(2)
    )
    names, weights = zip(*lstm.named_parameters(), strict=True)

    def run(*tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        given = dict(zip(names, tensors[3:], strict=True))
        result, (hidden, cell) = torch.func.functional_call(lstm, given, (tensors[0], tensors[1:3], mask))
        return result, hidden, cell

    inputs = [t.detach().requires_grad_() for t in (sequence, *state, *weights)]
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


def test_more_frames_than_are_convolved_at_once() -> None:
    lstm = random_lstm(in_channels=9, hidden_channels=4)
    sequence = frames(lstm, batch=1, length=37).requires_grad_()
    expected = formulas(lstm.layers[0], sequence, torch.zeros(1, 4, 5, 4).double(), torch.zeros(1, 4, 5, 4).double())[0]
    output = lstm(sequence)[0]
    assert torch.allclose(output, expected, atol=1e-9)
    weight = torch.randn_like(output)
    leaves = [sequence, *lstm.parameters()]
    ours, theirs = (torch.autograd.grad((result * weight).sum(), leaves) for result in (output, expected))
    assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(ours, theirs, strict=True))


def test_layers_are_stacked() -> None:
    lstm = random_lstm(hidden_channels=2, num_layers=2)
    sequence = frames(lstm)
    zero = torch.zeros(2, 2, 5, 4).double()
    first = formulas(lstm.layers[0], sequence, zero, zero)[0]
    assert torch.allclose(lstm(sequence)[0], formulas(lstm.layers[1], first, zero, zero)[0])


def test_pieces_continue_from_the_state() -> None:
    lstm = random_lstm(num_layers=2)
    sequence = frames(lstm, length=7)
    whole, last = lstm(sequence)
    head, state = lstm(sequence[:, :3])
    tail, state = lstm(sequence[:, 3:], state)
    assert torch.allclose(torch.cat([head, tail], 1), whole)
    assert all(torch.allclose(one, other) for one, other in zip(state, last, strict=True))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_variable_lengths_equal_separate_runs(bidirectional: bool) -> None:
    lstm = random_lstm(hidden_channels=2)
    if bidirectional:
        lstm = BidirectionalConvLSTM(hidden_channels=2).double()
    lengths = torch.tensor([5, 1, 3])
    sequence = torch.randn(3, 5, 1, 5, 4, dtype=torch.float64).requires_grad_()
    output, state = lstm(sequence, mask=torch.arange(5) < lengths[:, None])
    last = state[0] if bidirectional else state
    for item, length in enumerate(lengths):
        alone, alone_state = lstm(sequence[item : item + 1, :length])
        assert torch.allclose(output[item, :length], alone[0])
        assert not output[item, length:].any()
        alone_last = alone_state[0] if bidirectional else alone_state
        assert torch.allclose(last[0][:, item], alone_last[0][:, 0])
    (gradient,) = torch.autograd.grad(output.sum(), sequence)
    assert not gradient[1, 1:].any()
    assert gradient[1, 0].any()


def test_a_skipped_frame_in_the_middle_leaves_the_state() -> None:
    lstm = random_lstm()
    sequence = frames(lstm, length=3)
    output, _ = lstm(sequence, mask=torch.tensor([[True, False, True]] * 2))
    assert torch.allclose(output[:, [0, 2]], lstm(sequence[:, [0, 2]])[0])
    assert not output[:, 1].any()


def test_reversed_input_gives_the_reversed_backward_branch() -> None:
    torch.manual_seed(0)
    lstm = BidirectionalConvLSTM(hidden_channels=2).double()
    lstm.backward_lstm.load_state_dict(lstm.forward_lstm.state_dict())
    sequence = torch.randn(2, 4, 1, 5, 4, dtype=torch.float64)
    ahead, back = lstm(sequence)[0].chunk(2, dim=2)
    ahead_reversed, back_reversed = lstm(sequence.flip(1))[0].chunk(2, dim=2)
    assert torch.allclose(back, ahead_reversed.flip(1))
    assert torch.allclose(ahead, back_reversed.flip(1))


def test_convex_blend_by_hand() -> None:
    torch.manual_seed(0)
    lstm = BidirectionalConvLSTM(output="gate", merge="convex")
    sequence = torch.randn(1, 3, 1, 5, 4)
    ahead, back = lstm.forward_lstm(sequence)[0], lstm.backward_lstm(sequence.flip(1))[0].flip(1)
    assert torch.allclose(lstm(sequence)[0], (ahead + back) / 2)
    with torch.no_grad():
        lstm.blend.copy_(torch.tensor([3.0, 1.0]).log())
    blended = lstm(sequence)[0]
    assert torch.allclose(blended, 0.75 * ahead + 0.25 * back)
    assert (blended > 0).all()
    assert (blended < 1).all()


@pytest.mark.parametrize("output", ["hidden", "gate"])
def test_traced_and_scripted_give_the_same(output: str) -> None:
    lstm = random_lstm(num_layers=2, output=output).eval()
    sequence, mask = frames(lstm), torch.tensor([[True] * 4, [True, True, False, False]])
    expected = lstm(sequence, mask=mask)[0]
    zero = torch.zeros(2, 2, 1, 5, 4).double()
    traced = torch.jit.trace(lstm, (sequence, (zero, zero), mask), check_trace=False)
    assert torch.allclose(traced(sequence, (zero, zero), mask)[0], expected)
    assert torch.allclose(torch.jit.script(lstm)(sequence, None, mask)[0], expected)


def test_half_precision_frames_under_autocast() -> None:
    lstm = ConvLSTM()
    sequence = torch.randn(1, 3, 1, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        output = lstm(sequence.bfloat16())[0]
    assert output.dtype == torch.float32
    assert torch.allclose(output, lstm(sequence)[0], atol=0.02)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_equals_cpu() -> None:
    lstm = random_lstm(in_channels=2, hidden_channels=2)
    sequence = frames(lstm).requires_grad_()
    results = []
    for device in ("cpu", "cuda"):
        output = lstm.to(device)(sequence.to(device))[0]
        results.append((output.cpu(), torch.autograd.grad(output.sum(), sequence)[0].cpu()))
    assert all(torch.allclose(one, other, atol=1e-9) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_channels": 0}, "`in_channels` must be >= 1, got 0"),
        ({"hidden_channels": 0}, "`hidden_channels` must be >= 1, got 0"),
        ({"num_layers": 0}, "`num_layers` must be >= 1, got 0"),
        ({"kernel_size": 4}, "`kernel_size` must be odd and >= 1, got 4"),
        ({"spatial_dims": 1}, "`spatial_dims` must be 2 or 3, got 1"),
        ({"output": "cell"}, "`output` must be 'hidden' or 'gate', got 'cell'"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConvLSTM(**options)


def test_bad_merge() -> None:
    with pytest.raises(ValueError, match="`merge` must be 'concat' or 'convex', got 'sum'"):
        BidirectionalConvLSTM(merge="sum")


@pytest.mark.parametrize(
    ("shape", "rest", "error", "message"),
    [
        ((1, 2, 3, 4, 4), {}, ValueError, r"`sequence` must have shape \[B, T, 1, H, W\], got \(1, 2, 3, 4, 4\)"),
        ((1, 0, 1, 4, 4), {}, ValueError, r"at least one frame, got \(1, 0, 1, 4, 4\)"),
        (
            (1, 2, 1, 4, 4),
            {"state": (torch.zeros(1, 1, 1, 4, 4), torch.zeros(1, 1, 1, 4, 5))},
            ValueError,
            r"`state` must hold C of shape \(1, 1, 1, 4, 4\), got \(1, 1, 1, 4, 5\)",
        ),
        ((1, 2, 1, 4, 4), {"mask": torch.ones(1, 2)}, TypeError, "`mask` must be bool, got torch.float32"),
        ((1, 2, 1, 4, 4), {"mask": torch.ones(1, 3).bool()}, ValueError, r"must have shape \(1, 2\), got \(1, 3\)"),
    ],
)
def test_bad_input(shape: tuple[int, ...], rest: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ConvLSTM()(torch.zeros(shape), **rest)
