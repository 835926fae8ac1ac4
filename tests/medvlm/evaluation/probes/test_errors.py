"""The errors probe, asked of answerers that find everything, nothing, or only the place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medvlm.evaluation.probes import check_probes, run_probes
from medvlm.evaluation.probes.errors import LONGEST, PROBE
from medvlm.evaluation.probes.probe import Setting
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.runner import plain_loop
from medvlm.study import ImageRef, Sample


def test_who_finds_all_gets_one_in_everything(make_engine: Any, reports: Any, probed: Any, rows: Any) -> None:
    section = probed(make_engine(answer=lambda sample, _: sample.answer), reports, "errors")
    found = rows(section)
    assert found.pop("answers that cannot be read (lower is better)") == (0.0, 24)
    assert {value for value, n in found.values()} == {1.0}
    assert found["detection accuracy"] == (1.0, 24)
    assert found["correction, exact after normalisation"] == (1.0, 12)


def test_always_none_is_right_about_half(make_engine: Any, reports: Any, probed: Any, rows: Any) -> None:
    found = rows(probed(make_engine(answer=lambda *_: "None."), reports, "errors"))
    assert found["detection accuracy"] == found["sentence accuracy, none where there is none"] == (0.5, 24)
    assert found["sensitivity: wrong reports called wrong"] == (0.0, 12)
    assert found["specificity: right reports called right"] == (1.0, 12)
    assert found["detection F1"][0] == 0.0


def test_who_repeats_the_wrong_sentence_corrects_nothing(
    make_engine: Any, reports: Any, probed: Any, rows: Any
) -> None:
    def parrot(sample: Sample, brightness: float) -> str:
        wrong = sample.categories.get("wrong")
        return f"{sample.answer.split()[0]} {wrong}" if wrong else sample.answer

    found = rows(probed(make_engine(answer=parrot), reports, "errors"))
    assert found["sentence accuracy of wrong reports"] == (1.0, 12)
    assert found["correction, exact after normalisation"][0] == 0.0
    assert found["correction, same findings by rule_chexpert"][0] == 0.0


def test_half_are_wrong_in_the_sentence_that_is_said(reports: list[Sample], tmp_path: Path) -> None:
    made = PROBE.derive(reports, Setting(tmp_path)).samples
    assert sum(bool(sample.categories["error"]) for sample in made) == 12
    for sample in made:
        lines = sample.question.split("\n")[1:]
        assert [line.split()[0] for line in lines] == ["0", "1", "2", "3"]
        if sample.categories["error"]:
            place, _, right = sample.answer.partition(" ")
            assert lines[int(place)] == f"{place} {sample.categories['wrong']}" != sample.answer
            assert right in reports[0].answer


def test_the_same_are_made_in_any_order_and_of_fewer(reports: list[Sample], tmp_path: Path) -> None:
    all_of = PROBE.derive(reports, Setting(tmp_path)).samples
    assert PROBE.derive(reports[::-1], Setting(tmp_path)).samples == all_of
    few = PROBE.derive(reports, Setting(tmp_path, most=4)).samples
    assert len(few) == 4
    assert set(map(repr, few)) < set(map(repr, all_of))


def test_crlf_and_decomposed_letters_change_nothing_but_the_id(reports: list[Sample], tmp_path: Path) -> None:
    plain = PROBE.derive(reports, Setting(tmp_path)).samples
    odd = [replace(sample, answer=sample.answer.replace(". ", ".\r\n")) for sample in reports]
    assert PROBE.derive(odd, Setting(tmp_path)).samples == plain


def test_the_same_report_of_the_same_images_is_shown_once(reports: list[Sample], tmp_path: Path) -> None:
    twice = [replace(reports[0], id="a"), replace(reports[0], id="b")]
    assert len(PROBE.derive(twice, Setting(tmp_path)).samples) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "why"),
    [
        ("yes", "closed", "the set has no reports"),
        ("  ", "report", "the set has no reports"),
        ("心影增大。未见积液。", "report", "no report can be made wrong"),
        ("Normal tissue.", "report", "no report can be made wrong"),
        ("No pneumothorax. " * (LONGEST // 16), "report", "no report can be made wrong"),
    ],
)
def test_a_set_without_such_reports_says_why(make_engine: Any, probed: Any, answer: str, kind: Any, why: str) -> None:
    section = probed(make_engine(answer=lambda *_: "yes"), [Sample("1", (), "Any?", answer, kind)], "errors")
    assert section.rows == ()
    assert why in section.notes[0]


def test_a_report_of_one_sentence_can_be_wrong(make_engine: Any, probed: Any, rows: Any) -> None:
    one = Sample("1", (ImageRef(Path("1.png")),), "Describe.", "No pneumothorax.", "report", group="p")
    section = probed(make_engine(answer=lambda sample, _: sample.answer), [one], "errors")
    assert rows(section)["sentence accuracy of wrong reports"] == (1.0, 1)
    assert rows(section)["specificity: right reports called right"] == (None, 0)


def test_unknown_probes_and_missing_records_are_refused(make_engine: Any, reports: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'errors'"):
        check_probes(["error"])
    with pytest.raises(ValueError, match="name each once"):
        check_probes(["errors", "errors"])
    with pytest.raises(ValueError, match="24 questions have no record, first 'r0'"):
        run_probes(make_engine(), reports, None, Protocol("own"), tmp_path, ["errors"], loop=plain_loop, records=[])  # type: ignore[arg-type]
