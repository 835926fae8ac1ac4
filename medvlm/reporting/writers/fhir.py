"""A report as FHIR R4B: a Bundle of DiagnosticReport, Observations, ImagingStudy and the Device that wrote it.

Codes and structure follow HL7 FHIR R4B (diagnosticreport.html, imagingstudy.html) and its security label AIAST for what
a machine asserted (v3-ObservationValue). The patient is referred to by PatientID (0010,0020) where the source has one.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from medvlm.reporting.report import Finding, StudyReport
from medvlm.reporting.writers.codes import finding_code, side_code
from medvlm.reporting.writers.dicom import WARNING, lines_of

if TYPE_CHECKING:
    from medvlm.reporting.writers import Material

_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
}
_POSITIVE = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_INTERPRETATION = {"present": ("POS", "Positive"), "absent": ("NEG", "Negative"), "uncertain": ("IND", "Indeterminate")}
_MACHINE = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}


def write_fhir(report: StudyReport, material: Material) -> bytes:
    """The report as a FHIR R4B collection; every resource in it is preliminary and marked as asserted by a machine.

    Args:
        report: The report.
        material: The first header gives PatientID and accession number.
    """
    parts = [_device(report), _study(report, material), *_observations(report, material), _report(report, material)]
    bundle = {
        "resourceType": "Bundle",
        "id": report.study,
        "meta": {"security": [_MACHINE]},
        "type": "collection",
        "timestamp": report.created,
        "entry": [{"fullUrl": _url(report, part["id"]), "resource": part} for part in parts],
    }
    return (json.dumps(bundle, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "backslashreplace")


def _url(report: StudyReport, name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'{report.study}/{report.run}/{name}')}"


def _link(report: StudyReport, name: str) -> dict[str, str]:
    return {"reference": _url(report, name)}


def _concept(code: tuple[str, str, str]) -> dict[str, Any]:
    value, scheme, meaning = code
    if scheme not in _SYSTEMS:
        return {"text": meaning}
    return {"coding": [{"system": _SYSTEMS[scheme], "code": value, "display": meaning}], "text": meaning}


def _subject(material: Material) -> dict[str, Any]:
    """The patient by number, as the source says; nothing where it says none."""
    number = str(material.headers[0].get("PatientID") or "") if material.headers else ""
    return {"subject": {"identifier": {"value": number}}} if number else {}


def _device(report: StudyReport) -> dict[str, Any]:
    return {
        "resourceType": "Device",
        "id": "device",
        "deviceName": [{"name": report.origin.model, "type": "model-name"}],
        "version": [{"value": f"medvlm {report.origin.version}"}, {"value": f"weights sha256 {report.origin.weights}"}],
        "note": [{"text": line} for line in [WARNING, *lines_of(report)]],
    }


def _study(report: StudyReport, material: Material) -> dict[str, Any]:
    used = report.current
    study: dict[str, Any] = {
        "resourceType": "ImagingStudy",
        "id": "study",
        "status": "available",
        **(_subject(material) or {"subject": {"display": "unknown"}}),
    }
    if used.study_uid:
        study["identifier"] = [{"system": "urn:dicom:uid", "value": f"urn:oid:{used.study_uid}"}]
        study["series"] = [
            {
                "uid": used.series_uid,
                "modality": {"system": _SYSTEMS["DCM"], "code": used.modality},
                "instance": [
                    {"uid": one.uid, "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{one.sop_class}"}}
                    for one in used.instances
                ],
            }
        ]
    return study


def _observations(report: StudyReport, material: Material) -> list[dict[str, Any]]:
    return [_observation(report, material, index, one) for index, one in enumerate(report.findings)]


def _observation(report: StudyReport, material: Material, index: int, finding: Finding) -> dict[str, Any]:
    """One finding: what it is, whether it is there, where, how large."""
    value = " ".join(filter(None, [finding.presence, finding.side, finding.size]))
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": f"finding-{index + 1}",
        "meta": {"security": [_MACHINE]},
        "status": "preliminary",
        "code": _concept(finding_code(finding.name)),
        **_subject(material),
        "valueString": value,
        "device": _link(report, "device"),
        "derivedFrom": [_link(report, "study")],
    }
    if finding.presence in _INTERPRETATION:
        code, display = _INTERPRETATION[finding.presence]
        made["interpretation"] = [{"coding": [{"system": _POSITIVE, "code": code, "display": display}]}]
    if finding.side:
        made["bodySite"] = _concept(side_code(finding.side))
    made["component"] = [_amount("Certainty of Finding", 100 * finding.certainty, "%")]
    if finding.size_mm is not None:
        made["component"].append(_amount("Diameter", finding.size_mm, "mm"))
    return made


def _amount(name: str, value: float, unit: str) -> dict[str, Any]:
    quantity = {"value": round(value, 4), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    return {"code": {"text": name}, "valueQuantity": quantity}


def _report(report: StudyReport, material: Material) -> dict[str, Any]:
    text = "\n\n".join(f"{name.upper()}: {text}" for name, text in report.sections.items())
    conclusion = report.sections.get("impression") or report.abstained or report.sections.get("findings", "")
    made: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "id": "report",
        "meta": {"security": [_MACHINE]},
        "status": "preliminary",
        "code": _concept(("18748-4", "LN", "Diagnostic imaging report")),
        **_subject(material),
        "issued": report.created,
        "performer": [_link(report, "device")],
        "imagingStudy": [_link(report, "study")],
        "result": [_link(report, f"finding-{index + 1}") for index in range(len(report.findings))],
        "conclusion": f"[{WARNING}; {report.status}] {conclusion}".strip(),
        "text": {"status": "generated", "div": _narrative(f"{WARNING}. {report.status}.\n\n{text}")},
    }
    accession = str(material.headers[0].get("AccessionNumber") or "") if material.headers else ""
    if accession:
        made["basedOn"] = [{"identifier": {"value": accession}}]
    return made


def _narrative(text: str) -> str:
    from html import escape

    words = "<br/>".join(escape(line) for line in text.split("\n"))
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{words}</div>'
