"""Scores by region are those of the reports of the region alone."""

from __future__ import annotations

import pytest

from medvlm.evaluation.metrics import bleu, finding_f1, rouge_l
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.sections.regions import regions
from medvlm.evaluation.sections.section import Section
from medvlm.study import Sample

OWN = Protocol("own")
PLEURA = [
    ("There is a large left pleural effusion.", "There is a left pleural effusion."),
    ("", "No pleural effusion."),
]
HEART = [("The heart is of normal size.", "The heart is enlarged.")]


def record(place: int, pair: tuple[str, str], **categories: str) -> Record:
    sample = Sample(str(place), (), "Write the findings.", pair[1], "report", categories=categories)
    return grade(sample, pair[0], run="r", cluster=str(place))


def made(records: list[Record], protocol: Protocol = OWN) -> Section:
    section = regions(records, protocol, 0)
    assert section is not None
    return section


def test_each_region_is_scored_alone() -> None:
    records = [record(place, pair, region="pleura") for place, pair in enumerate(PLEURA)]
    records += [record(9, HEART[0], anatomy="heart"), record(8, ("a", "b"), other="x")]
    heart, pleura, mean = made(records).rows
    given, wanted = [pair[0] for pair in PLEURA], [pair[1] for pair in PLEURA]
    assert pleura[:2] == ("pleura", 2)
    assert pleura[2].value == finding_f1(given, wanted)[0].value  # type: ignore[union-attr]
    assert pleura[3:] == pytest.approx((bleu(given, wanted).value, rouge_l(given, wanted).value))
    assert heart[2].value == 0.0  # type: ignore[union-attr]
    assert mean[:2] == ("mean over regions", 3)
    assert mean[4] == pytest.approx((heart[4] + pleura[4]) / 2)  # type: ignore[operator]


def test_the_order_of_records_changes_nothing() -> None:
    records = [record(place, pair, region="pleura") for place, pair in enumerate(PLEURA)]
    records.append(record(9, HEART[0], region="trachea and bronchie"))
    assert [row[0] for row in made(records).rows] == [row[0] for row in made(records[::-1]).rows]
    assert [row[3:] for row in made(records).rows] == [row[3:] for row in made(records[::-1]).rows]


def test_what_cannot_be_had_is_said() -> None:
    """ROUGE reads no Chinese, and tissue has no chest findings."""
    section = made([record(0, ("双肺清晰", "双肺清晰"), region="lung")], Protocol("own", chest=False))
    assert section.rows[0][2] is section.rows[0][4] is section.rows[1][4] is None
    assert section.notes[0].startswith("ROUGE-L of lung not available: rouge-score reads a-z")


def test_a_region_that_states_no_finding_has_no_f1() -> None:
    section = made([record(0, ("Clear.", "Clear.\r\nNormal."), region="lung")])
    assert section.rows[0][2] is None


def test_reports_without_regions_have_no_section() -> None:
    assert regions([record(0, HEART[0])], OWN, 0) is None
    assert regions([record(0, HEART[0], region=" ")], OWN, 0) is None
