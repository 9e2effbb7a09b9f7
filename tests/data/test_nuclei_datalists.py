"""Lists of nuclei: layouts are told apart, parts never share an image, what is left out is said with the reason."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_lsext.data.datalists import cpm15_cases, dsb2018_cases, dsb2018_kind, nuclei_cases, nuclei_datalist

COLOUR = [f"c{i:02d}" for i in range(16)]
GROUND = {"colour": (200, 150, 210), "fluorescence": (9, 9, 9), "brightfield_grey": (210, 210, 210)}


def cases(items: list[dict[str, Any]]) -> list[str]:
    return [item["case"] for item in items]


def picture(path: Path, colour: int | tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[len(colour) if isinstance(colour, tuple) else 1]
    Image.new(mode, (4, 3), colour).save(path)


@pytest.fixture
def dsb2018(tmp_path: Path) -> Path:
    """The layout with a list, empty files."""
    rows = [(name, "colour", 9) for name in COLOUR]
    rows += [("dark", "fluorescence", 5), ("grey", "brightfield_grey", 2), ("none", "colour", 0)]
    for name, kind, _ in rows:
        for folder in ("images", "labels"):
            (tmp_path / folder / kind).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / kind / f"{name}.png").touch()
    lines = ["name,kind,n_nuclei", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "index.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_wanted_kinds_of_dsb2018(dsb2018: Path) -> None:
    found = dsb2018_cases(dsb2018)
    assert cases(found.items) == COLOUR
    assert found.items[0] == {
        "image": str(dsb2018 / "images" / "colour" / "c00.png"),
        "label": str(dsb2018 / "labels" / "colour" / "c00.png"),
        "case": "c00",
        "kind": "colour",
    }
    assert found.left_out == {"dark": "fluorescence image", "grey": "brightfield_grey image", "none": "no nucleus"}
    assert found.summary() == (
        "16 of 19 cases used; left out: 1 (brightfield_grey image: grey), 1 (fluorescence image: dark), "
        "1 (no nucleus: none)"
    )
    both = dsb2018_cases(dsb2018, ["fluorescence", "brightfield_grey"])
    assert cases(both.items) == ["dark", "grey"]
    with pytest.raises(ValueError, match=r"`kinds` must be some of \['colour', .*\], got \['color'\]"):
        dsb2018_cases(dsb2018, ["color"])


@pytest.mark.parametrize("inside", ["stage1_train", "."])
def test_original_layout_of_dsb2018(tmp_path: Path, inside: str) -> None:
    for kind, colour in GROUND.items():
        picture(tmp_path / inside / kind / "images" / f"{kind}.png", (*colour, 255))
        for number in (1, 0):
            picture(tmp_path / inside / kind / "masks" / f"m{number}.png", 255)
    (tmp_path / inside / "empty" / "masks").mkdir(parents=True)
    picture(tmp_path / inside / "empty" / "images" / "empty.png", GROUND["colour"])
    found = nuclei_cases(tmp_path)
    assert cases(found.items) == ["colour"]
    assert found.items[0]["label"] == [str(tmp_path / inside / "colour" / "masks" / f"m{n}.png") for n in (0, 1)]
    assert found.left_out["empty"] == "no nucleus"
    (tmp_path / inside / "colour" / "images" / "colour.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 listed files are missing: .*colour\.png"):
        nuclei_cases(tmp_path)


@pytest.mark.parametrize("kind", list(GROUND))
def test_kind_by_colour_and_ground(tmp_path: Path, kind: str) -> None:
    picture(tmp_path / "a.png", GROUND[kind])
    assert dsb2018_kind(tmp_path / "a.png") == kind


def test_cpm15(tmp_path: Path) -> None:
    names = [f"image{i:02d}" for i in range(1, 9)]
    for name in names:
        for folder in ("images", "labels"):
            picture(tmp_path / folder / f"{name}.png", 1)
    rows = [f"{name},{'20x' if i < 4 else '40x'},{i}" for i, name in enumerate(names)]
    (tmp_path / "index.csv").write_text("\n".join(["name,magnification,n_nuclei", *rows]) + "\n")
    found = cpm15_cases(tmp_path)
    assert found.left_out == {"image01": "no nucleus"}
    assert [item["kind"] for item in found.items] == ["20x"] * 3 + ["40x"] * 4
    test = cases(nuclei_datalist(tmp_path, "test"))
    assert len([name for name in test if name <= "image04"]) == len([name for name in test if name > "image04"]) == 1
    assert cases(nuclei_datalist(tmp_path, "every")) == names[1:]


@pytest.mark.parametrize("fold", range(5))
def test_parts_never_share_an_image(dsb2018: Path, fold: int) -> None:
    parts = {part: cases(nuclei_datalist(dsb2018, part, fold, seed=4)) for part in ("train", "val", "test", "all")}
    assert sorted(parts["train"] + parts["val"] + parts["test"]) == COLOUR
    assert sorted(parts["train"] + parts["val"]) == sorted(parts["all"])
    assert len(parts["test"]) == 4
    assert parts["test"] == cases(nuclei_datalist(dsb2018, "test", fold, seed=5))


def test_a_given_split_is_kept(dsb2018: Path) -> None:
    rows = [f"{name},colour,{'test' if name in ('c01', 'c05') else 'train'}" for name in COLOUR]
    (dsb2018 / "index.csv").write_text("\n".join(["name,kind,split", *rows]) + "\n")
    assert cases(nuclei_datalist(dsb2018, "test")) == ["c01", "c05"]
    assert cases(nuclei_datalist(dsb2018, "all")) == [name for name in COLOUR if name not in ("c01", "c05")]


def test_what_is_left_out_is_logged(dsb2018: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        nuclei_datalist(dsb2018)
    assert "16 of 19 cases used; left out: 1 (brightfield_grey image: grey)" in caplog.text


def test_own_folder(tmp_path: Path) -> None:
    for index in range(6):
        picture(tmp_path / "images" / f"p{index}.png", (200, 100, 200))
        picture(tmp_path / "labels" / f"p{index}.png", 0 if index == 2 else index + 1)
    Image.fromarray(np.full((3, 4), 700, np.uint16)).save(tmp_path / "labels" / "p5.png")
    found = nuclei_cases(tmp_path)
    assert cases(found.items) == ["p0", "p1", "p3", "p4", "p5"]
    assert found.left_out == {"p2": "no nucleus"}
    picture(tmp_path / "labels" / "p3.png", (0, 0, 0, 255))
    with pytest.raises(ValueError, match=r"label p3\.png must be a grey picture, 0 without nucleus, got RGBA"):
        nuclei_cases(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"part": "Test"}, r"`part` must be one of \['all', 'train', 'val', 'test', 'every'\], got 'Test'"),
        ({"test_fraction": 0.0}, "`test_fraction` must lie between 0 and 1, got 0.0"),
        ({"test_fraction": 0.01}, "has too few images to hold back 0.01 of them"),
    ],
)
def test_bad_options(dsb2018: Path, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        nuclei_datalist(dsb2018, **arguments)


def test_faults_of_the_folder_are_named(dsb2018: Path) -> None:
    (dsb2018 / "labels" / "colour" / "c03.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 listed files are missing: .*c03\.png"):
        nuclei_datalist(dsb2018)
    (dsb2018 / "index.csv").write_text("name,kind\nx,fluorescence\n")
    with pytest.raises(
        ValueError, match=r"has no case to use: 0 of 1 cases used; left out: 1 \(fluorescence image: [^ ]+\)"
    ):
        nuclei_datalist(dsb2018)
    with pytest.raises(FileNotFoundError, match="`dataset_dir` must be an existing folder, got"):
        nuclei_datalist(dsb2018 / "absent")


@pytest.mark.real_data
@pytest.mark.skipif("LSEXT_DATA" not in os.environ, reason="LSEXT_DATA is not set")
def test_real_data_sets() -> None:
    root = Path(os.environ["LSEXT_DATA"])
    found = nuclei_cases(root / "dsb2018")
    assert (len(found.items), len(found.left_out)) == (32, 69)
    assert [len(nuclei_datalist(root / "dsb2018", part)) for part in ("train", "val", "test")] == [19, 5, 8]
    assert len(nuclei_datalist(root / "cpm15", "every")) == 6
    for kind in GROUND:
        assert {dsb2018_kind(path) for path in (root / "dsb2018" / "images" / kind).glob("*.png")} == {kind}
