"""Findings with boxes and sizes as DICOM Comprehensive SR by TID 1500, which viewers draw on the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medvlm.reporting.report import Finding, StudyReport
from medvlm.reporting.uids import make_uid
from medvlm.reporting.writers import packages
from medvlm.reporting.writers.codes import SCHEME, concept, finding_code, presence_code, side_code, site_code
from medvlm.reporting.writers.dicom import MANUFACTURER, finish, identity, lines_of

if TYPE_CHECKING:
    from pydicom import Dataset

    from medvlm.reporting.writers import Material

_PRESENCE = ("presence", SCHEME, "Presence of finding")
_CERTAINTY = ("111012", "DCM", "Certainty of Finding")
_DIAMETER = ("81827009", "SCT", "Diameter")
_PERCENT = ("%", "UCUM", "Percent")
_MILLIMETRES = ("mm", "UCUM", "mm")
_PROCEDURE = ("363679005", "SCT", "Imaging procedure")


def write_measured_sr(report: StudyReport, material: Material) -> bytes | None:
    """The findings of a report as TID 1500: presence, certainty, side, size, and a box where there is one.

    A box (x0, y0, x1, y1) in shares becomes image coordinates (column, row), in which the outer corner of the first
    pixel is (0, 0) and that of the last is (Columns, Rows): shares times columns and rows are right as they stand.

    Args:
        report: The report.
        material: Headers of the files that were shown.

    Returns:
        The file; None where the report has no findings.

    Raises:
        ImportError: If highdicom is not installed.
    """
    if not report.findings:
        return None
    sr = packages.highdicom().sr
    key = material.headers[min(report.current.key, len(material.headers) - 1)]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_observer(report, sr)),
        procedure_reported=concept(_PROCEDURE),
        imaging_measurements=[_group(report, index, key, sr) for index in range(len(report.findings))],
        title=concept(("126000", "DCM", "Imaging Measurement Report")),
    )
    made = sr.ComprehensiveSR(
        evidence=list(material.headers),
        content=content,
        is_complete=report.complete and not report.abstained,
        is_final=False,
        is_verified=False,
        **identity(report, "tid1500"),
    )
    return finish(made, report, "findings")


def _observer(report: StudyReport, sr: Any) -> Any:
    attributes = sr.DeviceObserverIdentifyingAttributes(
        uid=make_uid(report.origin.model, report.origin.weights),
        name=report.origin.model,
        manufacturer_name=MANUFACTURER,
        model_name=f"medvlm {report.origin.version}",
    )
    return sr.ObserverContext(
        observer_type=concept(("121007", "DCM", "Device")), observer_identifying_attributes=attributes
    )


def _group(report: StudyReport, index: int, key: Dataset, sr: Any) -> Any:
    """The measurement group of one finding."""
    finding = report.findings[index]
    side = concept(side_code(finding.side)) if finding.side else None
    common = {
        "tracking_identifier": sr.TrackingIdentifier(
            uid=make_uid(report.study, report.run, "finding", str(index)), identifier=finding.name
        ),
        "finding_type": concept(finding_code(finding.name)),
        "algorithm_id": sr.AlgorithmIdentification(
            name=report.origin.model,
            version=report.origin.version,
            parameters=lines_of(report),
        ),
        "finding_sites": [sr.FindingSite(anatomic_location=concept(site_code(finding.name)), laterality=side)],
        "measurements": _measurements(finding, sr),
        "qualitative_evaluations": [
            sr.QualitativeEvaluation(name=concept(_PRESENCE), value=concept(presence_code(finding.presence)))
        ],
    }
    if finding.box is None:
        source = sr.SourceImageForMeasurementGroup.from_source_image(key)
        return sr.MeasurementsAndQualitativeEvaluations(**common, source_images=[source])
    region = _region(finding.box, key, sr)
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(**common, referenced_region=region)


def _measurements(finding: Finding, sr: Any) -> list[Any]:
    made = [sr.Measurement(name=concept(_CERTAINTY), value=100 * finding.certainty, unit=concept(_PERCENT))]
    if finding.size_mm is not None:
        made.append(sr.Measurement(name=concept(_DIAMETER), value=finding.size_mm, unit=concept(_MILLIMETRES)))
    return made


def _region(box: tuple[float, float, float, float], key: Dataset, sr: Any) -> Any:
    """A closed rectangle (column, row) on the key image."""
    import numpy as np

    x0, y0, x1, y1 = box
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]) * (key.Columns, key.Rows)
    return sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=corners,
        source_image=sr.SourceImageForRegion.from_source_image(key),
    )
