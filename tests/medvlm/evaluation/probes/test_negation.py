"""The negation probe, asked of answerers whose faults are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from medvlm.evaluation.probes.negation import PROBE
from medvlm.evaluation.probes.probe import Setting
from medvlm.evaluation.records import read_records
from medvlm.study import Sample

BOTH, SAME = "both right", "contradiction: the same answer to both (lower is better)"
PLAIN, OPPOSITE = "accuracy as the set asks", "accuracy of the opposite question"


def ignores_no(truth: Sequence[Sample]) -> Callable[[Sample, float], str]:
    """Answers as if "no" and "not" were not written."""
    known = {(sample.images, sample.question.replace(" an ", " ")): sample.answer for sample in truth}

    def answer(sample: Sample, brightness: float) -> str:
        heard = sample.question.replace(" not ", " ").replace(" no ", " ").replace(" an ", " ")
        return known[sample.images, heard]

    return answer


def test_a_perfect_answerer_has_every_pair_right(make_engine: Any, presence: Any, probed: Any, rows: Any) -> None:
    found = rows(probed(make_engine(answer=lambda sample, _: sample.answer), presence, "negation"))
    assert [found[name] for name in (BOTH, SAME, PLAIN, OPPOSITE)] == [(1.0, 12), (0.0, 12), (1.0, 12), (1.0, 12)]


def test_who_ignores_no_contradicts_every_pair(make_engine: Any, presence: Any, probed: Any, rows: Any) -> None:
    section = probed(make_engine(answer=ignores_no(presence)), presence, "negation")
    found = rows(section)
    assert [found[name][0] for name in (BOTH, SAME, PLAIN, OPPOSITE)] == [0.0, 1.0, 1.0, 0.0]
    difference = section.rows[4][1]
    assert (difference.value, difference.low, difference.high, difference.clusters) == (1.0, 1.0, 1.0, 6)
    assert difference.p < 0.01


def test_always_yes_is_right_half_the_time_and_contradicts_itself(
    make_engine: Any, presence: Any, probed: Any, rows: Any
) -> None:
    found = rows(probed(make_engine(answer=lambda *_: "Yes."), presence, "negation"))
    assert [found[name][0] for name in (BOTH, SAME, PLAIN, OPPOSITE)] == [0.0, 1.0, 0.5, 0.5]


def test_who_says_neither_does_not_contradict(make_engine: Any, presence: Any, probed: Any, rows: Any) -> None:
    found = rows(probed(make_engine(answer=lambda *_: ""), presence, "negation"))
    assert (found[SAME][0], found["no yes or no to one of them"][0], found[BOTH][0]) == (0.0, 1.0, 0.0)


def test_a_coin_has_a_quarter_of_the_pairs_right(make_engine: Any, make_closed: Any, probed: Any, rows: Any) -> None:
    """One image for each of the four pairs of answers: 1/4 both right, 1/2 contradictory."""
    samples = [make_closed(n, "Is there an effusion?", "yes") for n in range(4)]
    coin = {0: ("yes", "no"), 1: ("yes", "yes"), 2: ("no", "no"), 3: ("no", "yes")}
    answer = lambda sample, _: coin[int(sample.images[0].path.stem)]["no effusion" in sample.question]  # noqa: E731
    section = probed(make_engine(answer=answer), samples, "negation")
    found = rows(section)
    assert (found[BOTH][0], found[SAME][0], found[PLAIN][0], found[OPPOSITE][0]) == (0.25, 0.5, 0.5, 0.5)
    assert section.notes[-1] == "as the set asks them, all are answered yes"


def test_questions_of_an_image_share_its_read_and_an_interrupted_probe_resumes(
    make_engine: Any, presence: Any, probed: Any, tmp_path: Path
) -> None:
    first = make_engine(answer=lambda sample, _: sample.answer)
    whole = probed(first, presence, "negation")
    asks = [ask for ask in first.calls[-1] if "#negation" in ask.questions[0].id]
    assert [len(ask.questions) for ask in asks] == [2] * 6
    path = tmp_path / "probe-negation.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]))
    again = make_engine(first.model, answer=lambda sample, _: sample.answer)
    assert probed(again, presence, "negation") == whole
    assert len(again.asked) == 7
    assert path.read_bytes().splitlines(keepends=True)[:5] == lines[:5]


def test_settings_of_a_probe_are_in_its_run_key(make_engine: Any, presence: Any, probed: Any, tmp_path: Path) -> None:
    engine = make_engine()
    probed(engine, presence, "negation", seed=0)
    (key,) = {record.run for record in read_records(tmp_path / "probe-negation.jsonl")}
    probed(engine, presence, "negation", seed=1)
    assert {record.run for record in read_records(tmp_path / "probe-negation.jsonl")} != {key}
    assert {record.run for record in read_records(tmp_path / "real.jsonl")} != {key}


def test_what_is_drawn_depends_on_the_ids_alone(presence: Any, tmp_path: Path) -> None:
    few = PROBE.derive(presence, Setting(tmp_path, most=5))
    turned = PROBE.derive(presence[::-1], Setting(tmp_path, most=5))
    more = PROBE.derive(presence, Setting(tmp_path, most=9))
    ids = {sample.id for sample in few.samples}
    assert len(ids) == 5
    assert ids == {sample.id for sample in turned.samples} < {sample.id for sample in more.samples}


@pytest.mark.parametrize(
    ("question", "answer", "kind", "why"),
    [
        ("What is this?", "a liver", "open", "no question whose answer is yes or no"),
        ("Is it maybe?", "maybe", "closed", "no question whose answer is yes or no"),
        ("图中有肝脏吗\uff1f", "有", "closed", "can be rewritten safely"),
        ("Are both lungs clear?", "yes", "closed", "can be rewritten safely"),
    ],
)
def test_a_set_with_nothing_to_negate_says_why(
    make_engine: Any, probed: Any, question: str, answer: str, kind: Any, why: str
) -> None:
    engine = make_engine(answer=lambda *_: "yes")
    section = probed(engine, [Sample("1", (), question, answer, kind)], "negation")
    assert section.rows == ()
    assert why in section.notes[0]
    assert len(engine.asked) == 1
