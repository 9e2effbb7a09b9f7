"""The image pyramid against a plain loop that feeds every level its whole input."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from monai_lsext.networks.layers import ImagePyramidCNN


def reference(cnn: ImagePyramidCNN, x: torch.Tensor) -> torch.Tensor:
    """The paper's figure, level by level, without splitting the convolutions."""
    pool = F.avg_pool2d if cnn.spatial_dims == 2 else F.avg_pool3d
    levels = [x]
    while len(levels) < len(cnn.filters):
        levels.append(pool(levels[-1], 2))
    features = None
    for level, (conv, mixer) in enumerate(zip(cnn.filters, cnn.mixers, strict=True)):
        inputs = levels[-1 - level]
        if features is not None:
            inputs = torch.cat([inputs, F.interpolate(torch.relu(features), scale_factor=2)], 1)
        features = mixer(torch.relu(conv(inputs)))
    return features


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("with_phi", [True, False])
@pytest.mark.parametrize("kernel_sizes", [(3,), (5, 3), (9, 7, 5, 3)])
def test_equals_the_plain_loop(dims: int, with_phi: bool, kernel_sizes: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    cnn = ImagePyramidCNN(dims, 2, 3, kernel_sizes, with_phi).double()
    image, phi = (torch.randn(2, c, *(16, 8, 8)[:dims], dtype=torch.float64) for c in (2, 1))
    velocity = cnn(cnn.project(image), phi if with_phi else None)
    expected = reference(cnn, torch.cat([image, phi], 1) if with_phi else image)
    assert torch.allclose(velocity, expected, atol=1e-12)
    assert velocity.shape == (2, 1, *image.shape[2:])


def test_he_weights_carry_the_coarsest_level_through_to_the_velocity() -> None:
    """Moving the coarsest features by 1 changes the velocity by about 1, not by a thousandth."""
    torch.manual_seed(0)
    cnn = ImagePyramidCNN(2, 1, 32, (7, 5, 3, 3), with_phi=False)
    image = torch.randn(1, 1, 32, 32)
    changes = []
    for _ in range(2):
        with torch.no_grad():
            before = cnn(cnn.project(image))
            cnn.mixers[0].bias += 1
            changes.append(float((cnn(cnn.project(image)) - before).square().mean().sqrt()))
        cnn.draw_he_weights()
    assert changes[0] < 0.05
    assert 0.2 < changes[1] < 5
    for conv in [*cnn.filters, *cnn.mixers[:-1]]:
        assert float(conv.weight.detach().std()) == pytest.approx((2 / conv.weight[0].numel()) ** 0.5, rel=0.15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 3, 6, (3,), True), "`spatial_dims` must be 2 or 3, got 1"),
        ((2, 0, 6, (3,), True), "`in_channels` must be >= 1, got 0"),
        ((2, 3, 0, (3,), True), "`num_filters` must be >= 1, got 0"),
        ((2, 3, 6, (4, 3), True), r"`kernel_sizes` must be odd numbers >= 1, got \(4, 3\)"),
        ((2, 3, 6, (), True), r"`kernel_sizes` must be odd numbers >= 1, got \(\)"),
    ],
)
def test_bad_arguments(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImagePyramidCNN(*arguments)
