"""Subgroups: names of attributes, worst groups and gaps."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.scoring import score_records
from medvlm.evaluation.sections.attributes import attribute_of
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.evaluation.sections.subgroups import subgroups
from medvlm.evaluation.statistics import Difference, Interval, mean_interval, paired_difference

OWN = Protocol("own")
Maker = Callable[..., Record]


def group(record: Maker, right: int, n: int, name: str, **categories: str) -> list[Record]:
    return [
        record("yes", "yes" if k < right else "no", cluster=f"{name}{k}", **{"sex": name, **categories})
        for k in range(n)
    ]


def made(records: list[Record]) -> Section:
    section = subgroups(records, OWN, 0)
    assert section is not None
    return section


def row(section: Section, name: str) -> dict[str, Cell]:
    return next(dict(zip(section.columns, cells, strict=True)) for cells in section.rows if cells[0] == name)


def test_the_worst_group_is_named_with_its_gap(record: Maker) -> None:
    section = made(group(record, 36, 40, "M") + group(record, 20, 40, "F"))
    accuracy, gap = row(section, "sex: female")["accuracy"], row(section, "sex: gap")["accuracy"]
    assert isinstance(accuracy, Interval)
    assert (accuracy.value, accuracy.n, accuracy.clusters) == (0.5, 40, 40)
    assert isinstance(gap, Difference)
    assert gap.value == pytest.approx(0.4)
    assert gap.p < 0.01
    assert section.notes[0].startswith("accuracy by sex: worst female 0.500, best male 0.900 (gap 0.")


def test_intervals_are_those_of_the_group_and_of_the_difference(record: Maker) -> None:
    records = group(record, 120, 200, "M") + group(record, 150, 200, "F")
    accuracy = row(made(records), "sex: male")["accuracy"]
    alone = mean_interval([1.0] * 120 + [0.0] * 80, list(range(200)))
    gap = row(made(records), "sex: gap")["accuracy"]
    pairs = paired_difference([1.0] * 150 + [0.0] * 50, [0.0, 1.0] * 80 + [1.0] * 40, range(200))
    assert isinstance(accuracy, Interval)
    assert isinstance(gap, Difference)
    assert (accuracy.low, accuracy.high) == pytest.approx((alone.low, alone.high), abs=0.015)
    assert gap.high - gap.low == pytest.approx(pairs.high - pairs.low, abs=0.03)


def test_a_small_or_unknown_group_is_shown_and_never_named(record: Maker) -> None:
    records = group(record, 30, 40, "M") + group(record, 31, 40, "F") + group(record, 0, 9, "O")
    section = made(records + group(record, 0, 30, ""))
    for name, clusters in (("other", 9), ("unknown", 30)):
        cells = row(section, f"sex: {name}")
        assert isinstance(cells["accuracy"], Interval)
        assert (cells["accuracy"].value, cells["clusters"]) == (0, clusters)
    gap = row(section, "sex: gap")["accuracy"]
    assert isinstance(gap, Difference)
    assert gap.value == pytest.approx(1 / 40)
    assert section.notes[0].startswith("no group is clearly worse: accuracy by sex (gap 0.025")


def test_the_worst_of_many_alike_groups_is_no_finding(record: Maker) -> None:
    records = []
    for k, right in enumerate((6, 7, 7, 8, 8, 8, 9, 9, 9, 10)):
        records += group(record, right, 12, f"v{k}")
    gap = row(made(records), "sex: gap")["accuracy"]
    assert isinstance(gap, Difference)
    assert gap.p > 0.05


def test_missed_findings_are_the_false_negatives_of_presence_questions(record: Maker) -> None:
    records = []
    for sex, missed in (("M", 2), ("F", 12)):
        for k in range(20):
            answer = "no" if k < missed else "yes"
            records.append(record(answer, "yes", cluster=f"{sex}{k}", sex=sex, task="presence"))
            records.append(record("yes", "yes", cluster=f"{sex}{k}", sex=sex, task="negation"))
    section = made(records)
    cells = row(section, "sex: female"), row(section, "sex: gap")
    assert isinstance(cells[0]["missed findings"], Interval)
    assert cells[0]["missed findings"].value == pytest.approx(0.6)
    assert isinstance(cells[1]["missed findings"], Difference)
    assert cells[1]["missed findings"].value == pytest.approx(0.5)
    assert any(note.startswith("missed findings by sex: worst female 0.600, best male 0.100") for note in section.notes)


def test_reports_are_compared_by_their_findings(record: Maker) -> None:
    effusion = "There is a pleural effusion."
    texts = [(effusion, "PA")] * 12 + [("The lungs are clear.", "AP")] * 12
    records = [record(text, effusion, kind="report", cluster=str(k), view=view) for k, (text, view) in enumerate(texts)]
    found = row(made(records), "view: AP")["finding F1"], row(made(records), "view: PA")["finding F1"]
    assert [cell.value for cell in found if isinstance(cell, Interval)] == [0, 1]
    assert subgroups(records, Protocol("own", chest=False), 0) is None


@pytest.mark.parametrize(
    ("categories", "attribute", "value"),
    [
        ({"PatientSex": "F"}, "sex", "female"),
        ({"gender": "Male"}, "sex", "male"),
        ({"Patient Age": "045Y"}, "age", "40-49"),
        ({"Manufacturer": "SIEMENS"}, "scanner", "SIEMENS"),
        ({"q_lang": "ZH"}, "language", "zh"),
        ({"view": "N/A"}, "view", "unknown"),
        ({"organ": "lung"}, "sex", None),
    ],
)
def test_attributes_are_known_by_their_names(
    record: Maker, categories: dict[str, str], attribute: str, value: str | None
) -> None:
    assert attribute_of(record(**categories), attribute) == value


def test_ages_stand_by_size_and_many_scanners_are_joined(record: Maker) -> None:
    records = [record(cluster=str(k), age=f"{k % 100:03d}Y", scanner=f"model {k % 20}") for k in range(400)]
    names = [str(cells[0]) for cells in made(records).rows]
    assert names[0] == "age: 0-9"
    assert names[9] == "age: 90+"
    assert sum(name.startswith("scanner") for name in names) == 12 + 2
    assert "scanner: 8 others" in names


def test_one_group_one_cluster_and_no_attribute_say_nothing_that_is_not_so(record: Maker) -> None:
    assert subgroups([record(sex="M"), record(sex="M")], OWN, 0) is None
    assert subgroups([record()], OWN, 0) is None
    score = score_records([record(sex="M"), record(sex="F")], OWN)
    assert "NaN" not in json.dumps(score.to_json())
    assert "worst" not in " ".join(note for section in score.sections for note in section.notes)


def test_a_group_with_few_present_findings_is_not_the_worst_at_them(record: Maker) -> None:
    records = group(record, 20, 20, "M", task="presence")
    records += [record("no", "yes" if k < 9 else "no", cluster=f"F{k}", sex="F", task="presence") for k in range(20)]
    section = made(records)
    cell = row(section, "sex: female")["missed findings"]
    assert isinstance(cell, Interval)
    assert (cell.value, cell.n, cell.clusters) == (1.0, 9, 9)
    assert row(section, "sex: gap")["missed findings"] is None
    assert isinstance(row(section, "sex: gap")["accuracy"], Difference)
