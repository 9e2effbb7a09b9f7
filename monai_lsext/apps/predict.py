"""Command ``predict``: images and volumes in; masks, contour pictures and reports out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import monai_lsext
from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.case_files import contour_files, mask_files, uncertainty_file
from monai_lsext.apps.cases import case_image
from monai_lsext.apps.cohort import Workers, earlier_report, fingerprint
from monai_lsext.apps.dicom.cases import DicomInput, dicom_input
from monai_lsext.apps.dicom.headers import patient_of
from monai_lsext.apps.dicom.objects import DicomWriter
from monai_lsext.apps.dicom.photograph import DicomImage
from monai_lsext.apps.ejection_fraction import EJECTION_FRACTION, ejection_fractions
from monai_lsext.apps.montage import montage_figure
from monai_lsext.apps.overlay import overlay_figure, overlay_png
from monai_lsext.apps.report import captions, case_report, report_json, roi_box
from monai_lsext.apps.segmentation import found_in
from monai_lsext.apps.step_spread import step_spread
from monai_lsext.apps.trust import check_trust
from monai_lsext.atomic import replace_when_done
from monai_lsext.data.checked_dataset import error_sentence
from monai_lsext.data.image_file import image_datalist
from monai_lsext.engines.run_report import REPORT_NAME, RunReport
from monai_lsext.gathered import gathered
from monai_lsext.registry import BundleInfo, bundle_info, find_bundle

__all__ = ["predict"]


def predict(
    bundle: str,
    input_path: str,
    output_dir: str,
    roi: str | None = None,
    device: str | None = None,
    centre: tuple[float, float] | None = None,
    trust: bool = False,
    series: str | None = None,
    seg: bool = False,
    fractional: bool = False,
    sr: bool = False,
    rtstruct: bool = False,
    uncertainty: bool = False,
    keep_identity: bool = False,
    weights: str | None = None,
) -> int:
    """Segment a file or folder of images or volumes; each case's files are written whole or not at all.

    A case that an earlier start has done from the same input in the same way is not done again. Under torchrun the
    processes share the cases; all of them return 0, and the merged ``run_report.json`` has the exit status.

    Args:
        bundle: directory of a bundle, or the name of one that comes with the package.
        input_path: file or folder: PNG, JPEG, TIFF, NIfTI; DICOM: a file, or a folder with series at any depth.
        output_dir: gets ``<case>_seg.png`` (``.nii.gz`` for NIfTI and DICOM), ``<case>_overlay.png``,
            ``<case>_report.json``, ``<case>_contours.geojson`` for 2D images, ``<case>_contours.json`` for NIfTI and
            DICOM, and ``run_report.json``; from a bundle with instances also ``<case>_instances.png`` (16 bit, or
            ``.nii.gz``); from one that measures the ejection fraction ``<patient>_ejection_fraction.json`` for each
            patient with two volumes. Made when missing.
        roi: auto, find or none; default the bundle's own.
        device: torch device; default the bundle's own.
        centre: point in the object: column and row of a 2D image, in a volume first and second index of a voxel, used
            in every slice; default: the bundle finds the object itself.
        trust: whether a bundle from elsewhere may run its configs, default False.
        series: SeriesInstanceUID of the only DICOM series to take; default: those that fit the bundle.
        seg: whether to write ``<case>_seg.dcm`` too, default False.
        fractional: whether that holds probabilities instead of the mask, default False.
        sr: whether to write the measurements as ``<case>_sr.dcm`` too, default False.
        rtstruct: whether to write the contours as ``<case>_rtstruct.dcm``, default False.
        uncertainty: whether to write how far the network's last steps differ as ``<case>_uncertainty.nii.gz`` (0 to 1)
            or ``.png`` (0 to 255), default False.
        keep_identity: whether the report and the picture of a DICOM case name the patient, default False.
        weights: file to use instead of the bundle's ``models/model.pt``, such as that of one's own training.

    Returns:
        0 when every case worked, 3 when some were skipped.

    Raises:
        ValueError: for an argument that leaves nothing to do (exit status 2 of the command).
    """
    objects = {"seg": seg, "fractional": fractional, "sr": sr, "rtstruct": rtstruct}
    root = find_bundle(bundle)
    if not trust:
        check_trust(root)
    _check_device(device)
    dicom = dicom_input(input_path, bundle_info(root.name, {}), series, wanted=any(objects.values()))
    cases = image_datalist(input_path) if dicom is None else dicom.datalist
    _check_case_names(cases)
    run = RunReport()
    with Workers.joined() as workers:
        output = run.open_folder(output_dir) if workers.rank == 0 else Path(output_dir)
        gathered(None)  # the folder is there and the old report gone
        runner = BundleRunner(root, device or workers.device, roi, centre, weights)
        info = bundle_info(runner.name, _channel_def(runner))
        writer = None if dicom is None else DicomWriter(runner, info, **objects)
        more = {"uncertainty": uncertainty, "keep_identity": keep_identity}
        _check_extras(runner, dicom, **more)
        job = _Job(runner, info, cases, output, dicom, writer, {**objects, **more})
        reports = _predict_cases(job, run, workers)
        if workers.rank == 0:
            _write_summary(job, run, reports)
        return run.exit_status if workers.size == 1 else 0


@dataclass(frozen=True)
class _Job:
    """What all cases of a run share."""

    runner: BundleRunner
    info: BundleInfo
    cases: list[dict[str, str]]
    output: Path
    dicom: DicomInput | None
    writer: DicomWriter | None
    options: dict[str, bool]

    def made_from(self, item: dict[str, str]) -> str:
        """Fingerprint of a case's input and of all that makes its output."""
        runner = self.runner
        images = [Path(item["image"])] if self.dicom is None else self.dicom.files(item["case"])
        versions = (runner.name, runner.metadata.get("version"), monai_lsext.__version__)
        made_by = {"weights": runner.weights_sha256, "versions": versions, "objects": self.options}
        return fingerprint([runner.config_path, *images], **made_by, **runner.options)

    def sentence(self, item: dict[str, str], error: Exception) -> str:
        """What went wrong with a case, on one line."""
        return error_sentence(error, item["image"]) if self.dicom is None else self.dicom.sentence(item["case"], error)

    def opened(self, item: dict[str, str]) -> AbstractContextManager[tuple[dict[str, str], DicomImage | None]]:
        """The item with its file, and its volume where it is DICOM."""
        return nullcontext((item, None)) if self.dicom is None else self.dicom.opened(item["case"])


def _predict_cases(job: _Job, run: RunReport, workers: Workers) -> list[dict[str, Any]]:
    """Work on this process's cases and record all of them in the run's report; reports of those that worked."""
    if job.dicom is not None and workers.rank == 0:
        print("\n".join(job.dicom.lines))
    reports = []
    for item in tqdm(workers.share(job.cases), desc="predict", unit="image", disable=workers.rank > 0):
        start = time.perf_counter()
        try:
            made_from = job.made_from(item)
            report = earlier_report(job.output, item["case"], made_from)
            if report is None:
                with job.opened(item) as (opened, volume):
                    report, files = _predict_case(job, opened, volume)
                content = report_json({**report, "made_from": made_from, "files": sorted(files)})
                report = json.loads(content)
                _write(job.output, {**files, f"{item['case']}_report.json": content}, job.cases)
        except Exception as error:  # loading, network, drawing or writing can fail in any way; the rest goes on
            sentence = job.sentence(item, error)
            run.skipped.append({"case": item["case"], "reason": sentence})
            tqdm.write(f"skipped {item['case']}: {sentence}", file=sys.stderr)
            continue
        seconds = round(time.perf_counter() - start, 3)
        run.done.append({"case": item["case"], "seconds": seconds, "warnings": report["warnings"]})
        reports.append(report)
    parts = gathered((run.done, run.skipped, reports))
    run.done, run.skipped, reports = ([one for part in parts for one in part[kind]] for kind in range(3))
    order = {item["case"]: number for number, item in enumerate(job.cases)}
    for found in (run.done, run.skipped, reports):
        found.sort(key=lambda one: order[one["case"]])
    return reports


def _write_summary(job: _Job, run: RunReport, reports: list[dict[str, Any]]) -> None:
    """What belongs to several cases or to all."""
    if EJECTION_FRACTION in job.info.measurements:
        _write_ejection_fractions(reports, job.info, job.output, job.cases, job.writer)
    listed = {} if job.dicom is None else {"series": job.dicom.lines}
    run.write(job.output, bundle=job.runner.name, version=job.runner.metadata.get("version"), **listed)


def _predict_case(
    job: _Job, item: dict[str, str], volume: DicomImage | None = None
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The case's report, and the content of its other files."""
    case, runner, info = item["case"], job.runner, job.info
    loaded = runner.load(item)
    image = case_image(loaded["image"], item["image"])
    found = runner(loaded, steps=job.options["uncertainty"])
    pred = torch.zeros_like(found.pred) if image.is_blank else found.pred  # some networks find objects in nothing
    segmentation = found_in(pred, info, image)
    report = case_report(case, runner, info, image, segmentation, found.meta)
    lines = captions(report, info)
    if volume is not None:
        report["dicom"] = volume.facts
        report["warnings"] += volume.warnings
        if job.options["keep_identity"]:
            report["patient"] = patient = patient_of(volume.sources[0])
            lines.insert(0, " ".join(filter(None, (patient["id"], patient["name"]))))
    if len(image.size) == 3:
        figure = montage_figure(image, segmentation, info, lines, report["warnings"], runner.centre)
    else:
        box = roi_box(found.meta.get("roi"), image.size)
        figure = overlay_figure(image, segmentation, info, lines, report["warnings"], box, runner.centre)
    files = mask_files(case, image, segmentation)
    affine_mm = None if volume is None else volume.affine
    files |= contour_files(case, report["bundle"], image, segmentation, info, affine_mm)
    if found.steps is not None:
        files |= uncertainty_file(case, image, found.steps)
        report["step_spread"] = round(step_spread(found.steps), 6)
    if volume is not None and job.writer is not None:
        files |= job.writer.files(case, volume, segmentation.label_map, found.probability, report)
    files[f"{case}_overlay.png"] = overlay_png(figure)
    return report, files


def _write_ejection_fractions(
    reports: list[dict[str, Any]],
    info: BundleInfo,
    output: Path,
    cases: list[dict[str, str]],
    writer: DicomWriter | None = None,
) -> None:
    modalities = {report["case"]: report["dicom"]["modality"] for report in reports if "dicom" in report}
    for patient, content in ejection_fractions(reports, info, Path(cases[0]["image"]).parent).items():
        content["bundle"] = reports[0]["bundle"]
        files = {}
        if writer is not None:
            files = writer.fraction_files(patient, content, modalities[content["end_diastole"]["case"]], output)
        _write(output, {**files, f"{patient}_{EJECTION_FRACTION}.json": report_json(content)}, cases)
        fraction = content["ejection_fraction_percent"]
        print(f"{patient}: ejection fraction {'not defined' if fraction is None else f'{fraction:.1f} %'}")


def _write(output: Path, files: Mapping[str, bytes], cases: list[dict[str, str]]) -> None:
    """Write all files or none; the last one appears last and tells that the others are there."""
    inputs = {Path(item["image"]).resolve() for item in cases}
    for name in files:
        if (output / name).resolve() in inputs:
            raise ValueError(f"{name} would replace an input of this name; choose another output folder")
    with ExitStack() as renamed_in_reverse:
        for name, content in reversed(list(files.items())):
            renamed_in_reverse.enter_context(replace_when_done(output / name)).write_bytes(content)


def _check_case_names(cases: list[dict[str, str]]) -> None:
    for item in cases:
        if f"{item['case']}_report.json".casefold() == REPORT_NAME:
            raise ValueError(f"an input's report must not be {REPORT_NAME}; rename {Path(item['image']).name}")


def _check_extras(runner: BundleRunner, dicom: DicomInput | None, uncertainty: bool, keep_identity: bool) -> None:
    if uncertainty and not runner.gives_steps:
        raise ValueError(f"`--uncertainty` needs a bundle whose network has steps of time, got {runner.name}")
    if keep_identity and dicom is None:
        raise ValueError("`--keep-identity` needs a DICOM file or folder as input: other files name no patient")


def _channel_def(runner: BundleRunner) -> dict[str, str]:
    outputs = runner.metadata.get("network_data_format", {}).get("outputs", {})
    return outputs.get("pred", {}).get("channel_def", {})


def _check_device(device: str | None) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts when it is built without CUDA
        raise ValueError(f"`--device` must be a device of this machine, got {device}") from error
