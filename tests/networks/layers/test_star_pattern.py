"""The star pattern: positions, sampling, masks to contours and back."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from monai_lsext.networks.layers.contour_raster import polygon_signed_distance
from monai_lsext.networks.layers.dp_snake import legalise_contour, minimal_closed_contour
from monai_lsext.networks.layers.star_pattern import StarPattern, smooth_contour

SIZE = (120, 110)
CENTRES = torch.tensor([[58.3, 52.6], [60.0, 55.0], [64.9, 48.2]])


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)


def star_mask(centre: Tensor, radius: float, wave: float = 0.0, lobes: int = 3) -> Tensor:
    """Masks [B, 1, H, W] of the shape r(t) = radius * (1 + wave * cos(lobes * t)) around each centre."""
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    dy, dx = y - centre[:, 0, None, None], x - centre[:, 1, None, None]
    border = radius * (1 + wave * torch.cos(lobes * torch.atan2(dx, dy)))
    return (torch.hypot(dy, dx) < border)[:, None]


def dice(a: Tensor, b: Tensor) -> Tensor:
    both, total = (a & b).sum((1, 2, 3)), a.sum((1, 2, 3)) + b.sum((1, 2, 3))
    return 2 * both / total


def test_points_by_hand() -> None:
    pattern = StarPattern(num_lines=4, num_points=3, radius_px=6.0)
    index = torch.tensor([[0.0, 1.0, 2.0, 0.5]])
    points = pattern.contour_points(index, torch.tensor([[10.0, 20.0]]))
    expected = torch.tensor([[[12.0, 20.0], [10.0, 24.0], [4.0, 20.0], [10.0, 17.0]]])
    torch.testing.assert_close(points, expected)
    turned = pattern.contour_points(index, torch.tensor([[10.0, 20.0]]), torch.tensor([math.pi / 2]))
    torch.testing.assert_close(turned[0, 0], torch.tensor([10.0, 22.0]))


@pytest.mark.parametrize(("mode", "shift"), [("bilinear", 0.3), ("nearest", 0.0)])
def test_cost_of_a_ramp(mode: str, shift: float) -> None:
    # map = row + 100 * column: along line 0 (down the rows) it rises by the step, along line 1 by 100 steps
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    pattern = StarPattern(4, 5, 10.0, mode=mode)
    centre = torch.tensor([[20.0 + shift, 20.0 - shift]])
    cost = pattern.cost((y + 100 * x)[None, None], centre)
    expected = torch.tensor([2.0, 200.0, -2.0, -200.0])[:, None].expand(4, 5)
    torch.testing.assert_close(cost[0], expected, rtol=1e-4, atol=1e-3)


def test_nearest_rounds() -> None:
    line = torch.arange(30.0).square()[None, None, :, None].expand(1, 1, 30, 30)
    pattern = StarPattern(4, 4, 4.0)
    # samples at 10.1 + 0.5, 1.5, ..: rows 11, 12, 13, 14, 15 (truncation would read 10 .. 14)
    rows = pattern.cost(line, torch.tensor([[10.1, 10.0]]))[0, 0]
    assert rows.tolist() == [23.0, 25.0, 27.0, 29.0]


def test_outside_the_image_costs_nothing() -> None:
    image = torch.full((1, 1, 20, 20), 7.0)
    assert torch.equal(StarPattern().cost(image, torch.tensor([[0.0, 19.0]])), torch.zeros(1, 50, 65))


def test_cost_gradient_reaches_the_map() -> None:
    image = torch.randn(1, 1, 12, 12, dtype=torch.float64, requires_grad=True)
    pattern = StarPattern(5, 4, 4.0, mode="bilinear")
    centre = torch.tensor([[5.3, 6.1]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda g: pattern.cost(g, centre), image)


@pytest.mark.parametrize("angle", [None, torch.tensor([0.3, -2.0, 3.0])])
@pytest.mark.parametrize("jitter", [0.0, 0.3])
@pytest.mark.parametrize(("radius", "wave", "lobes"), [(10, 0.0, 1), (20, 0.1, 3), (25, 0.2, 5), (30, 0.3, 3)])
def test_mask_to_index_to_mask(radius: float, wave: float, lobes: int, jitter: float, angle: Tensor | None) -> None:
    mask = star_mask(CENTRES, radius, wave, lobes)
    centre = CENTRES + jitter * radius * torch.tensor([[0.6, -0.8], [-0.6, 0.4], [0.0, 1.0]]) * (1 - wave)
    pattern = StarPattern()
    index = pattern.index_from_mask(mask, centre, angle)
    assert (dice(pattern.rasterise(index, centre, SIZE, angle) > 0, mask) >= 0.99).all()
    # whole points and a jump limit cost little
    legal = legalise_contour(index, 4, 65)
    assert (dice(pattern.rasterise(legal, centre, SIZE, angle) > 0, mask) >= 0.97).all()


def test_circle_comes_back_exactly() -> None:
    index = StarPattern().index_from_mask(star_mask(torch.tensor([[60.0, 55.0]]), 30.0), torch.tensor([[60.0, 55.0]]))
    torch.testing.assert_close(index, torch.full((1, 50), 29.0), rtol=0, atol=0.7)  # 30 px = point 29
    assert abs(index.mean().item() - 29.0) < 0.2


def test_two_objects_each_centre_its_own() -> None:
    centres = torch.tensor([[40.0, 50.0], [81.0, 50.0]])
    objects = star_mask(centres, 20.0)  # a gap of two pixels between them
    both = (objects[:1] | objects[1:]).expand(2, -1, -1, -1)
    pattern = StarPattern()
    index = pattern.index_from_mask(both, centres)
    assert (dice(pattern.rasterise(index, centres, SIZE) > 0, objects) >= 0.99).all()
    # and the snake on a map that is high in both objects, but weaker outside of the first border
    best, _ = minimal_closed_contour(pattern.cost(both.float() - 0.5, centres), 2)
    assert (dice(pattern.rasterise(best, centres, SIZE) > 0, objects) >= 0.97).all()


def test_coarse_pattern_does_not_step_over_a_gap() -> None:
    mask = star_mask(torch.tensor([[60.0, 55.0]]), 30.0)
    mask[..., 70, :] = False  # a gap of one pixel, 10 px below the centre; the step is 16 px
    pattern = StarPattern(num_lines=4, num_points=4, radius_px=64.0)
    index = pattern.index_from_mask(mask, torch.tensor([[60.0, 55.0]]))
    assert index[0, 0].item() * 16 + 16 == pytest.approx(16, abs=0.1)  # clamped to the first point
    assert index[0, 2].item() * 16 + 16 == pytest.approx(30, abs=0.7)


def test_object_ends_at_the_image_border() -> None:
    pattern = StarPattern(4, 30, 30.0)
    index = pattern.index_from_mask(torch.ones(1, 1, 20, 30), torch.tensor([[9.5, 9.5]]))
    torch.testing.assert_close(index + 1, torch.tensor([[10.0, 20.0, 10.0, 10.0]]), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("centre", "pattern", "text", "value"),
    [
        ([10.0, 10.0], StarPattern(), "`centre` of item 1 lies outside the object", 0.0),
        ([60.0, 55.0], StarPattern(radius_px=20.0), "`mask` of item 0 reaches beyond `radius_px` = 20", 64.0),
    ],
)
def test_misfit_is_named_or_clamped(centre: list[float], pattern: StarPattern, text: str, value: float) -> None:
    middle = torch.tensor([[60.0, 55.0]])
    mask = star_mask(middle, 30.0).expand(2, -1, -1, -1)
    centres = torch.cat([middle, torch.tensor([centre])])
    with pytest.raises(ValueError, match=text):
        pattern.index_from_mask(mask, centres)
    with pytest.warns(UserWarning, match="clamped"):
        index = pattern.index_from_mask(mask, centres, clamp=True)
    assert torch.equal(index[1], torch.full((50,), value))


def test_empty_mask_is_named() -> None:
    with pytest.raises(ValueError, match="item 0 lies outside the object"):
        StarPattern().index_from_mask(torch.zeros(1, 1, 20, 20), torch.tensor([[5.0, 5.0]]))


def test_distance_of_a_circle() -> None:
    pattern = StarPattern(num_lines=200, num_points=65)
    centre = torch.tensor([[50.4, 60.7]], dtype=torch.float64)
    result = pattern.rasterise(torch.full((1, 200), 19.0), centre, SIZE)
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    expected = (20 - torch.hypot(y - centre[0, 0], x - centre[0, 1])).clamp(-16, 16)
    torch.testing.assert_close(result[0, 0], expected, rtol=0, atol=0.02)


def test_square_has_exact_distances() -> None:
    corners = torch.tensor([[[2.5, 2.5], [7.5, 2.5], [7.5, 7.5], [2.5, 7.5]]])
    result = polygon_signed_distance(corners, torch.tensor([[5.0, 5.0]]), (11, 11), limit_px=3.0)[0, 0]
    assert (result > 0).sum() == 25
    assert result[5, 5].item() == 2.5
    assert result[3, 5].item() == 0.5
    assert result[1, 5].item() == -1.5
    assert result[1, 1].item() == pytest.approx(-1.5 * math.sqrt(2))
    assert result[0, 0].item() == -3.0  # 2.5 * sqrt 2, cut


def test_raster_batch_and_border() -> None:
    pattern = StarPattern(12, 40, 40.0)
    index, centre = torch.randint(3, 30, (3, 12)).float(), torch.tensor([[0.0, 0.0], [49.4, 10.2], [25.0, 39.0]])
    batch = pattern.rasterise(index, centre, (50, 40))
    for item in range(3):
        single = pattern.rasterise(index[item : item + 1], centre[item : item + 1], (50, 40))
        torch.testing.assert_close(batch[item], single[0])
    # on a larger canvas the same polygon gives the same values
    larger = pattern.rasterise(index, centre + 30, (120, 110))[:, :, 30:80, 30:70]
    torch.testing.assert_close(batch, larger, rtol=0, atol=1e-4)


def test_smoothing_by_hand() -> None:
    index = torch.tensor([[0, 5, 0, 0, 0, 10]])
    torch.testing.assert_close(smooth_contour(index, 3), torch.tensor([[5.0, 5 / 3, 5 / 3, 0.0, 10 / 3, 10 / 3]]))
    torch.testing.assert_close(smooth_contour(index, 5), torch.tensor([[3.0, 3.0, 1.0, 3.0, 2.0, 3.0]]))
    assert torch.equal(smooth_contour(index, 1), index.float())


def _cost(centre: Tensor, shape: tuple[int, ...] = (2, 1, 20, 20), angle: Tensor | None = None) -> Tensor:
    return StarPattern().cost(torch.zeros(shape), centre, angle)


MIDDLE = torch.full((2, 2), 10.0)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: StarPattern(num_lines=2), "`num_lines` must be >= 3, got 2"),
        (lambda: StarPattern(num_points=0), "`num_points` must be >= 1, got 0"),
        (lambda: StarPattern(radius_px=0.0), "`radius_px` must be > 0, got 0.0"),
        (lambda: StarPattern(mode="cubic"), "`mode` must be 'nearest' or 'bilinear', got 'cubic'"),
        (lambda: _cost(MIDDLE, (2, 3, 20, 20)), r"`image` must have shape \[B, 1, H, W\], got \(2, 3, 20, 20\)"),
        (lambda: _cost(MIDDLE[:1]), r"`centre` must have shape \[2, 2\], got \(1, 2\)"),
        (lambda: _cost(torch.tensor([[10.0, 10.0], [10.0, 20.0]])), "`centre` of item 1 lies outside the image"),
        (lambda: _cost(MIDDLE + torch.nan), "`centre` of item 0 lies outside the image"),
        (lambda: _cost(MIDDLE, angle=torch.zeros(3)), r"`angle` must have shape \[2\], got \(3,\)"),
        (lambda: StarPattern().contour_points(torch.zeros(2, 7), MIDDLE), r"`index` must have shape \[B, 50\]"),
        (lambda: StarPattern().contour_points(torch.full((2, 50), -1.0), MIDDLE), "`index` must be >= 0"),
        (lambda: StarPattern().rasterise(torch.zeros(2, 50), MIDDLE + 90, (20, 20)), "lies outside the image"),
        (lambda: StarPattern().rasterise(torch.zeros(2, 50), MIDDLE, (20, 20), limit_px=0), "`limit_px` must be > 0"),
        (lambda: smooth_contour(torch.zeros(1, 6), 4), "`size` must be odd and in 1 .. 6, got 4"),
        (lambda: smooth_contour(torch.zeros(1, 3), 5), "`size` must be odd and in 1 .. 3, got 5"),
        (lambda: smooth_contour(torch.zeros(6), 3), r"`index` must have shape \[B, N\], got \(6,\)"),
    ],
)
def test_bad_input(call: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()  # type: ignore[operator]
