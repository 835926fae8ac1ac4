"""Questions: true answers follow from the findings, options hold the answer once, guessing is weak."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from medvlm.datamodules.phantoms.findings import KINDS, NOTHING, Study, sample_patients
from medvlm.datamodules.phantoms.miner import mine_labels, true_labels
from medvlm.datamodules.phantoms.questions import Asked, ask
from medvlm.datamodules.phantoms.report import write_report
from medvlm.datamodules.phantoms.templates import DIAGNOSES, SKILLS, TEMPLATES

EVERY = ("choice", "closed", "open", "box", "report")
STUDIES = [study for patient in sample_patients(2, 1500) for study in patient]
ASKED = [
    (study, asked) for study in STUDIES for asked in ask(true_labels(study.findings), study.rng(4), EVERY, per_image=5)
]


def _truth(study: Study, asked: Asked) -> str:
    """The answer, worked out from the findings alone."""
    found = study.find(asked.finding)
    name, yes = asked.template.name, {True: "Yes", False: "No"}
    if name in ("presence_closed", "geometric_heart"):
        return yes[found is not None]
    if name == "negation_closed":
        return yes[found is None]
    if name in ("presence_choice", "differential_choice"):
        there = [finding.kind for finding in study.findings] or [NOTHING]
        names = there if name == "presence_choice" else [DIAGNOSES[kind] for kind in there]
        (answer,) = set(names) & set(asked.options)
        return answer
    if name == "negation_choice":
        return f"{found.side} {found.kind}" if found else f"no {asked.finding}"
    if name == "differential_closed":
        return yes[study.find("consolidation") is not None]
    assert found is not None
    return {
        "location_side": found.side,
        "location_zone": found.zone,
        "location_choice": f"{found.side} {found.zone}",
        "geometric_size": found.size,
        "geometric_large": yes[found.size == "large"],
    }[name]


@pytest.mark.parametrize("name", [template.name for template in TEMPLATES if template.kind not in ("box", "report")])
def test_answers_follow_from_the_findings(name: str) -> None:
    asked = [(study, one) for study, one in ASKED if one.template.name == name]
    assert len(asked) > 50
    for study, one in asked:
        assert one.answer(true_labels(study.findings)) == _truth(study, one)


def test_options_hold_true_and_mined_answer_once() -> None:
    for study, asked in ASKED:
        if asked.template.kind == "choice":
            assert len(asked.options) == len(set(asked.options)) == 4
            assert asked.options.count(_truth(study, asked)) == 1
            assert asked.answer(mine_labels(write_report(study))) in asked.options


def test_letters_of_right_options_are_uniform() -> None:
    places = Counter(
        asked.options.index(_truth(study, asked)) for study, asked in ASKED if asked.template.kind == "choice"
    )
    assert max(places.values()) / sum(places.values()) < 0.29
    assert set(places) == {0, 1, 2, 3}


def test_guessing_the_most_frequent_answer_is_weak() -> None:
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for study, asked in ASKED:
        if asked.template.kind in ("choice", "closed", "open"):
            answers[asked.template.name][_truth(study, asked)] += 1
    for name, counts in answers.items():
        limit = 0.56 if len(counts) == 2 else 0.36
        assert max(counts.values()) / sum(counts.values()) < limit, name


def test_the_five_skills_are_all_asked() -> None:
    assert {asked.template.skill for _, asked in ASKED} == {*SKILLS, "report"}
    assert {asked.template.kind for _, asked in ASKED} == set(EVERY)


def test_about_five_questions_an_image_with_findings() -> None:
    counts = Counter(id(study) for study, _ in ASKED)
    ill = [counts[id(study)] for study in STUDIES if study.findings]
    assert 4 < np.mean(ill) < 6.5


def test_question_texts_come_from_a_small_vocabulary() -> None:
    words = {word for _, asked in ASKED for word in asked.text.strip("?.").split()}
    assert len(words) < 60


@pytest.mark.parametrize("mined", [True, False])
def test_rationales_are_short_and_lead_to_the_answer(mined: bool) -> None:
    for study, asked in ASKED:
        labels = mine_labels(write_report(study)) if mined else true_labels(study.findings)
        words = asked.rationale(labels).replace(";", "").split()
        answer = asked.answer(labels)
        assert len(words) <= 20
        if asked.template.name in ("location_side", "location_zone", "geometric_size"):
            assert answer in words
        if asked.template.name in ("presence_closed", "geometric_heart"):
            assert (answer == "No") == (words[0] == "no")
        if asked.template.name == "presence_choice" and answer != NOTHING:
            assert words[0] == answer


def test_a_report_is_reasoned_from_all_findings() -> None:
    for study, asked in ASKED:
        if asked.template.kind == "report":
            items = asked.rationale(true_labels(study.findings)).split("; ")
            assert [item.removeprefix("no ").split()[0] for item in items] == list(KINDS)
            assert {item.split()[0] for item in items if not item.startswith("no ")} == {
                finding.kind for finding in study.findings
            }


def test_only_wanted_kinds_are_asked() -> None:
    study = next(study for study in STUDIES if study.findings)
    asked = list(ask(true_labels(study.findings), study.rng(4), ("box",), per_image=5))
    assert [one.template.kind for one in asked] == ["box"]


def test_choosing_a_question_depends_on_the_truth_only() -> None:
    study = STUDIES[0]
    one, two = (list(ask(true_labels(study.findings), study.rng(4), EVERY, 5)) for _ in range(2))
    assert one == two
    assert set(KINDS) >= {asked.finding for asked in one if asked.finding != NOTHING}
