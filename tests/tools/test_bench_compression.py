"""The compression bench: its arithmetic on made-up rows, and a toy run as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medvlm.models.projectors import compressed_tokens
from tools.bench.compression_accuracy import EVERY, SLICES, verdict
from tools.bench.compression_cost import KEEP, KINDS, compressor_of, exponent
from tools.bench.compression_page import curves

ROOT = Path(__file__).resolve().parents[2]


def row(kind: str, tokens: int, accuracy: float) -> dict[str, Any]:
    return {"kind": kind, "tokens": tokens, "accuracy": accuracy, "low": 0.4, "high": 0.9, "n": 9, "majority": 0.5}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tokens", [8, 64, 96, 512, 1024])
def test_every_budget_of_the_bench_is_possible(kind: str, tokens: int) -> None:
    expected = EVERY if kind == KEEP else tokens
    assert compressed_tokens(**compressor_of(kind, tokens, SLICES), grid=(4, 8)) == expected


@pytest.mark.parametrize(("accuracy", "kept"), [(0.77, True), (0.75, False)])
def test_the_verdict_wants_95_percent_at_a_tenth(accuracy: float, kept: bool) -> None:
    rows = [row(KEEP, 1024, 0.8), row("slices_pool", 64, accuracy), row("slices_pool", 512, 0.8)]
    assert verdict(rows)["kept"] is kept


def test_a_model_that_only_guesses_keeps_nothing() -> None:
    assert not verdict([row(KEEP, 1024, 0.5), row("slices_pool", 64, 0.5)])["kept"]
    assert not verdict([row(KEEP, 1024, 0.0), row("slices_pool", 64, 0.0)])["kept"]
    assert "no budget was at most 102" in verdict([row(KEEP, 1024, 0.8), row("slices_pool", 512, 0.8)])["words"]


def test_quadratic_memory_is_told_from_linear() -> None:
    linear = [{"slices": n, "added_mb": 3.0 * n} for n in (32, 64, 512)]
    assert exponent(linear) == pytest.approx(1)
    assert exponent([{**one, "added_mb": one["slices"] ** 2} for one in linear]) == pytest.approx(2)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the bench reads memory from /proc")
def test_a_toy_run_writes_figures_and_curves(tmp_path: Path) -> None:
    tool, kinds = ROOT / "tools" / "bench" / "compression.py", ["slices_keep", "slices_pool", "slices_merge"]
    command = [sys.executable, tool, "--size", "tiny", "--slices", "16", "32", "--repeats", "1", "--kinds", *kinds]
    files = ["--json", tmp_path / "new" / "cost.json", "--page", tmp_path / "cost.html"]
    done = subprocess.run([*map(str, command), *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "new" / "cost.json").read_text())
    tokens = {kind: [one["tokens"] for one in rows] for kind, rows in result["cost"]["kinds"].items()}
    assert tokens == {"slices_keep": [64, 128], "slices_pool": [8, 8], "slices_merge": [8, 8]}
    assert set(result["cost"]["memory_exponent"]) == set(kinds)
    page = (tmp_path / "cost.html").read_text()
    assert all(name in page for name in curves(result))


@pytest.mark.slow
def test_wrong_arguments_are_named() -> None:
    command = [sys.executable, str(ROOT / "tools" / "bench" / "compression.py"), "--kinds", "slices_pol"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "slices_pol: known are slices_keep" in done.stderr
