"""What holds for every writer of phantoms: bad numbers, interruption, nothing overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_lsext.data.phantoms import (
    PHANTOM_TASKS,
    abdomen_files,
    atrium_files,
    fundus_files,
    liver_files,
    nuclei_files,
    shapes_files,
    short_axis_files,
    single_object_files,
)

DRAWN_BY = {
    "left_atrium": (atrium_files, "atrium_phantom"),
    "optic_disc_cup": (fundus_files, "fundus_phantom"),
    "left_ventricle": (short_axis_files, "short_axis_phantom"),
    "liver": (liver_files, "abdomen_phantom"),
    "nuclei": (nuclei_files, "nuclei_phantom"),
    "object": (single_object_files, "object_phantom"),
    "pancreas": (abdomen_files, "abdomen_phantom"),
    "shapes": (shapes_files, "shapes_phantom"),
}
pytestmark = pytest.mark.parametrize("task", sorted(PHANTOM_TASKS))


def test_interrupted_writing_leaves_nothing(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(seed: int, *_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(*DRAWN_BY[task], fail)
    with pytest.raises(KeyboardInterrupt):
        PHANTOM_TASKS[task](tmp_path / "set", 2, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"num": 1, "seed": 0}, "`num` must be >= 2, got 1"),
        ({"num": 4, "seed": -1}, "`seed` must be >= 0, got -1"),
        ({"num": 4, "seed": 0, "num_test": 4}, "`num_test` must be 0 to 3, got 4"),
    ],
)
def test_bad_numbers(task: str, tmp_path: Path, arguments: dict[str, int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        PHANTOM_TASKS[task](tmp_path / "set", **arguments)


def test_nothing_is_overwritten(task: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ValueError, match="`output_dir` must be a new or empty folder"):
        PHANTOM_TASKS[task](tmp_path, 2, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
