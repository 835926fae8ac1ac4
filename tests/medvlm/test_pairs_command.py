"""``medvlm pairs``: each way writes a file that is read back, and what is missing is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from medvlm.cli import main
from medvlm.evaluation.records import RecordFile, grade
from medvlm.preferences.pairs import Pair, read_pairs
from medvlm.study import Sample

REPORTS = ("Large left effusion.", "Clear lungs. No nodule.", "Small right nodule. No effusion.")
Make = Callable[..., list[Pair]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Run a way over three reports and read what it wrote."""
    lines = []
    for index, report in enumerate(REPORTS):
        Image.new("L", (32, 32), 40 * index).save(tmp_path / f"{index}.png")
        line = {"id": str(index), "images": [f"{index}.png"], "question": "Report.", "answer": report, "kind": "report"}
        lines.append(json.dumps(line))
    (tmp_path / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")

    def run(*arguments: str) -> list[Pair]:
        out = tmp_path / "pairs.jsonl"
        common = ["--set", "jsonl", "--root", str(tmp_path), "--out", str(out)]
        assert main(["pairs", arguments[0], *common, *arguments[1:]]) == 0
        return read_pairs(out)

    return run


def test_corrupted(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = make("corrupted", "--how", "side", "added", "--each", "2", "--seed", "3")
    assert (pairs[0].sample, pairs[0].chosen) == ("0", REPORTS[0])
    assert {pair.how for pair in pairs} == {"side", "added"}
    assert "5 pairs (added 3, side 2)" in capsys.readouterr().out


def test_rollouts_and_reflection(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "rollouts"
    folder.mkdir()
    texts = {"<think>a</think><answer>b</answer>": 1.0, "<think>c</think><answer>d</answer>": 0.0}
    common = {"sample": "1", "reward": 0.5, "finished": True}
    lines = [json.dumps({**common, "completion": text, "parts": {"accuracy": value}}) for text, value in texts.items()]
    (folder / "step-000000.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (pair,) = make("rollouts", "--rollouts", str(folder), "--by", "accuracy")
    assert [pair.chosen, pair.rejected] == list(texts)
    assert [pair.how for pair in make("reflection", "--rollouts", str(folder), "--by", "accuracy")] == [
        "reasoning",
        "reflection",
    ]


def test_disagreement(make: Make, tmp_path: Path) -> None:
    sample = Sample("2", (), "Effusion?", "yes", "closed")
    for name, text in (("right", "yes"), ("wrong", "no")):
        with RecordFile(tmp_path / f"{name}.jsonl", name) as file:
            file.append([grade(sample, text, run=name, cluster="2")])
    (pair,) = make("disagreement", "--right", str(tmp_path / "right.jsonl"), "--wrong", str(tmp_path / "wrong.jsonl"))
    assert (pair.sample, pair.chosen, pair.rejected) == ("2", "yes", "no")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rollouts"], "rollouts needs --rollouts"),
        (["sampled"], "sampled needs --model"),
        (["corrupted", "--how", "sides"], "Unknown corruption(s) sides"),
        (["corrupted", "--option", "kinds"], "expected KEY=VALUE"),
        (["rollouts", "--rollouts", ".", "--margin", "0"], "no rollouts"),
    ],
)
def test_what_is_missing_is_named(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    common = ["--set", "jsonl", "--root", str(tmp_path), "--out", str(tmp_path / "p.jsonl")]
    assert main(["pairs", arguments[0], *common, *arguments[1:]]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "p.jsonl").exists()


def test_an_untrained_model_has_no_best_answer(
    make: Make, tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--set", "jsonl", "--root", str(tmp_path), "--out", str(tmp_path / "p.jsonl")]
    arguments = ["--model", str(model_folder), "--answers", "2", "--max-new-tokens", "2", "--reward", "finding_f1=1"]
    assert main(["pairs", "sampled", *common, *arguments]) == 1
    assert "No pair is left of 3 questions" in capsys.readouterr().err
