"""The reporting bench on a toy size: both sides say the same, and what is lost, repeated or changed is found out."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.bench import report as bench
from tools.bench import report_kill as kill
from tools.bench import report_loop as loop
from tools.bench import report_memory as memory
from tools.bench import report_speed as speed
from tools.bench.report_studies import BREAKS, make_studies
from tools.bench.report_verdict import verdict

TINY = ["--part", "speed", "--size", "tiny", "--rounds", "1", "--studies", "2", "--tokens", "3"]


def test_both_sides_run_and_answer_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main([*TINY, "--memory", "0", "--json", str(tmp_path / "report.json")]) == 0
    result = json.loads((tmp_path / "report.json").read_text())
    assert (result["answers"], result["differ"] - result["ties"]) == (12, 0)
    for side in speed.PEERS:
        own, other = (result["sides"][name]["cpu_s"] for name in ("medvlm", side))
        assert result["ratios"][side] == pytest.approx(other / own)
    assert "all equal" in capsys.readouterr().out


def test_texts_that_are_apart_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop.Loop, "answers", lambda self, asked, pairs, image: ["other"] * len(asked))
    assert bench.main([*TINY, "--memory", "0"]) == 1


def test_memory_is_that_of_this_process_after_each_mark(tmp_path: Path) -> None:
    found = memory.memory([2, 9], tmp_path)
    assert list(found) == ["2", "9"]
    assert all(50 < value < 20_000 for value in found.values())


def test_broken_studies_are_spread_and_of_every_way(tmp_path: Path) -> None:
    made = make_studies(tmp_path, 30, len(BREAKS))
    assert set(made.broken.values()) == {how for _, how, _ in BREAKS}
    assert sum(made.kinds.values()) + len(made.broken) == 30 == len(list(tmp_path.iterdir()))
    with pytest.raises(ValueError, match="3 broken of 2"):
        make_studies(tmp_path, 2, 3)


def test_kills_are_the_same_for_a_seed_and_come_before_the_end() -> None:
    settings = kill.Settings()
    planned = kill.plan(settings).planned
    assert planned == kill.plan(settings).planned
    assert sorted(victim for _, _, victim in planned) == ["driver"] * 5 + ["worker"] * 2
    assert all(1 <= moment <= 248 for moment, _, _ in planned)


def write_run(folder: Path) -> Path:
    folder.mkdir()
    for name in ("0a", "0b"):
        (folder / f"{name}.json").write_text(name)
    with (folder / "studies.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["study", "status", "reason"])
        table.writerows([["0a", "done", ""], ["0b", "done", ""], ["0c", "failed", "truncated"]])
    return folder


def _lose(folder: Path) -> None:
    (folder / "0a.json").unlink()


def _change(folder: Path) -> None:
    (folder / "0a.json").write_text("0A")


def _repeat(folder: Path) -> None:
    with (folder / "studies.csv").open("a") as file:
        file.write("0c,failed,truncated\n")


def _say_nothing(folder: Path) -> None:
    (folder / "studies.csv").write_text((folder / "studies.csv").read_text().replace("truncated", ""))


@pytest.mark.parametrize("harm", [_lose, _change, _repeat, _say_nothing])
def test_what_is_lost_changed_repeated_or_unsaid_fails(harm: Callable[[Path], None], tmp_path: Path) -> None:
    whole, killed = write_run(tmp_path / "whole"), write_run(tmp_path / "killed")
    assert verdict(whole, killed, 3, 1)["passed"]
    harm(killed)
    assert not verdict(whole, killed, 3, 1)["passed"]


def test_a_report_that_is_written_again_is_noted(tmp_path: Path) -> None:
    kills: Any = kill.Kills([])
    folder = write_run(tmp_path / "run")
    kills.note(folder)
    assert not kills.again
    (folder / "0b.json").unlink()
    (folder / "0b.json").write_text("0b")
    kills.note(folder)
    assert kills.again == {"0b.json"}


@pytest.mark.slow
def test_a_killed_driver_and_a_killed_worker_change_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--studies", "30", "--broken", "3", "--drivers", "1", "--workers", "1"]
    assert bench.main(["--part", "kill", *options]) == 0
    assert "27 reports, 3 named reasons, 0 lost, 0 twice" in capsys.readouterr().out
