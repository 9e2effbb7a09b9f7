"""Short-axis phantoms as files, in the layout of ACDC."""

from __future__ import annotations

from pathlib import Path

from .short_axis import short_axis_phantom
from .whole_folder import save_volume_mm, write_phantoms

__all__ = ["write_short_axis_phantoms"]

COLUMNS = ("patient", "split", "ed_ml", "es_ml", "ejection_fraction")


def write_short_axis_phantoms(
    output_dir: str | Path, num: int = 20, seed: int = 0, num_test: int | None = None
) -> Path:
    """Write ``training`` and ``validation`` with a folder for each patient, and ``index.csv``.

    ``patientNNN/patientNNN_frameMM.nii.gz`` is an image, ``..._gt.nii.gz`` its label map (1 right ventricle, 2
    myocardium, 3 left ventricle's cavity), ``Info.cfg`` names the frames of end diastole and end systole. ``index.csv``
    has the true volumes and ejection fraction.

    Args:
        output_dir: a new or empty folder, which appears only when all is written.
        num: number of patients, >= 2.
        seed: seed of the whole set, >= 0; a longer list begins with the same patients.
        num_test: the last patients are the validation part, the others training; default a third.

    Returns:
        the folder.

    Raises:
        ValueError: for a folder that holds something, or a number out of range.
    """
    return write_phantoms(output_dir, num, seed, num_test, COLUMNS, _write)


def _write(folder: Path, index: int, seed: int, test: bool) -> tuple[object, ...]:
    split, patient = "validation" if test else "training", f"patient{index + 1:03d}"
    return patient, split, *(f"{value:.4f}" for value in _write_patient(folder / split / patient, seed))


def _write_patient(folder: Path, seed: int) -> tuple[float, float, float]:
    """Write both frames; volumes in end diastole and end systole (ml) and the ejection fraction."""
    phantom = short_axis_phantom(seed)
    frames = {1: phantom.ed, 8 + seed % 6: phantom.es}
    for number, frame in frames.items():
        for pixels, suffix in ((frame.image, ""), (frame.label, "_gt")):
            save_volume_mm(folder / f"{folder.name}_frame{number:02d}{suffix}.nii.gz", pixels, phantom.affine)
    ed, es = frames
    (folder / "Info.cfg").write_text(f"ED: {ed}\nES: {es}\n", encoding="utf-8")
    ed_ml, es_ml = phantom.cavity_ml()
    return ed_ml, es_ml, 1 - es_ml / ed_ml
