"""What is kept of sampled completions, and the numbers that show a collapse, counted by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from medvlm.generation.engine import Ask
from medvlm.generation.sampling import Completion
from medvlm.study import ImageRef, Sample
from medvlm.training.rollouts import Rollout, RolloutLog, health


def rollout(text: str, reward: float, tokens: int, *, finished: bool = True) -> Rollout:
    sample = Sample("1", (ImageRef(Path("a.png")),), "?", "x", "choice", ("x", "y"))
    completion = Completion((5,) * tokens, (-1.0,) * tokens, finished)
    return Rollout(sample, completion, text, {"accuracy": reward}, reward)


def test_health_by_hand() -> None:
    rollouts = [
        rollout("the heart is normal", 1.0, 3),
        rollout("Clear lungs.", 1.0, 5),
        rollout("nodule", 0.0, 4, finished=False),
        rollout("nodule", 1.0, 10),
    ]
    assert health(rollouts, 2, ["accuracy"]) == {
        "reward": 0.75,
        "reward/accuracy": 0.75,
        "zero_variance": 0.5,  # the first of two groups
        "all_right": 0.5,
        "all_wrong": 0.0,
        "length": 6.0,  # (3 + 5 + 10) / 3
        "truncated": 0.25,
        "distinct": 0.75,
        "normal": 0.5,
        "alarm": 0.0,
    }


def test_collapse_rings_the_alarm() -> None:
    same = [rollout("effusion", 1.0, 3) for _ in range(64)]
    normal = [rollout(f"normal {index}", 1.0, 3) for index in range(64)]
    closed = [rollout(["yes", "no"][index % 2], index % 2, 3) for index in range(64)]
    assert [health(rollouts, 4, [])["alarm"] for rollouts in (same, normal, closed)] == [1.0, 1.0, 0.0]


def test_a_group_without_rewards_has_no_variance() -> None:
    found = health([rollout("a", float("nan"), 2), rollout("b", float("nan"), 2)], 2, ["accuracy"])
    assert found["zero_variance"] == 1.0
    assert math.isnan(found["reward"])


def test_a_record_says_what_was_asked_answered_and_earned(tmp_path: Path) -> None:
    kept = rollout("Ä <answer>B</answer>", 0.5, 3)
    path = RolloutLog(tmp_path / "new").write(7, [kept])
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert path.name == "step-000007.jsonl"
    assert json.loads(line) == {
        "step": 7,
        "sample": "1",
        "images": ["a.png"],
        "kind": "choice",
        "question": "?",
        "options": ["x", "y"],
        "answer": "x",
        "completion": "Ä <answer>B</answer>",
        "tokens": 3,
        "finished": True,
        "logp": -3.0,
        "parts": {"accuracy": 0.5},
        "reward": 0.5,
        "advantage": 0.0,
    }


def test_a_step_that_is_repeated_replaces_its_file(tmp_path: Path) -> None:
    log = RolloutLog(tmp_path)
    log.write(0, [rollout("first", 1.0, 1), rollout("second", 1.0, 1)])
    path = log.write(0, [rollout("third", 1.0, 1)])
    assert [json.loads(line)["completion"] for line in path.read_text(encoding="utf-8").splitlines()] == ["third"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_keeps_every_rollout_of_every_step(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, tmp_path: Path
) -> None:
    curve = fit(grpo(tiny, log=RolloutLog(tmp_path)), [batch, batch])
    first, second = (path.read_text(encoding="utf-8").splitlines() for path in sorted(tmp_path.iterdir()))
    lines = [json.loads(line) for line in second]
    assert len(first) == len(second) == 7 * 4
    assert [line["sample"] for line in lines[:9:4]] == ["0-0", "1-0", "1-1"]
    assert curve[1]["reward"] == pytest.approx(sum(line["reward"] for line in lines) / 28, abs=1e-6)
    groups = [lines[start : start + 4] for start in range(0, 28, 4)]
    assert all(sum(line["advantage"] for line in group) == pytest.approx(0, abs=1e-5) for group in groups)


def test_a_reward_that_does_not_apply_is_kept_as_null(tiny: Any, batch: list[Ask], grpo: Any, tmp_path: Path) -> None:
    path = RolloutLog(tmp_path).write(0, grpo(tiny, "abstains").roll_out(batch[:1]))
    line = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert (line["reward"], line["parts"], line["advantage"]) == (None, {"abstains": None}, 0.0)
