"""The rule labeler on sentences labelled by hand."""

from __future__ import annotations

import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from medvlm.datamodules.phantoms.findings import sample_patients
from medvlm.datamodules.phantoms.report import FAITHFUL, write_report
from medvlm.evaluation.labeler import LABELS, label_report
from medvlm.evaluation.metrics import f1

OPENI = Path(__file__).parents[4] / "shared" / "data" / "openi" / "NLMCXR_reports.tgz"
INDEXED = {
    "Pleural Effusion": {"pleural effusion"},
    "Pneumothorax": {"pneumothorax", "hydropneumothorax"},
    "Cardiomegaly": {"cardiomegaly"},
    "Lung Lesion": {"nodule", "mass", "granuloma", "calcified granuloma"},
    "Consolidation": {"consolidation"},
    "Atelectasis": {"pulmonary atelectasis"},
    "Fracture": {"fractures, bone"},
}
STATES = {"+": "present", "-": "absent", "?": "uncertain"}
SENTENCES = [
    ("No pneumothorax or effusion.", "-Pneumothorax, -Pleural Effusion"),
    (
        "There is no focal consolidation, pleural effusion, or pneumothorax.",
        "-Consolidation, -Pleural Effusion, -Pneumothorax",
    ),
    (
        "No focal consolidation, effusion or pneumothorax, but moderate cardiomegaly.",
        "-Consolidation, -Pleural Effusion, -Pneumothorax, +Cardiomegaly",
    ),
    ("Pneumonia cannot be excluded.", "?Pneumonia"),
    ("A small effusion cannot be entirely excluded.", "?Pleural Effusion"),
    ("Cannot exclude a small pneumothorax.", "?Pneumothorax"),
    ("Pneumothorax is not seen.", "-Pneumothorax"),
    ("A pleural effusion is not seen.", "-Pleural Effusion"),
    ("No pneumothorax is seen.", "-Pneumothorax"),
    ("The previously seen pneumothorax has resolved.", "-Pneumothorax"),
    ("Heart size is normal.", "-Cardiomegaly"),
    ("The heart is normal in size.", "-Cardiomegaly"),
    ("Normal heart size.", "-Cardiomegaly"),
    ("The heart is not enlarged.", "-Cardiomegaly"),
    ("The cardiomediastinal silhouette is within normal limits.", "-Cardiomegaly"),
    ("The cardiac silhouette is enlarged.", "+Cardiomegaly"),
    ("The heart is mildly enlarged.", "+Cardiomegaly"),
    ("Stable cardiomegaly.", "+Cardiomegaly"),
    ("No cardiomegaly.", "-Cardiomegaly"),
    ("Large left pleural effusion.", "+Pleural Effusion"),
    ("Blunting of the left costophrenic angle.", "?Pleural Effusion"),
    ("Small bilateral effusions with adjacent atelectasis.", "+Pleural Effusion, +Atelectasis"),
    ("No pneumothorax. Large effusion.", "-Pneumothorax, +Pleural Effusion"),
    ("No pneumothorax, large effusion.", "-Pneumothorax, +Pleural Effusion"),
    ("No change in the right effusion.", "+Pleural Effusion"),
    ("8 mm nodule in the right upper lobe.", "+Lung Lesion"),
    ("A 1.5 cm mass. No effusion.", "+Lung Lesion, -Pleural Effusion"),
    ("No nodules or masses.", "-Lung Lesion"),
    ("Possible nodule in the left apex.", "?Lung Lesion"),
    ("Consolidation in the right lower lobe, concerning for pneumonia.", "+Consolidation, ?Pneumonia"),
    ("Opacity may represent atelectasis or pneumonia.", "+Lung Opacity, ?Atelectasis, ?Pneumonia"),
    ("Mild pulmonary edema.", "+Edema"),
    ("The lungs are clear without edema.", "-Edema"),
    ("Lungs are free of consolidation.", "-Consolidation"),
    ("Old rib fracture on the left.", "+Fracture"),
    ("Widened mediastinum.", "+Enlarged Cardiomediastinum"),
    ("Endotracheal tube in place.", "+Support Devices"),
    ("Apical pleural thickening.", "+Pleural Other"),
    (
        "FINDINGS:\r\nNo pneumothorax.\r\nModerate\r\neffusion.\r\nIMPRESSION: Effusion.",
        "-Pneumothorax, +Pleural Effusion",
    ),
    ("Effusion: absent", "-Pleural Effusion"),
    ("No opacity to suggest pneumonia.", "-Lung Opacity, -Pneumonia"),
    ("Small pericardial effusion.", ""),
    (
        "No focal consolidation, large pleural effusion, or pneumothorax.",
        "-Consolidation, -Pleural Effusion, -Pneumothorax",
    ),
    ("Prior granulomatous disease.", ""),
    ("The lungs are clear.", ""),
    ("", ""),
]


@pytest.mark.parametrize(("report", "findings"), SENTENCES)
def test_findings(report: str, findings: str) -> None:
    labels = dict(label_report(report))
    labels.pop("No Finding", None)
    assert labels == {name[1:]: STATES[name[0]] for name in filter(None, findings.split(", "))}


def test_no_finding_needs_a_text_without_findings() -> None:
    assert label_report("The lungs are clear. Pacemaker.")["No Finding"] == "present"
    assert "No Finding" not in label_report("Possible pneumonia.")
    assert "No Finding" not in label_report("")


def test_the_strongest_mention_counts_in_any_order() -> None:
    parts = ["No effusion.", "Possible effusion.", "Effusion."]
    assert label_report(" ".join(parts)) == label_report(" ".join(reversed(parts))) == {"Pleural Effusion": "present"}


def test_the_fourteen_names_are_those_of_chexpert() -> None:
    assert len(LABELS) == 14
    assert {"No Finding", "Lung Lesion", "Lung Opacity", "Support Devices", "Pleural Other"} < set(LABELS)


def test_reports_of_phantoms_are_labelled_as_they_were_drawn() -> None:
    kinds = {
        "effusion": "Pleural Effusion",
        "pneumothorax": "Pneumothorax",
        "consolidation": "Consolidation",
        "cardiomegaly": "Cardiomegaly",
        "nodule": "Lung Lesion",
    }
    for studies in sample_patients(7, 200):
        for study in studies:
            report = write_report(study, FAITHFUL)
            found = {label for label, state in label_report(report).items() if state == "present"} - {"No Finding"}
            assert found == {kinds[finding.kind] for finding in study.findings}, report


def openi() -> Iterator[tuple[str, set[str]]]:
    """Each Open-i report with the terms by which the National Library of Medicine indexed it by hand."""
    with tarfile.open(OPENI) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".xml") else None
            if file is None:
                continue
            root = ET.parse(file).getroot()
            parts = [
                part.text or "" for part in root.iter("AbstractText") if part.get("Label") in ("FINDINGS", "IMPRESSION")
            ]
            yield "\n\n".join(parts), {(term.text or "").lower().split("/")[0] for term in root.iter("major")}


def test_labels_of_real_reports_agree_with_their_index_terms() -> None:
    if not OPENI.exists():
        pytest.skip("no ../shared/data: openi")
    counts = {label: [0, 0, 0] for label in INDEXED}
    for report, terms in openi():
        labels = label_report(report)
        for label, names in INDEXED.items():
            said, meant = labels.get(label) == "present", bool(terms & names)
            counts[label] = [
                a + b for a, b in zip(counts[label], (said and meant, said > meant, meant > said), strict=True)
            ]
    scores = {label: f1(count) for label, count in counts.items()}
    assert min(scores.values()) > 0.8, scores
    assert sum(scores.values()) / len(scores) > 0.88, scores
