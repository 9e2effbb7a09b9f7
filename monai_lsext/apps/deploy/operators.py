"""Operators around the App SDK's bundle operator: cases of a DICOM input in, DICOM SEG out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from monai.deploy.core import Fragment, Image, Operator, OperatorSpec
from monai.deploy.operators import MonaiBundleInferenceOperator
from monai.transforms import LoadImage

from monai_lsext.apps.cases import case_image
from monai_lsext.apps.dicom.cases import DicomInput
from monai_lsext.apps.dicom.photograph import DicomImage
from monai_lsext.apps.dicom.seg import Producer, dicom_bytes, segmentation_object
from monai_lsext.atomic import replace_when_done
from monai_lsext.engines.run_report import RunReport
from monai_lsext.registry import BundleInfo

__all__ = ["BundleOperator", "CaseOperator", "CaseRecord", "SegOperator"]


class CaseRecord:
    """What became of each case of a DICOM input, for ``run_report.json``.

    Args:
        dicom: the input.
    """

    def __init__(self, dicom: DicomInput) -> None:
        self.dicom = dicom
        self.run = RunReport()

    def done(self, case: str, volume: DicomImage, files: list[str]) -> None:
        """A case that worked, and its files; none where nothing was found."""
        self.run.done.append({"case": case, "warnings": volume.warnings, "files": files})

    def skipped(self, case: str, error: Exception) -> None:
        """A case that did not, by a sentence without anything of the patient."""
        sentence = self.dicom.sentence(case, error)
        self.run.skipped.append({"case": case, "reason": sentence})
        print(f"skipped {case}: {sentence}", file=sys.stderr)


class CaseOperator(Operator):
    """Source that emits a case each time it is called; a case that cannot be read or is blank emits nothing.

    The image is what MONAI's ``LoadImage`` gives: float32 with the series' affine, also of anisotropic pixels. A cine
    gives one case for each phase, and a series with a missing slice is refused.

    Named outputs:
        image: for the bundle operator.
        case: (name, volume with the headers of its images) for :class:`SegOperator`.
    """

    def __init__(self, fragment: Fragment, *args: Any, record: CaseRecord, **kwargs: Any) -> None:
        self.record = record
        self._names = iter(record.dicom.cases)
        self._load = LoadImage(reader=["PILReader", "NibabelReader"])
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.output("image")
        spec.output("case")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        name = next(self._names)
        try:
            with self.record.dicom.opened(name) as (item, volume):
                values = self._load(item["image"])
                blank = case_image(values[None], item["image"]).is_blank
        except Exception as error:  # files can be wrong in any way; the other cases go on
            self.record.skipped(name, error)
            return
        if blank:
            self.record.done(name, volume, [])
            return
        op_output.emit(Image(values.numpy(), dict(values.meta)), "image")
        op_output.emit((name, volume), "case")


class BundleOperator(MonaiBundleInferenceOperator):
    """The SDK's bundle operator, which emits the error of a case that fails, so that the others go on."""

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        try:
            super().compute(op_input, op_output, context)
        except Exception as error:  # transforms and networks can fail in any way
            op_output.emit(error, "pred")

    def post_process(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """A bundle may end with a map without the axis of channels, which the SDK counts on."""
        found = super().post_process(data, *args, **kwargs)
        if found["pred"].ndim < found["image"].ndim:
            found["pred"] = found["pred"][None]
        return found


class SegOperator(Operator):
    """Writes ``<case>_seg.dcm``, the object of ``predict --seg`` with its identifiers; no file where nothing was found.

    Named inputs:
        pred: label map as the SDK's ``Image``, [D, H, W] or [W, H], or an error.
        case: (name, volume) of :class:`CaseOperator`.
    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        record: CaseRecord,
        info: BundleInfo,
        producer: Producer,
        output: Path,
        **kwargs: Any,
    ) -> None:
        self.record, self.info, self.producer, self.output = record, info, producer, output
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.input("pred")
        spec.input("case")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        pred = op_input.receive("pred")
        name, volume = op_input.receive("case")
        try:
            if isinstance(pred, Exception):
                raise pred
            found = np.asarray(pred.asnumpy())
            label_map = (found.T if found.ndim == 3 else found).reshape(volume.shape)  # the SDK turns volumes alone
            seg = segmentation_object(volume, label_map, self.info, self.producer)
            file = f"{name}_seg.dcm"
            if seg is not None:
                with replace_when_done(self.output / file) as temporary:
                    temporary.write_bytes(dicom_bytes(seg))
            self.record.done(name, volume, [] if seg is None else [file])
        except Exception as error:  # headers may not fit the library in any way
            self.record.skipped(name, error)
