"""Evaluation with an engine whose answers are known: grouping, resuming, baselines, unreadable images."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.evaluation.answerer import run_key, weights_hash
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import read_records
from medvlm.evaluation.runner import evaluate, evaluate_with_baselines
from medvlm.study import ImageError, ImageRef, Sample

Pixels = Callable[[ImageRef], torch.Tensor]
OWN = Protocol("own")


def test_an_image_is_read_once_for_all_its_questions(
    engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    read: list[ImageRef] = []

    def counted(ref: ImageRef) -> torch.Tensor:
        read.append(ref)
        return pixels(ref)

    score = evaluate(engine, samples, counted, OWN, tmp_path / "r.jsonl", batch=4)
    assert [len(call) for call in engine.calls] == [4, 2]
    assert len(read) == 6
    assert score.accuracy is not None
    assert (score.accuracy.value, score.accuracy.n, score.accuracy.clusters) == (1.0, 12, 6)


def test_records_say_what_was_answered(engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path) -> None:
    evaluate(engine, samples, pixels, OWN, tmp_path / "r.jsonl")
    first = read_records(tmp_path / "r.jsonl")[0]
    assert (first.id, first.cluster, first.value, first.correct, first.tokens) == ("0/effusion", "p0", "no", True, 2)
    assert first.logp == pytest.approx(-0.2)
    assert first.confidence == pytest.approx(0.8187, abs=1e-4)


def test_a_killed_run_goes_on_where_it_was(
    make_engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    path, model = tmp_path / "r.jsonl", torch.nn.Linear(2, 2)
    with pytest.raises(KeyboardInterrupt):
        evaluate(make_engine(model, die_at=2), samples, pixels, OWN, path, batch=2)
    with path.open("ab") as file:
        file.write(b'{"run": "torn')
    second = make_engine(model)
    score = evaluate(second, samples, pixels, OWN, path, batch=2)
    assert second.asked == [sample.id for sample in samples[8:]]
    whole = evaluate(make_engine(model), samples, pixels, OWN, tmp_path / "whole.jsonl", batch=2)
    assert score == whole
    assert path.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_other_weights_start_anew_and_the_old_records_stay(
    make_engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    evaluate(make_engine(), samples, pixels, OWN, tmp_path / "r.jsonl")
    second = make_engine(torch.nn.Linear(2, 2))
    evaluate(second, samples, pixels, OWN, tmp_path / "r.jsonl")
    assert len(second.asked) == len(samples)
    assert sorted(len(read_records(path)) for path in tmp_path.glob("*.jsonl")) == [12, 12]


def test_a_changed_question_is_asked_again(
    make_engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    model = torch.nn.Linear(2, 2)
    evaluate(make_engine(model), samples[1:], pixels, OWN, tmp_path / "r.jsonl")
    changed = Sample(samples[1].id, samples[1].images, "Other words?", "yes", "closed", group="p0")
    second = make_engine(model)
    score = evaluate(second, [changed, *samples[2:]], pixels, OWN, tmp_path / "r.jsonl")
    assert second.asked == [changed.id]
    assert score.n == 11


def test_what_is_shown_decides_the_answers(engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path) -> None:
    score = evaluate_with_baselines(engine, samples, pixels, OWN, tmp_path, train=samples, batch=3)
    found = {comparison.name: comparison for comparison in score.comparisons}
    assert score.accuracy is not None
    assert score.accuracy.value == 1.0
    assert found["blank"].accuracy.value == 0.5
    assert found["majority"].accuracy.value == 0.5
    assert found["blank"].changed == 0.5
    assert found["shuffled"].accuracy.value < 1
    assert json.loads((tmp_path / "score.json").read_text())["n"] == 12
    assert "baseline: shuffled" in (tmp_path / "score.txt").read_text()


def test_the_same_samples_give_the_same_number(
    make_engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    model = torch.nn.Linear(2, 2)
    scores = [
        evaluate_with_baselines(
            make_engine(model), samples, pixels, OWN, tmp_path / str(batch), train=samples, batch=batch
        )
        for batch in (1, 5)
    ]
    assert scores[0] == scores[1]


def test_an_unreadable_image_is_wrong_and_said(
    engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    def broken(ref: ImageRef) -> torch.Tensor:
        if ref.path.stem == "3":
            raise ImageError("3.png: truncated after 12 of 500 bytes")
        return pixels(ref)

    score = evaluate(engine, samples, broken, OWN, tmp_path / "r.jsonl")
    assert (score.n, score.errors) == (12, 2)
    assert score.accuracy is not None
    assert score.accuracy.value == pytest.approx(10 / 12)
    assert "2 questions could not be asked and count as wrong, first: ImageError: 3.png: truncated" in score.notes[0]
    assert len(engine.asked) == 10


def test_a_missing_file_of_every_image_is_still_a_score(engine: Any, samples: list[Sample], tmp_path: Path) -> None:
    def absent(ref: ImageRef) -> torch.Tensor:
        raise FileNotFoundError(ref.path)

    score = evaluate(engine, samples, absent, OWN, tmp_path / "r.jsonl")
    assert (score.errors, score.unparsed, engine.calls) == (12, 1.0, [])


def test_the_model_answers_in_evaluation_mode_and_gets_its_mode_back(
    engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    engine.model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout().eval())
    evaluate(engine, samples, pixels, OWN, tmp_path / "r.jsonl")
    assert engine.modes == [False]
    assert [engine.model.training, engine.model[0].training, engine.model[1].training] == [True, True, False]


def test_the_run_key_follows_whatever_changes_an_answer(engine: Any) -> None:
    keys = {
        run_key(engine, OWN, max_new_tokens=8),
        run_key(engine, OWN, max_new_tokens=9),
        run_key(engine, Protocol("own", version=2), max_new_tokens=8),
        run_key(engine, OWN, max_new_tokens=8, image="blank"),
        run_key(engine, OWN, max_new_tokens=8, image="shuffled"),
        run_key(engine, OWN, max_new_tokens=8, image="shuffled", seed=1),
    }
    engine.prompter.reasoning = True
    assert len(keys | {run_key(engine, OWN, max_new_tokens=8)}) == 7


def test_the_hash_of_weights_sees_one_changed_number() -> None:
    model = torch.nn.Linear(2, 2).to(torch.bfloat16)
    before = weights_hash(model)
    assert before == weights_hash(model)
    with torch.no_grad():
        model.bias[0] += 1
    assert weights_hash(model) != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baselines": ["oracle"]}, "'oracle'"),
        ({"train": []}, "needs training samples"),
        ({"image": "upside down", "baselines": []}, "unknown"),
    ],
)
def test_wrong_settings_are_refused(
    engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate_with_baselines(engine, samples, pixels, OWN, tmp_path, **({"train": samples} | change))


def test_no_samples_and_repeated_ids_are_refused(
    engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="no samples"):
        evaluate(engine, [], pixels, OWN, tmp_path / "r.jsonl")
    with pytest.raises(ValueError, match="more than once, first '0/effusion'"):
        evaluate(engine, [samples[0], samples[0]], pixels, OWN, tmp_path / "r.jsonl")


def with_kinds(samples: list[Sample]) -> list[Sample]:
    """Bright images are CT, dark ones MR: an image of another kind always has the other answer."""
    return [replace(one, categories={"modality": "CT" if one.answer == "yes" else "MR"}) for one in samples]


def test_an_image_of_another_kind_is_a_baseline(
    engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    score = evaluate_with_baselines(engine, with_kinds(samples), pixels, OWN, tmp_path, baselines=["wrong"], batch=3)
    (found,) = score.comparisons
    assert (found.name, found.accuracy.value, found.changed, found.p_holm) == ("wrong", 0.0, 1.0, found.difference.p)
    assert (tmp_path / "wrong.jsonl").is_file()
    assert "0.000 with an image of another kind (100% of answers change)" in score.notes[0]


def test_a_baseline_that_the_set_cannot_have_is_said_before_any_is_asked(
    make_engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    one = [replace(sample, group="p") for sample in samples]
    score = evaluate_with_baselines(make_engine(), one, pixels, OWN, tmp_path, train=samples)
    assert [found.name for found in score.comparisons] == ["majority", "blank"]
    text = " ".join(score.notes)
    assert "baseline shuffled was left out: images cannot be shuffled: 6 of 6 are of one group" in text
    assert "baseline wrong was left out: no image of another kind can be shown: modality is not said" in text
    unseen = [replace(sample, images=()) for sample in samples]
    score = evaluate_with_baselines(make_engine(), unseen, pixels, OWN, tmp_path / "text", baselines=["blank"])
    assert "baseline blank was left out: no question shows an image" in score.notes


def test_the_usual_letter_is_a_baseline_of_choices(
    make_engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    sides = ("left", "right")
    asked = [replace(one, kind="choice", options=sides, answer="right") for one in samples]
    engine = make_engine(answer=lambda sample, brightness: "B" if brightness > 0 else "A")
    score = evaluate_with_baselines(engine, asked, pixels, OWN, tmp_path, baselines=["position"], train=asked)
    (found,) = score.comparisons
    assert (found.accuracy.value, found.difference.value) == (1.0, -0.5)
    assert "the model is worse than the most frequent letter of training" in " ".join(score.notes)


def test_another_pairing_of_images_is_another_run(
    make_engine: Any, samples: list[Sample], pixels: Pixels, tmp_path: Path
) -> None:
    model = torch.nn.Linear(2, 2)
    evaluate(make_engine(model), samples[:8], pixels, OWN, tmp_path / "r.jsonl", image="shuffled")
    second, third = make_engine(model), make_engine(model)
    evaluate(second, samples, pixels, OWN, tmp_path / "r.jsonl", image="shuffled")
    evaluate(third, samples, pixels, OWN, tmp_path / "r.jsonl", image="shuffled")
    assert (len(second.asked), third.asked) == (12, [])
