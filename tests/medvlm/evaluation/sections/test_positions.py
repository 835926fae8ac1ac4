"""Positions of the right option by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.positions import positions
from medvlm.evaluation.sections.section import Cell
from medvlm.evaluation.statistics import Interval

OWN = Protocol("own")
OPTIONS = ("lung", "heart", "liver")
Maker = Callable[..., Record]


def table(record: Maker, pairs: list[tuple[str, str]]) -> dict[str, tuple[Cell, ...]]:
    records = [
        record(given, OPTIONS["ABC".index(right)], kind="choice", options=OPTIONS, cluster=str(k))
        for k, (given, right) in enumerate(pairs)
    ]
    section = positions(records, OWN, 0)
    assert section is not None
    return {str(cells[0]): cells for cells in section.rows}


def value(cell: Cell) -> float:
    assert isinstance(cell, Interval)
    assert cell.clusters == 1 or cell.low <= cell.value <= cell.high
    return cell.value


def test_a_model_that_prefers_a_letter_is_seen(record: Maker) -> None:
    found = table(record, [("A", "A"), ("A", "B"), ("A", "B"), ("B", "B"), ("A", "C"), ("no idea", "C")])
    assert [found[letter][1:3] for letter in "ABC"] == [(1, 4), (3, 1), (2, 0)]
    assert found["no letter"][1:3] == (0, 1)
    assert [value(found[letter][3]) for letter in "ABC"] == pytest.approx([1, 1 / 3, 0])
    assert value(found["distance of given from right"][2]) == pytest.approx((3 + 2 + 2 + 1) / 12)
    assert value(found["always B"][3]) == pytest.approx(0.5)


def test_a_model_that_is_right_has_no_distance(record: Maker) -> None:
    found = table(record, [("A", "A"), ("B", "B"), ("C", "C")])
    assert value(found["distance of given from right"][2]) == 0
    assert "no letter" not in found


def test_one_question_and_none(record: Maker) -> None:
    (one,) = [record("B", "lung", kind="choice", options=OPTIONS)]
    section = positions([one], OWN, 0)
    assert section is not None
    assert section.texts()[1] == ["B", "0", "1", "-"]
    assert positions([record()], OWN, 0) is None
