"""The section parser, on reports written in the forms that MIMIC-CXR has."""

from __future__ import annotations

import pytest

from medvlm.datamodules.sets.sections import join_sections, official_name, read_sections, section_texts

REPORT = """\
                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)
 
 INDICATION:  ___ year old woman with cough  // eval for pneumonia
 
 TECHNIQUE:  Chest PA and lateral
 
 COMPARISON:  ___
 
 FINDINGS: 
 
 The lungs are clear.  There is no effusion.
 Note: heart size is normal.
 
 IMPRESSION: 
 
 No acute process.
"""
BOTH = ("official", "lenient")


def names(report: str, rule: str = "official") -> list[str]:
    return [part.name for part in read_sections(report, rule)]  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", BOTH)
def test_a_whole_report_is_cut_at_its_headings(rule: str) -> None:
    texts = section_texts(REPORT, rule)  # type: ignore[arg-type]
    assert texts["findings"] == "The lungs are clear. There is no effusion. Note: heart size is normal."
    assert texts["impression"] == "No acute process."
    assert texts["indication"].startswith("___ year old woman")
    assert list(texts)[-6:] == ["examination", "indication", "technique", "comparison", "findings", "impression"]


def test_no_text_is_lost_or_moved_by_the_official_rule() -> None:
    kept = "".join("".join(part.text.split()) for part in read_sections(REPORT))
    whole = "".join(REPORT.split())
    for heading in ("EXAMINATION:", "INDICATION:", "TECHNIQUE:", "COMPARISON:", "FINDINGS:", "IMPRESSION:"):
        whole = whole.replace(heading, "", 1)
    assert kept == whole


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("IMPRESSION", "impression"),
        ("CONCLUSION", "impression"),
        ("FINDINGS AND IMPRESSION", "impression"),
        ("FINDINGS/IMPRESSION", "impression"),
        ("FINDINGS/ IMPRESSION", "impression"),
        ("PROVISIONAL FINDINGS IMPRESSION (PFI)", "impression"),
        ("IMPRESSON", "impression"),
        ("FINIDNGS", "findings"),
        ("FRONTAL AND LATERAL CHEST RADIOGRAPHS", "findings"),
        ("CHEST, TWO VIEWS", "findings"),
        ("SEMI-UPRIGHT PORTABLE RADIOGRAPH", "findings"),
        ("REASON FOR EXAM", "indication"),
        ("CLINICAL HISTORY", "history"),
        ("REFERENCE EXAM", "comparison"),
        ("COMPARISON STUDIES", "comparison"),
        ("RECOMMENDATION(S)", "recommendations"),
        ("TYPE OF EXAMINATION", "examination"),
        ("WETREAD", "wet read"),
        ("DOSE", "dose"),
    ],
)
def test_forms_of_headings(heading: str, name: str) -> None:
    assert official_name(heading) == name
    assert names(f"FINAL REPORT\n {heading}: Some text.\n")[1] == name


def test_without_findings_and_impression_the_rest_after_the_first_paragraph_is_the_last_paragraph() -> None:
    texts = section_texts("FINAL REPORT\n HISTORY:  Cough.\n \n The lungs are clear.\n \n No effusion.\n")
    assert texts["history"] == "Cough."
    assert texts["last_paragraph"] == "The lungs are clear. No effusion."
    assert "findings" not in texts


def test_a_report_without_any_heading() -> None:
    assert names("The lungs are clear.") == ["full report"]
    assert section_texts("FINAL REPORT\n \n The lungs are clear.\n")["last_paragraph"] == "The lungs are clear."
    assert names("", "lenient") == []


def test_an_empty_title_that_reads_like_findings_is_none() -> None:
    report = "FINAL REPORT\n CHEST, PA AND LATERAL:\n \n HISTORY:  Cough.\n \n FINDINGS:  Clear.\n"
    assert names(report) == ["preamble", "history", "findings"]


def test_the_last_of_two_impressions_counts_whatever_stands_before_it() -> None:
    report = "x\n IMPRESSION:  Old.\n \n FINDINGS:  Clear.\n \n IMPRESSION:  New.\n \n IMPRESSION: \n"
    assert section_texts(report)["impression"] == "New."
    assert section_texts(report, "lenient")["impression"] == "New."


def test_only_the_lenient_rule_sees_headings_in_odd_case_at_odd_places() -> None:
    report = "Findings: Clear lungs.\n\n   Impression : Normal.\nOf note: the patient is rotated.\n"
    assert names(report) == ["full report"]
    texts = section_texts(report, "lenient")
    assert texts == {"findings": "Clear lungs.", "impression": "Normal. Of note: the patient is rotated."}


def test_a_heading_right_below_another_one_is_passed_over_by_the_official_rule_only() -> None:
    report = "x\n INDICATION:\n FINDINGS:  Clear.\n IMPRESSION:  Normal.\n"
    assert "findings" not in names(report)
    assert section_texts(report, "lenient")["findings"] == "Clear."


def test_a_combined_heading_serves_as_either_in_the_lenient_rule() -> None:
    report = "x\n FINDINGS AND IMPRESSION:  Small effusion.\n"
    assert section_texts(report) == {"preamble": "x", "impression": "Small effusion."}
    texts = section_texts(report, "lenient")
    assert texts["findings"] == texts["impression"] == "Small effusion."
    assert join_sections(texts, ("findings", "impression")) == "FINDINGS AND IMPRESSION: Small effusion."
    both = section_texts("x\n FINDINGS & IMPRESSION: A.\n FINDINGS: B.\n IMPRESSION: C.", "lenient")
    assert (both["findings"], both["impression"]) == ("B.", "C.")


def test_wet_reads_addenda_and_signatures() -> None:
    report = (
        " WET READ: ___ ___ 9:22 PM\n  Effusion.\n ______________________________________\n"
        "                      FINAL ADDENDUM\n ADDENDUM  Discussed by phone.\n \n                FINAL REPORT\n"
        " FINDINGS: Moderate effusion.\n\nElectronically signed by: Dr. ___\n"
    )
    texts = section_texts(report, "lenient")
    assert texts["findings"] == "Moderate effusion."
    assert texts["wet read"].endswith("Effusion.")
    assert "ADDENDUM Discussed by phone." in texts["addendum"]
    assert "signature" not in texts


def test_numbers_and_times_are_no_headings() -> None:
    text = "The tube is 4 cm above.\n CT 10:30 shows:\n \n Ratio 1:2.\n"
    for rule in BOTH:
        assert names("a\n FINDINGS: " + text, rule)[-1] == "findings"


def test_joined_sections_leave_out_what_is_not_there() -> None:
    assert join_sections({"impression": "Normal."}, ("findings", "impression")) == "IMPRESSION: Normal."
    assert join_sections({"impression": "Normal."}, ("findings",)) == ""


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="rule='strict'"):
        read_sections("", "strict")  # type: ignore[arg-type]
