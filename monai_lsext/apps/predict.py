"""Command ``predict``: images in; masks, contour pictures and reports out."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from tqdm import tqdm

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.cases import mask_file, read_picture
from monai_lsext.apps.overlay import overlay_figure, overlay_png
from monai_lsext.apps.report import captions, case_report, report_json, roi_box
from monai_lsext.apps.trust import check_trust
from monai_lsext.atomic import replace_when_done
from monai_lsext.data.checked_dataset import error_sentence
from monai_lsext.data.image_file import image_datalist
from monai_lsext.engines.run_report import RunReport
from monai_lsext.registry import BundleInfo, bundle_info, find_bundle

__all__ = ["predict"]


def predict(
    bundle: str,
    input_path: str,
    output_dir: str,
    roi: str | None = None,
    device: str | None = None,
    trust: bool = False,
) -> int:
    """Segment a file or folder of images; each case's files are written whole or not at all.

    Args:
        bundle: directory of a bundle, or the name of one that comes with the package.
        input_path: file or folder: PNG, JPEG, TIFF, NIfTI.
        output_dir: gets ``<case>_seg.png`` (``.nii.gz`` for NIfTI), ``<case>_overlay.png``,
            ``<case>_report.json`` and ``run_report.json``; made when missing.
        roi: auto, find or none; default the bundle's own.
        device: torch device; default the bundle's own.
        trust: whether a bundle from elsewhere may run its configs, default False.

    Returns:
        0 when every case worked, 3 when some were skipped.

    Raises:
        ValueError: for an argument that leaves nothing to do (exit status 2 of the command).
    """
    root = find_bundle(bundle)
    if not trust:
        check_trust(root)
    _check_device(device)
    cases = image_datalist(input_path)
    run = RunReport()
    output = run.open_folder(output_dir)
    runner = BundleRunner(root, device=device, roi=roi)
    info = bundle_info(runner.name, _channel_def(runner))
    for item in tqdm(cases, desc="predict", unit="image"):
        start = time.perf_counter()
        try:
            warnings = _predict_case(runner, info, item, output)
        except Exception as error:  # loading, network, drawing or writing can fail in any way; the rest goes on
            sentence = error_sentence(error, item["image"])
            run.skipped.append({"case": item["case"], "reason": sentence})
            tqdm.write(f"skipped {item['case']}: {sentence}", file=sys.stderr)
            continue
        seconds = round(time.perf_counter() - start, 3)
        run.done.append({"case": item["case"], "seconds": seconds, "warnings": warnings})
    run.write(output, bundle=runner.name, version=runner.metadata.get("version"))
    return run.exit_status


def _predict_case(runner: BundleRunner, info: BundleInfo, item: dict[str, str], output: Path) -> list[str]:
    case = item["case"]
    pred, meta = runner(item)
    label_map = pred.numpy().round().astype(int)
    picture = read_picture(item["image"])
    suffix, mask = mask_file(label_map, picture)
    report = case_report(case, runner, info, picture, label_map, meta)
    box = roi_box(meta.get("roi"), picture.pixels.shape[1::-1])
    figure = overlay_figure(picture.pixels, label_map, info, captions(report), report["warnings"], box)
    files = {f"{case}_seg{suffix}": mask, f"{case}_overlay.png": overlay_png(figure)}
    # all made before the first is written; the report comes last and tells that the others are there
    for name, content in {**files, f"{case}_report.json": report_json(report)}.items():
        with replace_when_done(output / name) as temporary:
            temporary.write_bytes(content)
    return report["warnings"]


def _channel_def(runner: BundleRunner) -> dict[str, str]:
    outputs = runner.metadata.get("network_data_format", {}).get("outputs", {})
    return outputs.get("pred", {}).get("channel_def", {})


def _check_device(device: str | None) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts when it is built without CUDA
        raise ValueError(f"`--device` must be a device of this machine, got {device}") from error
