"""Errors of numbers by hand, and what must not change them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.sections.measurement import agreement, measurement
from medvlm.evaluation.sections.section import Section
from medvlm.study import Sample

OWN = Protocol("own")


def record(place: int, text: str, answer: str, **categories: str) -> Record:
    sample = Sample(str(place), (), "How large?", answer, "number", categories=categories)
    return grade(sample, text, run="r", cluster=str(place))


def made(*pairs: tuple[str, str], **categories: str) -> Section:
    section = measurement([record(place, *pair, **categories) for place, pair in enumerate(pairs)], OWN, 0)
    assert section is not None
    return section


def line(section: Section, at: int = 0) -> dict[str, Any]:
    return {name: getattr(cell, "value", cell) for name, cell in zip(section.columns, section.rows[at], strict=True)}


def test_each_number_by_hand() -> None:
    """Off by 0, +2, -9 mm of 100, 40 and 50; one answer is not read."""
    found = line(made(("100 mm", "100 mm"), ("42 mm", "40 mm"), ("41 mm", "50 mm"), ("large", "10 mm")))
    assert (found["part"], found["unit"], found["n"], found["compared"]) == ("all in mm", "mm", 4, 3)
    assert (found["within 5%"], found["within 10%"], found["within 20%"]) == (0.5, 0.5, 0.75)
    assert found["mean error"] == pytest.approx(11 / 3)
    assert found["median error"] == 2.0
    assert found["mean relative error"] == pytest.approx((0 + 0.05 + 0.18) / 3)
    assert found["bias"] == pytest.approx(-7 / 3)
    reach = 1.96 * np.std([0, 2, -9], ddof=1)
    assert found["limits of agreement"] == f"{-7 / 3 - reach:.3f} to {-7 / 3 + reach:.3f}"


def test_units_change_nothing() -> None:
    """The same answers in cm, the same references in cm, no unit at all in the answer."""
    plain = made(("42 mm", "40 mm"), ("41 mm", "50 mm"))
    for other in (
        made(("4.2 cm", "40 mm"), ("4.1 cm", "50 mm")),
        made(("42", "40 mm"), ("41", "50 mm")),
        made(("4.2 cm", "40 mm"), ("0.041 m", "50 mm")),
    ):
        assert other.texts() == plain.texts()


def test_references_of_one_quantity_are_one_part() -> None:
    """2 of 3 are in cm, so the table is; without a unit the answer is in that of its own reference."""
    section = made(("4 cm", "4 cm"), ("5", "5 cm"), ("30", "30 mm"), ("7 ml", "8 ml"))
    assert [row[:3] for row in section.rows] == [("all in cm", "cm", 3), ("all in ml", "ml", 1)]
    assert line(section)["mean error"] == pytest.approx(0.0)


def test_another_quantity_is_wrong_and_has_no_error() -> None:
    section = made(("4 ml", "4 cm"), ("4 cm", "4 cm"))
    assert (line(section)["within 20%"], line(section)["compared"], line(section)["mean error"]) == (0.5, 1, 0.0)
    assert "1 one of another quantity" in section.notes[0]


def test_a_reference_of_zero_has_no_relative_error() -> None:
    section = made(("0", "0"), ("3", "0"))
    found = line(section)
    assert (found["within 20%"], found["mean error"], found["mean relative error"]) == (0.5, 1.5, None)
    assert any("references are 0" in note for note in section.notes)


def test_parts_are_those_of_the_categories() -> None:
    records = [record(place, "4", "5", question_type="measurement", organ="liver") for place in range(3)]
    records += [record(place, "4", "4", question_type="measurement", organ="kidney") for place in range(3, 5)]
    section = measurement(records, OWN, 0)
    assert section is not None
    assert [row[0] for row in section.rows] == ["all without unit", "organ=kidney", "organ=liver"]
    assert [line(section, at)["mean error"] for at in range(3)] == pytest.approx([0.6, 0.0, 1.0])
    assert any("by part only" in note for note in section.notes)


def test_one_sample_other_kinds_and_nothing_read() -> None:
    found = line(made(("41 mm", "40 mm")))
    assert (found["bias"], found["limits of agreement"]) == (1.0, None)
    assert made(("nothing", "4 cm")).texts()[0][4:] == ["0.000"] * 3 + ["-"] * 5
    other = grade(Sample("1", (), "Any?", "yes", "closed"), "yes", run="r", cluster="c")
    assert measurement([other], OWN, 0) is None


@pytest.mark.parametrize("text", ["4.5\u00a0cm", "4.5 cm\r\n", "\uff14.\uff15 cm", "4.5厘米", "about 45 mm"])
def test_spellings_of_one_number(text: str) -> None:
    assert line(made((text, "45 mm")))["mean error"] == pytest.approx(0.0)


@pytest.mark.parametrize("text", ["nan", "inf mm", "3-4 cm", "1e999 mm", "", "4 cm or 5 cm"])
def test_what_is_no_number_is_wrong(text: str) -> None:
    found = line(made((text, "40 mm")))
    assert (found["compared"], found["within 20%"]) == (0, 0.0)


def test_agreement_is_of_two_at_least() -> None:
    assert agreement(np.array([2.0])) == (2.0, None)
