"""The data bench: rows and their ratios, and the tool on its quickest part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bench.data_rows import Row, compare, table

TOOL = Path(__file__).resolve().parents[2] / "tools" / "bench" / "data.py"


def row(ours: float, peer: float, target: float | None) -> Row:
    return Row("work", ours, peer, ours, peer, "peer 1.0", 0.25, target)


@pytest.mark.parametrize(("target", "reached"), [(None, True), (4.0, True), (4.1, False)])
def test_a_row_knows_whether_its_target_is_reached(target: float | None, reached: bool) -> None:
    found = row(0.5, 2.0, target)
    assert (found.ratio_cpu, found.reached) == (4.0, reached)
    assert found.as_dict()["ratio_cpu"] == 4.0


def test_sides_run_in_turn_and_the_first_run_is_compared() -> None:
    calls: list[str] = []

    def side(name: str, result: int) -> int:
        calls.append(name)
        return result

    found = compare(
        "work",
        lambda: side("a", 3),
        lambda: side("b", 5),
        peer_name="peer",
        repeats=2,
        difference=lambda one, two: abs(one - two),
    )
    assert calls == list("ababab")
    assert found.difference == 2


def test_a_missed_target_is_marked() -> None:
    shown = table([row(0.001, 0.004, 2.0), row(0.001, 0.004, 5.0)]).splitlines()
    assert "2x" in shown[1]
    assert "!" not in shown[1]
    assert "5x !" in shown[2]


@pytest.mark.slow
def test_the_tool_writes_its_figures(tmp_path: Path) -> None:
    command = [sys.executable, str(TOOL), "--part", "headers", "--repeats", "1", "--json", str(tmp_path / "f.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    figures = json.loads((tmp_path / "f.json").read_text())["parts"]["headers"][0]
    assert figures["difference"] == 0
    assert figures["ratio_cpu"] == pytest.approx(figures["peer_cpu"] / figures["ours_cpu"])


def test_no_run_to_time_is_refused() -> None:
    done = subprocess.run([sys.executable, str(TOOL), "--repeats", "0"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--repeats 0" in done.stderr
