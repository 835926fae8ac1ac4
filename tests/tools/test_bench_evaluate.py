"""The evaluation bench on a toy size: both sides give the same answers, and it fails where they do not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tools.bench import evaluate as bench
from tools.bench import evaluate_sides as sides
from tools.bench import evaluate_statistics as statistics
from tools.bench.evaluate_task import SIZES, build_task

TINY = ["--size", "tiny", "--rounds", "1"]


def test_both_sides_run_and_answer_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main([*TINY, "--questions", "1", "3", "--json", str(tmp_path / "evaluate.json")]) == 0
    result = json.loads((tmp_path / "evaluate.json").read_text())
    assert [(row["model"], row["questions"], row["answers"]) for row in result["answers"]] == [
        ("llava", 1, 3), ("llava", 3, 9), ("composed", 1, 3), ("composed", 3, 9)
    ]  # fmt: skip
    for row in result["answers"]:
        assert row["differ"] == row["ties"]
        assert row["ratio_cpu"] == pytest.approx(row["theirs"]["cpu_s"] / row["ours"]["cpu_s"])
    resumed = result["resume"]
    assert (resumed["killed_by"], resumed["byte_equal"], resumed["asked_again"]) == (9, True, 0)
    assert 0 < resumed["on_disk_when_killed"] < resumed["questions"]
    assert resumed["on_disk_when_killed"] + resumed["asked_after"] == resumed["questions"]
    assert "records byte-equal: True" in capsys.readouterr().out


def test_answers_that_are_apart_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    examine = sides.examine

    def wrong(*arguments: Any) -> list[str]:
        return [f"{text}!" for text in examine(*arguments)]

    monkeypatch.setattr(sides, "examine", wrong)
    assert bench.main([*TINY, "--questions", "2", "--models", "composed"]) == 1


def test_an_answer_that_follows_a_tie_is_counted_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    task = build_task("composed", SIZES["tiny"], 2)
    pairs = sides.Pairs(task, 6)
    theirs = pairs.answers()
    ours = [*theirs[:-1], "other"]
    assert sides.compare(task, ours, theirs, pairs) == {"answers": 6, "differ": 1, "ties": 0}
    monkeypatch.setattr(sides, "TIE", 1e9)
    assert sides.compare(task, ours, theirs, pairs)["ties"] == 1


def test_both_sides_show_the_model_the_same_tokens() -> None:
    for name in ("llava", "composed"):
        pairs = sides.Pairs(build_task(name, SIZES["tiny"], 2), 6)
        text = pairs.prompter.text(pairs.samples[0])
        image = pairs.task.images[pairs.samples[0].images[0]]
        theirs: Sequence[int] = pairs.task.native(images=[[image]], text=[text], return_tensors="pt")["input_ids"][0]
        assert list(theirs) == pairs.prompter.prompt(pairs.samples[0])


def test_scipy_draws_the_same_interval() -> None:
    found = statistics.measure(200, 40, 300, 1)
    assert max(found[name]["ends_apart"] for name in ("mean", "difference")) < 1e-12


def test_no_round_is_refused() -> None:
    with pytest.raises(SystemExit, match="at least one round"):
        bench.main(["--rounds", "0"])
