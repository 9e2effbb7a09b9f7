"""RACE-net: published sizes, the recurrence against a slow loop, any size, learning, export, bad input."""

from __future__ import annotations

import pytest
import torch

from monai_lsext.networks.layers import gradient_magnitude_and_curvature, initial_level_set
from monai_lsext.networks.nets import CascadedRACENet, RACENet


def count(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def small(dims: int = 2, **options) -> RACENet:
    torch.manual_seed(0)
    return RACENet(dims, 1, 2, 3, (5, 3), **options)


@pytest.mark.parametrize(
    ("arguments", "published"),
    [((2, 3, 6, 6, (9, 7, 5, 3)), 26_322), ((2, 3, 6, 5, (9, 7, 5, 3)), 26_322), ((3, 1, 8, 7, (7, 5, 3, 3)), 71_862)],
)
def test_published_parameter_counts(arguments: tuple, published: int) -> None:
    assert count(RACENet(*arguments)) == published


def test_nuclei_count_differs_from_the_published_8394() -> None:
    assert count(RACENet(2, 3, 5, 6, (9, 7, 5, 3))) == 20_216


@pytest.mark.parametrize("dims", [2, 3])
def test_recurrence_equals_equation_3_step_by_step(dims: int) -> None:
    net = small(dims, initial="disk").double()
    image = torch.randn(2, 1, *(8, 6, 4)[:dims], dtype=torch.float64)
    phi = initial_level_set("disk", image.shape[2:]).double().expand(2, 1, *image.shape[2:]) * 0.1
    weights, bias = net.update.weight.flatten(), net.update.bias
    h = net.bending(net.bending.project(image))
    for step in net.evolve(image)[1:]:
        magnitude, curvature = gradient_magnitude_and_curvature(phi, eps=1e-2)
        g = net.balloon(net.balloon.project(image), phi)
        phi = weights[0] * phi + weights[1] * g * magnitude + weights[2] * h * curvature * magnitude + bias
        assert torch.allclose(step, phi, atol=1e-10)


def test_steps_behind_a_backbone_see_its_features() -> None:
    net, features = small(), torch.nn.Conv2d(2, 1, 3, padding=1)
    behind = RACENet(2, 1, 2, 3, (5, 3), backbone=features, divisor=4)
    behind.load_state_dict({**net.state_dict(), **features.state_dict(prefix="backbone.")})
    image = torch.randn(1, 2, 12, 16)
    assert torch.allclose(behind.eval()(image), net.eval()(features(image)), atol=1e-6)
    behind.train()(image)[-1].sum().backward()
    assert features.weight.grad.abs().sum() > 0


def test_a_cascade_runs_its_backbone_once() -> None:
    calls = []
    features = torch.nn.Conv2d(3, 2, 1)
    features.register_forward_hook(lambda module, inputs, output: calls.append(output.shape))
    net = CascadedRACENet(2, 2, (2, 2), (2, 2), (3,), backbone=features, divisor=8).eval()
    assert net(torch.randn(1, 3, 13, 20)).shape == (1, 2, 13, 20)
    assert calls == [(1, 2, 16, 24)]


def test_a_backbone_with_other_channels_is_refused() -> None:
    net = RACENet(2, 4, 2, 2, (3,), backbone=torch.nn.Conv2d(1, 3, 1), divisor=4)
    with pytest.raises(ValueError, match=r"`in_channels` channels .*\(1, 4, 8, 8\), got \(1, 3, 8, 8\)"):
        net(torch.zeros(1, 1, 8, 8))


def test_training_gives_all_steps_and_eval_the_last() -> None:
    net, image = small(), torch.randn(1, 1, 8, 8)
    steps = net.train()(image)
    assert isinstance(steps, list)
    assert len(steps) == 3
    assert torch.allclose(net.eval()(image), steps[-1])
    evolution = net.evolve(image)
    assert len(evolution) == 4
    assert torch.equal(evolution[0], 0.1 * initial_level_set("border", (8, 8)))


@pytest.mark.parametrize("size", [(9, 13), (2, 2), (8, 8, 5)])
def test_any_size_is_padded_by_replication_and_cropped(size: tuple[int, ...]) -> None:
    net = small(len(size)).eval()
    image = torch.randn(1, 1, *size)
    index = torch.meshgrid(*[torch.arange(s + s % 2).clamp(max=s - 1) for s in size], indexing="ij")
    phi0 = initial_level_set("border", size)
    padded = net(image[(slice(None), slice(None), *index)], phi0[(slice(None), slice(None), *index)])
    assert torch.allclose(net(image, phi0), padded[(slice(None), slice(None), *[slice(s) for s in size])], atol=1e-6)


def test_batch_equals_its_items() -> None:
    net, images = small().eval(), torch.randn(3, 1, 10, 12)
    assert torch.allclose(net(images), torch.cat([net(image[None]) for image in images]), atol=1e-5)


def test_stays_finite_when_the_velocity_explodes() -> None:
    net = small().train()
    with torch.no_grad():
        for parameter in net.balloon.parameters():
            parameter.mul_(50)
    steps = net(torch.randn(1, 1, 16, 16))
    sum(step.square().mean() for step in steps).backward()
    assert all(step.abs().max() <= 16 for step in steps)
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_gradients_agree_with_finite_differences() -> None:
    net = small(initial="disk").double()
    image = torch.randn(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    phi0 = initial_level_set("disk", (6, 6)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda i, p: torch.cat(net(i, p)), (image, phi0), atol=1e-4)


@pytest.mark.parametrize(("dims", "dtype", "tolerance"), [(2, torch.float64, 0.0), (3, torch.float64, 1e-12)])
def test_checkpointed_steps_give_the_same_gradients(dims: int, dtype: torch.dtype, tolerance: float) -> None:
    image = torch.randn(2, 1, *(8, 6, 6)[:dims], dtype=dtype)
    gradients = []
    for option in (False, True):
        net = small(dims, dropout=0.2, checkpoint_steps=option).to(dtype)
        torch.manual_seed(1)  # dropout draws the same when a step is computed again
        sum(step.square().mean() for step in net(image)).backward()
        gradients.append([p.grad for p in net.parameters()])
    assert any(g.abs().max() > 0 for g in gradients[0])
    assert all(torch.allclose(a, b, rtol=tolerance, atol=tolerance) for a, b in zip(*gradients, strict=True))


def test_checkpointed_steps_keep_less_memory() -> None:
    """Bytes that autograd holds for the gradient: with T = 6 steps less than half."""
    held = []
    for option in (False, True):
        net, bytes_held = RACENet(3, 1, 2, 6, (3, 3), checkpoint_steps=option), 0

        def count_bytes(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal bytes_held
            bytes_held += tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count_bytes, lambda tensor: tensor):
            net(torch.randn(1, 1, 16, 16, 16))
        held.append(bytes_held)
    assert held[1] < held[0] / 2


def test_one_disc_is_learned_from_the_border() -> None:
    """A few steps of Adam on one image bring Dice above 0.95."""
    torch.manual_seed(0)
    net = RACENet(2, 1, 3, 4, (5, 3))
    truth = (initial_level_set("disk", (32, 32)) > 6).float()
    image = truth + 0.1 * torch.randn_like(truth)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(60):
        probability = torch.sigmoid(net(image)[-1])
        dice = 2 * (probability * truth).sum() / (probability.sum() + truth.sum())
        optimizer.zero_grad()
        (1 - dice).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    mask = (net.eval()(image) > 0).float()
    assert 2 * (mask * truth).sum() / (mask.sum() + truth.sum()) > 0.95


def test_dropout_acts_in_training_only() -> None:
    net, image = small(dropout=0.5), torch.randn(1, 1, 16, 16)
    assert not torch.equal(net.train()(image)[-1], net(image)[-1])
    assert torch.equal(net.eval()(image), net(image))


def test_autocast_keeps_the_geometry_finite() -> None:
    net = small().eval()
    image = torch.randn(1, 1, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        phi = net(image)
    assert torch.allclose(phi.float(), net(image), atol=0.2)


def test_traced_net_gives_the_same() -> None:
    net, image = small().eval(), torch.randn(1, 1, 12, 12)
    traced = torch.jit.trace(net, image)
    other = torch.randn(1, 1, 12, 12)
    assert torch.allclose(traced(other), net(other), atol=1e-5)


def test_cascade_chains_the_nets_and_aligns_them_at_the_end() -> None:
    torch.manual_seed(0)
    net = CascadedRACENet(2, 1, (2, 3), (3, 2), (5, 3))
    image = torch.randn(2, 1, 8, 8)
    steps = net.train()(image)
    outer = net.nets[0].evolve(image)
    inner = net.nets[1].evolve(image, outer[-1] / 0.1)
    assert len(steps) == 3
    assert torch.allclose(steps[-1], torch.cat([outer[-1], inner[-1]], 1))
    assert torch.allclose(steps[0][:, 1:], outer[-1], atol=1e-6)
    assert torch.allclose(net.eval()(image), steps[-1])


def test_cascade_lets_no_gradient_flow_back_to_the_net_before() -> None:
    net = CascadedRACENet(2, 1, (2, 2), (2, 2), (3,))
    net(torch.randn(1, 1, 8, 8))[-1][:, 1].sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in net.nets[0].parameters())
    assert any(p.grad is not None and p.grad.any() for p in net.nets[1].parameters())


def test_two_cascaded_nets_have_twice_the_parameters() -> None:
    assert count(CascadedRACENet(2, 3, (6, 6), (6, 5), (9, 7, 5, 3))) == 2 * 26_322


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 0}, "`num_steps` must be >= 1, got 0"),
        ({"phi_scale": 0.0}, "`phi_scale` must be > 0, got 0.0"),
        ({"initial": "circle"}, "`initial` must be one of .* got 'circle'"),
        ({"divisor": 0}, "`divisor` must be >= 1, got 0"),
        ({"in_channels": 0}, "`in_channels` must be >= 1, got 0"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    arguments = {"spatial_dims": 2, "in_channels": 1, "num_filters": 2, "num_steps": 2, "kernel_sizes": (3,)}
    with pytest.raises(ValueError, match=message):
        RACENet(**{**arguments, **options})


@pytest.mark.parametrize(
    ("image", "phi0", "message"),
    [
        ((1, 3, 8, 8), None, r"`image` must have shape \[B, 1, H, W\], got \(1, 3, 8, 8\)"),
        ((1, 1, 8), None, r"`image` must have shape \[B, 1, H, W\], got \(1, 1, 8\)"),
        ((1, 1, 8, 1), None, r"each spatial size must be >= 2, the pyramid's minimum, got \(8, 1\)"),
        ((1, 1, 8, 8), (1, 1, 8, 9), r"`phi0` must have shape \(1, 1, 8, 8\), got \(1, 1, 8, 9\)"),
    ],
)
def test_bad_input(image: tuple[int, ...], phi0: tuple[int, ...] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small()(torch.zeros(image), None if phi0 is None else torch.zeros(phi0))


def test_cascade_needs_one_step_count_per_net() -> None:
    with pytest.raises(ValueError, match="`num_filters` and `num_steps` must name the same nets, got 2 and 1"):
        CascadedRACENet(2, 1, (2, 2), (3,), (3,))
