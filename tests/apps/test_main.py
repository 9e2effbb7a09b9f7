"""The command line's surface."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monai_lsext.__main__ import main
from monai_lsext.data.phantoms import PHANTOM_TASKS


def test_list_names_every_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    header, first = capsys.readouterr().out.splitlines()[:2]
    assert header.split() == ["bundle", "paper", "input", "->", "output", "weights"]
    cells = [cell.strip() for cell in first.split("  ") if cell.strip()]
    assert cells[:3] == ["racenet_optic_disc_cup", "Chakravarty 2019", "RGB photograph -> 1 disc rim, 2 cup"]


@pytest.mark.parametrize("argv", [[], ["nothing"], ["data", "phantom"], ["predict"], ["verify"]])
def test_missing_arguments_exit_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(argv)


def test_unknown_phantom_task_names_the_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "phantom", "--task", "unicorn", "--output", str(tmp_path)]) == 2
    known = sorted(PHANTOM_TASKS)
    assert f"`--task` must be one of {known}, got unicorn" in capsys.readouterr().err
    assert "optic_disc_cup" in known


def test_phantoms_are_written(tmp_path: Path) -> None:
    assert main(["data", "phantom", "--task", "optic_disc_cup", "--output", str(tmp_path / "p"), "--num", "2"]) == 0
    assert list((tmp_path / "p").rglob("*.png"))


def test_start_needs_no_torch() -> None:
    code = "import sys, monai_lsext.__main__ as m; m.main(['list']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
