"""Which slices a montage shows, and how."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from monai_lsext.apps.cases import CaseImage, case_image
from monai_lsext.apps.montage import chosen_slices, montage_figure
from monai_lsext.apps.overlay import overlay_png
from monai_lsext.apps.segmentation import Segmentation
from monai_lsext.registry import bundle_info

INFO = bundle_info("mine", {"0": "background", "1": "cavity"})


def object_between(depth: int, first: int, last: int) -> np.ndarray:
    label_map = np.zeros((6, 5, depth), dtype=int)
    label_map[2, 2, first : last + 1] = 1
    return label_map


def test_a_short_stack_is_shown_whole() -> None:
    assert chosen_slices(object_between(20, 3, 5)) == list(range(20))
    assert chosen_slices(np.zeros((6, 5, 1))) == [0]


def test_slices_of_a_deep_volume_go_from_one_end_of_the_object_to_the_other() -> None:
    chosen = chosen_slices(object_between(120, 31, 105))
    assert (len(chosen), chosen[0], chosen[-1]) == (15, 30, 106)
    assert set(np.diff(chosen)) == {5, 6}  # 76 / 14 = 5.4
    assert chosen_slices(object_between(60, 0, 4)) == [0, 1, 2, 3, 4, 5]
    assert chosen_slices(object_between(60, 58, 59)) == [57, 58, 59]
    empty = chosen_slices(np.zeros((6, 5, 61)))
    assert (len(empty), empty[0], empty[-1]) == (15, 0, 60)


def volume(tmp_path: object, spacing: tuple[float, float, float], values: np.ndarray) -> CaseImage:
    path = f"{tmp_path}/volume.nii"
    nib.save(nib.Nifti1Image(values, np.diag([*spacing, 1.0])), path)
    return case_image(values[None], path)


def test_panels_are_numbered_proportioned_and_outlined(tmp_path: object) -> None:
    values = np.zeros((20, 30, 3), dtype=np.int16)
    values[5:10, 5:25] = 1000
    image = volume(tmp_path, (3.0, 1.0, 8.0), values)
    label_map = np.zeros(values.shape, dtype=int)
    label_map[5:10, 5:25, 1] = 1
    figure = montage_figure(image, Segmentation(label_map), INFO, ["cavity 2.4 ml"], ["look"], centre=(7, 12))
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["0", "1", "2"]
    # 30 rows of 1 mm by 20 columns of 3 mm
    assert image.aspect == pytest.approx(1 / 3)
    assert {axes.get_aspect() for axes in figure.axes} == {image.aspect}
    box = figure.axes[0].get_position()
    panel = box.height * figure.get_figheight() / (box.width * figure.get_figwidth())
    assert panel == pytest.approx(0.5, abs=0.01)
    # the contour in the middle slice alone, with first axis to the right; the cross in all
    lines = [[line.get_xydata() for line in axes.lines] for axes in figure.axes]
    assert [len(of_panel) for of_panel in lines] == [1, 2, 1]
    assert np.nanmin(lines[1][0], axis=0).tolist() == [4.5, 4.5]
    assert np.nanmax(lines[1][0], axis=0).tolist() == [9.5, 24.5]
    assert all(of_panel[-1].tolist() == [[7, 12]] for of_panel in lines)
    assert [text.get_text() for text in figure.texts] == ["cavity 2.4 ml", "look"]
    assert overlay_png(figure) == overlay_png(figure)


def test_grey_values_are_cut_at_percentiles(tmp_path: object) -> None:
    values = np.tile(np.arange(101.0), 100).reshape(100, 101, 1)  # each of 0 .. 100 equally often
    values[0, 0, 0] = 1e6  # one hot voxel must not darken the rest
    pixels = volume(tmp_path, (1, 1, 1), values).pixels
    assert pixels.shape == (1, 101, 100)
    for value, expected in ((1, 0), (50, 128), (99, 255), (100, 255)):
        assert abs(int(pixels[0, value, 5]) - expected) <= 1
    assert not volume(tmp_path, (1, 1, 1), np.full((4, 4, 2), 7.0)).pixels.any()


@pytest.mark.parametrize(("depth", "columns"), [(1, 1), (2, 2), (3, 3), (7, 4), (10, 5), (60, 5)])
def test_rows_are_full_where_they_can_be(tmp_path: object, depth: int, columns: int) -> None:
    label_map = np.zeros((8, 6, depth), dtype=int)
    figure = montage_figure(volume(tmp_path, (1, 1, 1), label_map.astype(np.uint8)), Segmentation(label_map), INFO)
    assert len({round(axes.get_position().x0, 6) for axes in figure.axes}) == columns
