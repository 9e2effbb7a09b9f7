"""The comparison table against numbers worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_lsext.apps.compare import compare_runs, read_metric


def write(folder: Path, metric: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{metric}_raw.csv"
    path.write_text(text)
    return folder


def test_table_pairs_the_cases_by_name(tmp_path: Path) -> None:
    ours = write(tmp_path / "a", "dice", "filename,class0,class1,mean\na.png,1,0.5,0.7\nb.png,3,0.7,1\nc.png,5,0.9,1\n")
    rival = write(tmp_path / "b", "dice", "filename,class0,class1,mean\nc.png,2,nan,1\na.png,0,0.1,1\nb.png,1,0.2,1\n")
    disc, cup = compare_runs(ours, rival, ["disc", "cup"]).splitlines()[2:]
    # disc: differences 1, 2, 3 with mean 2 and standard error 1/sqrt(3): t = 3.4641, two degrees of freedom, p = 0.0742
    assert disc == (
        "| dice | disc | 3 | 3.0000 ± 2.0000 | 1.0000 | 3.0000 | 1.0000 ± 1.0000 | 0.0000 | 1.0000 | 0.074 |"
    )
    assert cup.startswith("| dice | cup | 2 | 0.6000 ± 0.1414 | 0.5000 | 0.6000 | 0.1500 ±")


def test_read_metric_keeps_a_lone_mean(tmp_path: Path) -> None:
    write(tmp_path, "ble", "filename,mean\n/some/where/a.png,2.5\n")
    assert read_metric(tmp_path / "ble_raw.csv") == {"mean": {"a.png": 2.5}}


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    ours = write(tmp_path / "a", "dice", "filename,class0\na.png,1\n")
    with pytest.raises(ValueError, match=r"no \*_raw.csv in .*; run evaluate.yaml first"):
        compare_runs(ours, tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no metric in common: \['dice'\] and \['ble'\]"):
        compare_runs(ours, write(tmp_path / "b", "ble", "filename,class0\na.png,1\n"))
    with pytest.raises(ValueError, match="the two runs share no case of dice, class0"):
        compare_runs(ours, write(tmp_path / "c", "dice", "filename,class0\nz.png,1\n"))
    with pytest.raises(ValueError, match=r"dice_raw\.csv holds no case"):
        compare_runs(ours, write(tmp_path / "d", "dice", "filename,class0\n"))
