"""Rollouts as they are read from a run: whole, cut off by a kill, of several processes, or not there."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from medvlm.rollouts_command import main
from medvlm.training.rollout_files import read_step, read_steps, rollout_folder, stages_with_rollouts, step_files


def line(sample: str, text: str, reward: float | None, advantage: float = 0.0, **more: Any) -> str:
    record = {"sample": sample, "question": f"What of {sample}?", "answer": "Yes", "kind": "closed", "completion": text}
    parts = {"accuracy": reward, "format": 1.0}
    return json.dumps(record | {"parts": parts, "reward": reward, "advantage": advantage, "tokens": 3} | more)


def write(run: Path, stage: str, step: int, lines: list[str], suffix: str = "") -> Path:
    path = run / stage / "rollouts" / f"step-{step:06d}{suffix}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two steps: in the first b is learned from and a is not, in the second the last line was cut."""
    a = [line("a", "same", 1.0), line("a", "same", 1.0)]
    b = [line("b", "\x1b[2Jgood", 1.0, 0.7), line("b", "bad", 0.0, -0.7, finished=False)]
    write(tmp_path, "grpo", 0, [*a, *b])
    write(tmp_path, "grpo", 7, [*b, *a, line("c", "late", 0.5)[:40]])
    return tmp_path


def test_groups_of_a_step(run: Path) -> None:
    first, _ = read_steps(rollout_folder(run))
    a, b = first.groups
    assert (a.sample, a.spread, b.spread, b.reward) == ("a", 0.0, 1.0, 0.5)
    assert [member.advantage for member in b.members] == [0.7, -0.7]
    assert first.health["zero_variance"] == first.health["all_right"] == 0.5
    assert (first.health["truncated"], first.health["reward/accuracy"]) == (0.25, 0.75)


def test_a_line_that_was_cut_off_is_named_and_left_out(run: Path) -> None:
    _, second = read_steps(rollout_folder(run))
    assert [group.sample for group in second.groups] == ["b", "a"]
    assert second.damaged == ("step-000007.jsonl line 5 is no rollout",)


@pytest.mark.parametrize("bad", ["[1]", "{}", '{"sample": "a", "completion": "x", "parts": 3}', "\udcff", "[" * 9999])
def test_other_lines_are_no_rollouts(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "step-000000.jsonl"
    path.write_bytes(bad.encode(errors="surrogateescape"))
    step = read_step([path], "grpo", 0)
    assert (step.groups, len(step.damaged), step.health) == ((), 1, {})


def test_a_question_drawn_twice_in_a_step_is_two_groups(tmp_path: Path) -> None:
    twice = [line("a", str(index), 1.0) for index in range(4)]
    others = [line(name, "", 1.0) for name in "bbdd"]
    path = write(tmp_path, "grpo", 0, [*twice, *others, line("c", "", None)])
    groups = read_step([path], "grpo", 0).groups
    assert [(group.sample, len(group.members)) for group in groups] == [
        ("a", 2), ("a", 2), ("b", 2), ("d", 2), ("c", 1),
    ]  # fmt: skip
    assert math.isnan(groups[-1].reward)


def test_files_of_several_processes_are_one_step(tmp_path: Path) -> None:
    for rank in (0, 1):
        write(tmp_path, "grpo", 3, [line(f"r{rank}", "x", 1.0), line(f"r{rank}", "y", 0.0)], f"-rank{rank}")
    ((number, files),) = step_files(tmp_path / "grpo" / "rollouts").items()
    assert (number, [group.sample for group in read_step(files, "grpo", 3).groups]) == (3, ["r0", "r1"])


def test_runs_and_stages_that_are_not_there(run: Path, tmp_path: Path) -> None:
    assert stages_with_rollouts(run) == ["grpo"]
    with pytest.raises(FileNotFoundError, match="has no rollouts of a stage 'sft'; it has some of grpo"):
        rollout_folder(run, "sft")
    (tmp_path / "other" / "sft" / "logs").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"only GRPO stages keep them\. Stages there: sft"):
        stages_with_rollouts(tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="There is no run at"):
        stages_with_rollouts(tmp_path / "nowhere")


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_the_terminal_shows_health_and_what_teaches_most(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, str(run), "--groups", "1")
    assert "health of 2 steps" in text
    assert "grpo: warning: 25% of the last answers are cut" in text
    assert "line 5 is no rollout" in text
    assert "grpo step 7 · b · mean reward 0.50" in text
    assert "step 7 · a" not in text
    assert re.search(r"\+0\.70 +\ufffd\[2Jgood +\n.*accuracy 1\.00, format 1\.00 = 1\.00 · 3 tokens", text)
    assert "3 tokens, cut at the limit" in text


def test_the_diagnosis_of_a_finished_run_is_that_of_its_summary(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "summary.json").write_text(json.dumps({"grpo": {"diagnosis": ["alarm: all is lost"]}}))
    assert "grpo: alarm: all is lost" in shown(capsys, str(run))
    (run / "summary.json").write_text("[")
    assert "25% of the last answers" in shown(capsys, str(run))


def test_worst_best_and_one_question(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for word, expected in (("--worst", "b"), ("--best", "a")):
        text = shown(capsys, str(run), "--step", "0", word, "--groups", "1")
        assert re.findall(r"step 0 · (\w+)", text) == [expected]
        assert "health" not in text
    text = shown(capsys, str(run), "--sample", "a")
    assert re.findall(r"step (\d) · a · no variance", text) == ["0", "7"]
    assert "x2" in text
    with pytest.raises(FileNotFoundError, match="no rollout of a question 'z' in 2 steps"):
        main([str(run), "--sample", "z"])
    with pytest.raises(FileNotFoundError, match="no step 5; it has 0 to 7"):
        main([str(run), "--step", "5"])
