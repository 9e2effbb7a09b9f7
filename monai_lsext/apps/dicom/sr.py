"""Measurements as DICOM object (SR by TID 1500) that refers to the SEG they were made on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as DicomCode

from monai_lsext.apps.dicom.headers import quiet, without_patient
from monai_lsext.apps.dicom.repair import derived_uid
from monai_lsext.apps.dicom.seg import Producer, highdicom, segment_code, series_date
from monai_lsext.registry import Label

__all__ = ["RATIOS", "Finding", "measurement_report", "photograph_report"]

_SERIES_NUMBER = 9001
_PROCEDURES = {"CT": codes.LN.CTUnspecifiedBodyRegion, "MR": codes.LN.MRIUnspecifiedBodyRegion}
_FRACTIONS = {
    "CT": codes.LN.LeftVentricularEjectionFractionByCT,
    "MR": codes.LN.LeftVentricularEjectionFractionByMR,
}
# measurement of a photograph -> code; no public one is known, so a private scheme (DICOM PS3.16, 8.2: "99...") names it
RATIOS = {"vertical_cup_to_disc_ratio": DicomCode("VCDR", "99LSEXT", "Vertical cup-to-disc ratio")}


@dataclass(frozen=True)
class Finding:
    """A segment and its volume.

    Args:
        seg: the SEG, with or without pixels.
        label: of the segment; found in the SEG by its name.
        volume_ml: measured.
        title: what is tracked, such as "left ventricle, end diastole".
    """

    seg: Dataset
    label: Label
    volume_ml: float
    title: str

    @property
    def segment_number(self) -> int:
        """Number of the segment in the SEG.

        Raises:
            ValueError: when the SEG has no such segment.
        """
        for segment in self.seg.SegmentSequence:
            if segment.SegmentLabel == self.label.name[:64]:
                return int(segment.SegmentNumber)
        raise ValueError(f"the SEG has no segment {self.label.name}")


def measurement_report(
    findings: Sequence[Finding], modality: str, producer: Producer, fraction_percent: float | None = None
) -> Dataset:
    """SR of volumes (cm3 = ml), and of the ejection fraction of the left ventricle.

    Args:
        findings: at least one; of one study.
        modality: of the images.
        producer: for the identification of the algorithm.
        fraction_percent: ejection fraction; modalities other than CT and MR have no code for it: then an error.

    Raises:
        ValueError: when the SEGs' headers do not allow it.
    """
    segs = list({finding.seg.SOPInstanceUID: finding.seg for finding in findings}.values())
    identity = ["SR", *(seg.SOPInstanceUID for seg in segs), fraction_percent]
    identity += [(finding.title, finding.volume_ml) for finding in findings]

    def groups() -> list[Any]:
        found = [_volume(finding, producer, identity) for finding in findings]
        if fraction_percent is not None:
            found.append(_fraction(findings[0], fraction_percent, modality, producer, identity))
        return found

    return _document(groups, segs, identity, _PROCEDURES.get(modality, codes.SCT.ImagingProcedure), producer)


def photograph_report(
    seg: Dataset, source: Dataset, labels: Sequence[Label], ratios: Mapping[str, float], producer: Producer
) -> Dataset:
    """SR of ratios measured on the segments of a photograph; sizes in mm are not known there.

    Args:
        seg: of the photograph.
        source: the photograph's data set.
        labels: of its segments, in their order.
        ratios: key of ``RATIOS`` -> value.
        producer: for the identification of the algorithm.

    Raises:
        ValueError: when the headers do not allow it.
    """
    identity = ["SR", seg.SOPInstanceUID, *ratios.items()]

    def groups() -> list[Any]:
        found = [_plane(seg, source, n, label, producer, identity) for n, label in enumerate(labels, 1)]
        return [*found, *(_ratio(name, value, producer, identity) for name, value in ratios.items())]

    return _document(groups, [seg, source], identity, codes.SCT.ImagingProcedure, producer)


def _document(
    groups: Callable[[], list[Any]],
    evidence: Sequence[Dataset],
    identity: Sequence[object],
    procedure: Any,
    producer: Producer,
) -> Dataset:
    try:
        with quiet():
            return _made(groups(), evidence, identity, procedure, producer)
    except Exception as error:  # a file's values may not fit the library in any way
        sentence = without_patient(f"{type(error).__name__}: {error}", evidence[0])
        raise ValueError(f"the DICOM SR cannot be made: {sentence}") from error


def _made(
    groups: list[Any], evidence: Sequence[Dataset], identity: Sequence[object], procedure: Any, producer: Producer
) -> Dataset:
    library = highdicom()
    device = library.sr.DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", producer.bundle, producer.version, producer.weights_sha256),
        name=producer.bundle,
        manufacturer_name="monai_lsext",
        model_name=producer.bundle,
    )
    content = library.sr.MeasurementReport(
        observation_context=library.sr.ObservationContext(
            observer_device_context=library.sr.ObserverContext(codes.DCM.Device, device)
        ),
        procedure_reported=procedure,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    date, time = series_date(evidence[0])
    report = library.sr.Comprehensive3DSR(
        evidence=evidence,
        content=content[0],
        series_instance_uid=derived_uid("SR series", *identity),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=derived_uid("SR", *identity),
        instance_number=1,
        **producer.equipment,
        series_description=f"{producer.bundle} measurements"[:64],
        is_complete=True,
        content_date=date,
        content_time=time,
        specific_character_set="ISO_IR 192",
    )
    report.InstanceCreationDate, report.InstanceCreationTime = date, time
    report.ContributingEquipmentSequence[-1].ContributionDateTime = date + time  # the library's own entry
    return report


def _volume(finding: Finding, producer: Producer, identity: Sequence[object]) -> Any:
    sr, seg = highdicom().sr, finding.seg
    segment = sr.ReferencedSegment(
        sop_class_uid=seg.SOPClassUID,
        sop_instance_uid=seg.SOPInstanceUID,
        segment_number=finding.segment_number,
        source_series=sr.SourceSeriesForSegmentation(seg.ReferencedSeriesSequence[0].SeriesInstanceUID),
    )
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(finding.title, identity),
        referenced_segment=segment,
        finding_type=segment_code(finding.label),
        algorithm_id=_algorithm(producer),
        measurements=[sr.Measurement(codes.SCT.Volume, finding.volume_ml, codes.UCUM.CubicCentimeter)],
    )


def _fraction(finding: Finding, percent: float, modality: str, producer: Producer, identity: Sequence[object]) -> Any:
    sr = highdicom().sr
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking("ejection fraction", identity),
        finding_type=segment_code(finding.label),
        algorithm_id=_algorithm(producer),
        measurements=[sr.Measurement(_FRACTIONS[modality], percent, codes.UCUM.Percent)],
    )


def _plane(
    seg: Dataset, source: Dataset, number: int, label: Label, producer: Producer, identity: Sequence[object]
) -> Any:
    sr = highdicom().sr
    segment = sr.ReferencedSegmentationFrame(
        sop_class_uid=seg.SOPClassUID,
        sop_instance_uid=seg.SOPInstanceUID,
        frame_number=number,  # a frame for each segment
        segment_number=number,
        source_image=sr.SourceImageForSegmentation(source.SOPClassUID, source.SOPInstanceUID),
    )
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(label.name, identity),
        referenced_segment=segment,
        finding_type=segment_code(label),
        algorithm_id=_algorithm(producer),
    )


def _ratio(name: str, value: float, producer: Producer, identity: Sequence[object]) -> Any:
    sr, code = highdicom().sr, RATIOS[name]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(code.meaning, identity),
        algorithm_id=_algorithm(producer),
        measurements=[sr.Measurement(code, value, codes.UCUM.Ratio)],
    )


def _tracking(title: str, identity: Sequence[object]) -> Any:
    return highdicom().sr.TrackingIdentifier(uid=derived_uid("tracking", title, *identity), identifier=title)


def _algorithm(producer: Producer) -> Any:
    return highdicom().sr.AlgorithmIdentification(
        name=producer.bundle, version=producer.version, parameters=[f"weights_sha256={producer.weights_sha256}"]
    )
