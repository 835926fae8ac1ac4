"""Reports in sentences, and errors put into them."""

from __future__ import annotations

from random import Random

import pytest

from medvlm.evaluation.labeler import label_report
from medvlm.evaluation.probes.planting import plant, sentences_of


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("FINDINGS: Clear. IMPRESSION: Normal.", ["FINDINGS: Clear.", "IMPRESSION: Normal."]),
        ("FINDINGS:\r\nClear.\r\nIMPRESSION:\r\n1. Normal.", ["FINDINGS: Clear.", "IMPRESSION: 1. Normal."]),
        ("Nodule of 4.5 mm. Stable!", ["Nodule of 4.5 mm.", "Stable!"]),
        ("One sentence only", ["One sentence only"]),
        ("心影增大。未见积液。", ["心影增大.", "未见积液."]),
        ("No e\u0301panchement. Clear.", ["No \u00e9panchement.", "Clear."]),
        ("Clear. 2.", ["Clear. 2."]),
        ("IMPRESSION:", []),
        (" \r\n ", []),
    ],
)
def test_sentences_keep_headings_numbers_and_decimals(report: str, expected: list[str]) -> None:
    assert sentences_of(report) == expected


def test_one_sentence_is_wrong_and_its_findings_say_so() -> None:
    sentences = ["FINDINGS: Small left pleural effusion.", "No pneumothorax.", "Heart size is normal."]
    seen = set()
    for seed in range(60):
        planted = plant(sentences, Random(seed))
        assert planted is not None
        seen.add(planted.kind)
        assert planted.wrong != sentences[planted.place]
        assert len(sentences_of(planted.wrong)) == 1
        changed = label_report(planted.wrong) != label_report(sentences[planted.place])
        assert changed is (planted.kind in ("added", "denied"))
    assert seen == {"side", "size", "added", "denied"}


def test_an_error_that_another_sentence_makes_right_is_none() -> None:
    assert plant(["Left effusion.", "Right effusion."], Random(0)).kind == "denied"  # type: ignore[union-attr]
    for seed in range(40):
        planted = plant(["No pneumothorax on the right.", "Large left pneumothorax."], Random(seed))
        assert planted is None or "pneumothorax" not in planted.wrong.lower() or planted.place == 1


@pytest.mark.parametrize("report", ["The bony thorax is intact.", "心影增大。未见积液。", "qz qz", ""])
def test_what_the_rules_cannot_read_is_left_alone(report: str) -> None:
    assert plant(sentences_of(report), Random(0)) is None
