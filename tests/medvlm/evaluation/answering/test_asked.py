"""Whole examinations by every strategy: the same file in any batch and after a kill, headers, shots, bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.evaluation.answering.settings import parse_answering
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, read_records
from medvlm.evaluation.runner import evaluate, evaluate_with_baselines
from medvlm.generation.engine import Engine
from medvlm.study import ImageRef, Sample, SampleError

OWN = Protocol("own", breakdown=("organ",))
WORDS = ["greedy", "letters", "texts", "vote:3", "pass:3", "refine:2:3"]


def question(patient: int, number: int, **fields: Any) -> Sample:
    options = ("left", "right", "normal heart")
    text = f"{'nodule' if number else 'effusion'} side {patient}?"
    base = Sample(
        f"{patient}/{number}",
        (ImageRef(Path(f"{patient}.png")),),
        text,
        options[patient % 3],
        "choice",
        options,
        group=f"p{patient}",
        categories={"organ": "lung"},
    )
    return replace(base, **fields)


SAMPLES = [question(patient, number) for patient in range(4) for number in (0, 1)]
SAMPLES += [question(1, 2, kind="closed", options=(), answer="yes"), question(2, 3, kind="open", options=())]
TRAIN = [question(patient, number) for patient in range(2, 12) for number in (0, 1)]
TRAIN += [question(patient, 2, kind="closed", options=(), answer="no") for patient in range(2, 12)]
TRAIN += [question(patient, 3, kind="open", options=()) for patient in range(2, 12)]


def pixels(ref: ImageRef) -> torch.Tensor:
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(int(ref.path.stem))) * 2 - 1


def ask(engine: Any, path: Path, word: str, samples: list[Sample] = SAMPLES, **options: Any) -> Any:
    more = {name: options.pop(name) for name in ("shots", "orders", "probabilities") if name in options}
    settings: dict[str, Any] = {
        "model_key": "tiny",
        "max_new_tokens": 5,
        "answering": parse_answering(word, **more),
    } | options
    return evaluate(engine, samples, pixels, OWN, path, **settings)


def same(first: list[Record], second: list[Record]) -> bool:
    """Records are equal up to the last bits of sums over rows of another length."""

    def rounded(record: Record) -> Any:
        chances = {name: round(chance, 5) for name, chance in record.probabilities.items()}
        logp, confidence = record.logp, record.confidence
        numbers = (logp and round(logp, 5), confidence and round(confidence, 5))
        return replace(record, probabilities=chances, logp=None, confidence=None), numbers

    return sorted(map(repr, map(rounded, first))) == sorted(map(repr, map(rounded, second)))


@pytest.mark.parametrize("word", WORDS)
def test_neither_batches_nor_company_change_a_record(tiny: Any, tmp_path: Path, word: str) -> None:
    engine = Engine(*tiny)
    sizes: list[dict[str, Any]] = [{"batch": 4}, {"batch": 1, "questions": 1}]
    for number, more in enumerate(sizes):
        ask(engine, tmp_path / f"{number}.jsonl", word, orders=2, shots=1, train=TRAIN, **more)
    first, second = (read_records(tmp_path / f"{number}.jsonl") for number in (0, 1))
    assert same(first, second)
    assert len(first) == len(SAMPLES)


@pytest.mark.parametrize("word", ["vote:2", "letters"])
def test_a_killed_run_goes_on_to_the_same_file(
    tiny: Any, tmp_path: Path, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(*tiny)
    whole = ask(engine, tmp_path / "whole.jsonl", word, batch=1)
    asked: list[int] = []

    def dies(ref: ImageRef) -> torch.Tensor:
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return pixels(ref)

    with pytest.raises(KeyboardInterrupt):
        evaluate(
            engine,
            SAMPLES,
            dies,
            OWN,
            tmp_path / "r.jsonl",
            batch=1,
            model_key="tiny",
            max_new_tokens=5,
            answering=parse_answering(word),
        )
    assert 0 < len(read_records(tmp_path / "r.jsonl")) < len(SAMPLES)
    assert ask(engine, tmp_path / "r.jsonl", word, batch=1) == whole
    assert (tmp_path / "r.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_another_way_of_answering_is_another_run(tiny: Any, tmp_path: Path) -> None:
    engine, path = Engine(*tiny), tmp_path / "r.jsonl"
    headers = [ask(engine, path, word).header for word in ("greedy", "letters", "vote:2")]
    headers += [ask(engine, path, "vote:2", seed=1).header, ask(engine, path, "greedy", probabilities=True).header]
    headers += [ask(engine, path, "greedy", shots=1, train=TRAIN).header]
    other = [replace(sample, question=f"{sample.question}?") for sample in TRAIN]
    headers += [ask(engine, path, "greedy", shots=1, train=other).header]
    runs = {header.rpartition("run ")[2].split()[0] for header in headers}
    assert len(runs) == len(headers)
    assert "| vote of 2 at 0.7, seed 1, at most 5 tokens |" in headers[3]


def test_greedy_answers_are_the_same_with_probabilities_beside(tiny: Any, tmp_path: Path) -> None:
    engine = Engine(*tiny)
    ask(engine, tmp_path / "plain.jsonl", "greedy")
    ask(engine, tmp_path / "more.jsonl", "greedy", probabilities=True)
    plain, more = (read_records(tmp_path / f"{name}.jsonl") for name in ("plain", "more"))
    assert [replace(one, probabilities={}, run="") for one in more] == [replace(one, run="") for one in plain]
    assert [sorted(one.probabilities) for one in more if one.kind == "choice"] == [list("ABC")] * 8
    assert {kind: sorted(one.probabilities) for one in more if (kind := one.kind) != "choice"} == {
        "closed": ["no", "yes"],
        "open": [],
    }
    assert all(sum(one.probabilities.values()) == pytest.approx(1) for one in more if one.probabilities)


def test_shots_are_the_training_patients_and_show_their_own_images(
    scripted: Any, tmp_path: Path, job: Callable[..., Any]
) -> None:
    engine = scripted()
    samples = SAMPLES[:8]
    ask(engine, tmp_path / "r.jsonl", "greedy", samples, shots=3, train=TRAIN, image="blank")
    asks = [one for call in engine.calls for one in call["asks"]]
    assert sum(len(one.questions) for one in asks) == len(samples)
    for one in asks:
        assert not {shot.group for shot in one.shots} & {sample.group for sample in one.questions}
        assert len(one.shots) == 3
        assert len(one.images) == 4
        assert all(
            torch.equal(image, pixels(shot.images[0])) for image, shot in zip(one.images, one.shots, strict=False)
        )
        assert not one.images[3].any()


@pytest.mark.parametrize(
    ("word", "options", "samples", "message"),
    [
        ("letters", {}, [question(0, 0, options=("left",))], "'0/0' is a choice of 1 options"),
        ("greedy", {"orders": 2}, [question(0, 0, options=())], "'0/0' is a choice of 0 options"),
        ("texts", {}, [question(0, 0, options=(*map(str, range(27)),))], "27 options"),
        ("budget:1:4", {}, SAMPLES, "reasons between tags"),
        ("greedy", {"shots": 2}, SAMPLES, "2 shots need training samples"),
    ],
)
def test_what_cannot_be_answered_so_is_refused_before_it_is_asked(
    scripted: Any, tmp_path: Path, word: str, options: dict[str, int], samples: list[Sample], message: str
) -> None:
    with pytest.raises((SampleError, ValueError), match=message):
        ask(scripted(), tmp_path / "r.jsonl", word, samples, **options)
    assert not (tmp_path / "r.jsonl").exists()


def test_an_unreadable_image_has_no_draws(scripted: Any, tmp_path: Path) -> None:
    def broken(ref: ImageRef) -> torch.Tensor:
        raise FileNotFoundError(ref.path)

    score = evaluate(
        scripted(), SAMPLES, broken, OWN, tmp_path / "r.jsonl", model_key="m", answering=parse_answering("vote:3")
    )
    assert (score.errors, score.unparsed) == (len(SAMPLES), 1.0)


def test_baselines_are_answered_in_the_same_way(tiny: Any, tmp_path: Path) -> None:
    score = evaluate_with_baselines(
        Engine(*tiny),
        SAMPLES[:8],
        pixels,
        OWN,
        tmp_path,
        baselines=["blank"],
        train=TRAIN,
        max_new_tokens=3,
        answering=parse_answering("letters", shots=1, orders=3),
        page_images=0,
    )
    assert "| 1 shots, seed 0 | 3 orders of options |" in score.header
    blank = read_records(tmp_path / "blank.jsonl")
    assert all("consistent" in record.scores and record.probabilities for record in blank)
