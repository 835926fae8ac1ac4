"""Pass rates and votes by hand, a probe that is killed and goes on, and labels by vote that no evaluation takes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medvlm.datamodules.difficulty import read_rates
from medvlm.datamodules.sets import load_set
from medvlm.evaluation.protocols import get_protocol
from medvlm.evaluation.runner import evaluate
from medvlm.generation.engine import Ask, Engine, Reply
from medvlm.probe_command import main
from medvlm.study import ImageRef, Sample, SampleError
from medvlm.training.probing import Probed, ProbeOptions, count, probe
from medvlm.training.pseudo import pseudo_label, write_pseudo

FEW = ProbeOptions(group=4, max_new_tokens=3, batch=2, seed=7)
SIDE = Sample("side", (), "Which side?", "left", "choice", ("left", "right"))


def reply(text: str, *, finished: bool = True) -> Reply:
    return Reply(text, (1,), (0.0,), finished)


def test_right_answers_and_votes_by_hand() -> None:
    texts = ["A", "<think>B</think><answer>A</answer>", "B) right", "both"]
    found = count(SIDE, [*map(reply, texts), reply("A", finished=False)])
    assert found == Probed("side", 5, 3, {"A": 3, "B": 1}, cut=1)
    assert found.rate == 0.6
    closed = Sample("c", (), "Is it?", "yes", "closed")
    assert count(closed, [reply("Yes."), reply("yes"), reply("No")]).votes == {"yes": 2, "no": 1}


class Pixels:
    """The same noise for every image."""

    def __call__(self, ref: ImageRef) -> Tensor:
        return torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(len(str(ref.path))))


def questions(count: int) -> list[Sample]:
    images = [ImageRef(Path("x" * (1 + index // 2) + ".png")) for index in range(count)]
    return [Sample(f"q{index}", (images[index],), f"Is it {index}?", "yes", "closed") for index in range(count)]


class Dying(Engine):
    """An engine that dies at its second batch, once."""

    batches = 0

    def generate(self, asks: Sequence[Ask], **options: Any) -> list[list[list[Reply]]]:
        self.batches += 1
        if self.batches == 2:
            raise KeyboardInterrupt
        return super().generate(asks, **options)


def test_a_killed_probe_goes_on_and_is_what_it_would_have_been(tiny: Any, tmp_path: Path) -> None:
    whole = probe(Engine(*tiny), questions(9), Pixels(), tmp_path / "whole.json", FEW)
    engine, out = Dying(*tiny), tmp_path / "rates.json"
    with pytest.raises(KeyboardInterrupt):
        probe(engine, questions(9), Pixels(), out, FEW)
    assert not out.exists()
    assert probe(engine, questions(9), Pixels(), out, FEW) == whole
    assert engine.batches == 4  # of three batches one was there, one was cut off
    assert read_rates(out) == {one.id: one.rate for one in whole}
    assert {one.n for one in whole} == {4}
    probe(engine, questions(9), Pixels(), out, FEW)
    assert engine.batches == 4  # done is done


def test_another_model_or_question_begins_anew(tiny: Any, tmp_path: Path) -> None:
    out = tmp_path / "rates.json"
    probe(Engine(*tiny), questions(2), Pixels(), out, FEW)
    before = (tmp_path / "rates.json.progress").read_text()
    with torch.no_grad():
        next(tiny[0].parameters()).add_(1.0)
    probe(Engine(*tiny), questions(2), Pixels(), out, FEW)
    assert (tmp_path / "rates.json.progress.old").read_text() == before


def test_what_cannot_be_probed(tiny: Any, tmp_path: Path) -> None:
    report = Sample("r", (), "Write.", "Clear.", "report")
    with pytest.raises(SampleError, match="none of 1 samples can be probed"):
        probe(Engine(*tiny), [report], Pixels(), tmp_path / "r.json", FEW)
    with pytest.raises(SampleError, match="two samples have one id"):
        probe(Engine(*tiny), questions(1) * 2, Pixels(), tmp_path / "r.json", FEW)
    with pytest.raises(ValueError, match="a temperature above 0"):
        ProbeOptions(temperature=0)


@pytest.mark.parametrize(
    ("kind", "votes", "expected"),
    [
        ("closed", {"yes": 6, "no": 2}, ("yes", "")),
        ("closed", {"left": 8}, (None, "neither yes nor no")),
        ("open", {"liver": 6}, ("liver", "")),
        ("open", {"liver": 5, "lung": 3}, (None, "no majority")),
        ("open", {}, (None, "no sample could be read")),
        ("box", {"0 0 1 1": 8}, (None, "answers of kind box cannot vote")),
    ],
)
def test_labels_by_vote(kind: Any, votes: dict[str, int], expected: tuple[str | None, str]) -> None:
    assert pseudo_label(Sample("1", (), "?", "", kind), Probed("1", 8, 0, votes), 0.75) == expected


def test_pseudo_labels_are_a_set_that_trains_and_that_no_evaluation_takes(tiny: Any, tmp_path: Path) -> None:
    asked = [*questions(3), SIDE]
    votes = [Probed("q0", 4, 0, {"no": 4}), Probed("q1", 4, 4, {"yes": 2, "no": 2}), Probed("side", 4, 0, {"B": 3})]
    path = tmp_path / "pseudo.jsonl"
    assert write_pseudo(path, asked, votes, model="m") == {"kept": 2, "no majority": 1, "not probed": 1}
    first, second = load_set("jsonl", path, "train")
    assert (first.answer, second.answer, second.kind) == ("no", "right", "choice")
    assert first.extra["pseudo"] == {"share": 1.0, "n": 4, "model": "m"}
    with pytest.raises(SampleError, match="2 of 2 samples have answers that a model voted for"):
        evaluate(Engine(*tiny), [first, second], Pixels(), get_protocol("jsonl"), tmp_path / "records.jsonl")


def test_thresholds_and_sets_without_agreement(tmp_path: Path) -> None:
    votes = [Probed("side", 4, 0, {"A": 2, "B": 2})]
    with pytest.raises(SampleError, match="no pseudo-label passes a vote of 75%: 1 no majority"):
        write_pseudo(tmp_path / "p.jsonl", [SIDE], votes)
    with pytest.raises(ValueError, match=r"more than 0\.5"):
        write_pseudo(tmp_path / "p.jsonl", [SIDE], votes, threshold=0.5)
    assert not (tmp_path / "p.jsonl").exists()


def test_the_command_writes_rates_and_labels(
    tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor = tiny
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    lines = [{"id": str(index), "images": [], "question": f"Is it {index}?", "answer": "yes"} for index in range(3)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, lines)))

    def agree(self: Engine, asks: Sequence[Ask], *, n: int, **options: Any) -> list[list[list[Reply]]]:
        return [[[reply("Yes")] * n for _ in ask.questions] for ask in asks]

    monkeypatch.setattr(Engine, "generate", agree)
    out, pseudo = tmp_path / "rates.json", tmp_path / "p.jsonl"
    line = [
        str(tmp_path / "model"),
        "jsonl",
        str(tmp_path),
        "--out",
        str(out),
        "--group",
        "2",
        "--limit",
        "2",
        "--quiet",
    ]
    assert main([*line, "--pseudo", str(pseudo)]) == 0
    text = capsys.readouterr().out
    assert "2 questions, mean pass rate 100%: 0 never right, 0 between, 2 always right" in text
    assert "pseudo-labels: 2 kept" in text
    assert json.loads(out.read_text()) == {"0": 1.0, "1": 1.0}
    assert Counter(sample.answer for sample in load_set("jsonl", pseudo, "train")) == {"yes": 2}
