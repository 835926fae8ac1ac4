"""Probes beside a run: their sections in its score, their files in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from medvlm.evaluation.answering.settings import parse_answering
from medvlm.evaluation.probes import PROBES, run_probes
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.runner import evaluate, evaluate_with_baselines, plain_loop
from medvlm.settings import ProbeName
from medvlm.study import ImageRef, Sample


def zeros(ref: ImageRef) -> torch.Tensor:
    return torch.zeros(3, 4, 4)


def test_probes_are_sections_of_the_score_and_files_beside_it(
    make_engine: Any, presence: list[Sample], reports: list[Sample], tmp_path: Path
) -> None:
    engine = make_engine(answer=lambda sample, _: sample.answer)
    samples = [*presence, *reports]
    given: dict[str, Any] = {"baselines": (), "probes": tuple(PROBES)}
    score = evaluate_with_baselines(engine, samples, zeros, Protocol("own"), tmp_path, **given)
    names = [section.name for section in score.sections]
    assert names[-3:] == ["negation", "refusal", "errors"]
    assert {path.name for path in tmp_path.glob("probe-*.jsonl")} == {f"probe-{name}.jsonl" for name in PROBES}
    written = json.loads((tmp_path / "score.json").read_text())["sections"]
    assert [section["name"] for section in written] == names
    assert "contradiction" in score.to_text()
    before = len(engine.asked)
    assert evaluate_with_baselines(engine, samples, zeros, Protocol("own"), tmp_path, **given) == score
    assert len(engine.asked) == before


def test_recipes_name_every_probe() -> None:
    assert set(get_args(ProbeName)) == set(PROBES)


def test_a_run_without_probes_has_none(make_engine: Any, presence: list[Sample], tmp_path: Path) -> None:
    score = evaluate_with_baselines(make_engine(), presence, zeros, Protocol("own"), tmp_path, baselines=())
    assert not {section.name for section in score.sections} & set(PROBES)
    assert not list(tmp_path.glob("probe-*"))


def test_an_unknown_probe_is_refused_before_anything_is_asked(
    make_engine: Any, presence: list[Sample], tmp_path: Path
) -> None:
    engine = make_engine()
    with pytest.raises(ValueError, match="expected some of negation, refusal, errors; did you mean 'refusal'"):
        evaluate_with_baselines(engine, presence, zeros, Protocol("own"), tmp_path, baselines=(), probes=["refusals"])
    assert engine.asked == []


def test_what_only_words_can_answer_is_asked_greedily(make_engine: Any, presence: list[Sample], tmp_path: Path) -> None:
    engine, own = make_engine(answer=lambda *_: "It cannot be determined."), Protocol("own")
    evaluate(engine, presence, zeros, own, tmp_path / "real.jsonl")
    for word, told in (("vote:3", True), ("greedy", False)):
        answering = parse_answering(word)
        (section,) = run_probes(
            engine, presence, zeros, own, tmp_path, ["refusal"], loop=plain_loop, answering=answering
        )
        assert section.notes[-1].startswith("asked greedily") is told


def test_a_protocol_that_asks_reports_alone_can_be_probed_for_errors(
    make_engine: Any, reports: list[Sample], tmp_path: Path
) -> None:
    protocol = Protocol("own", instructions={"report": "Write the report."})
    heard = []

    def answer(sample: Sample, brightness: float) -> str:
        heard.append(sample.instruction)
        return "none"

    given: dict[str, Any] = {"baselines": (), "probes": tuple(PROBES)}
    score = evaluate_with_baselines(make_engine(answer=answer), reports, zeros, protocol, tmp_path, **given)
    assert [bool(section.rows) for section in score.sections[-3:]] == [False, True, True]
    assert "Answer none, or the number and the corrected sentence." in heard
