"""The compression bench: its arithmetic on made-up rows, and a toy run as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medvlm.models import load_vlm, train_tokenizer
from medvlm.models.projectors import compressed_tokens
from medvlm.settings import Recipe
from medvlm.training.build import build_model
from medvlm.training.run import save_model
from tools.bench.compression_accuracy import SLICES, Training, transplant, verdict
from tools.bench.compression_cost import KEEP, KINDS, compressor_of, exponent
from tools.bench.compression_page import accuracy_curves, write_curves

ROOT = Path(__file__).resolve().parents[2]


def row(kind: str, tokens: int, accuracy: float) -> dict[str, Any]:
    ends = {"low": accuracy - 0.1, "high": accuracy + 0.1}
    return {
        "kind": kind,
        "tokens": tokens,
        "accuracy": accuracy,
        **ends,
        "n": 9,
        "majority": 0.5,
        "blind": 0.4,
        "finding_f1": 0.4,
        "cpu_seconds": 1.0,
    }


def test_all_tokens_of_the_bench_follow_from_its_patches(tmp_path: Path) -> None:
    counts = {patch: Training(tmp_path, patch, 8, 1, 1, 1, 2, None, 0).tokens for patch in (6, 8, 12, 16)}
    assert counts == {6: 1024, 8: 576, 12: 256, 16: 144}


def recipe(work: Path, kind: str, **model: Any) -> Recipe:
    training = Training(work, patch=12, patients=8, first=1, every=1, steps=1, images=2, limit=2, seed=0)
    return training.recipe("run", [{"name": "sft"}], {"compressor": compressor_of(kind, 64, SLICES), **model})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tokens", [8, 64, 96, 512, 1024])
def test_every_budget_of_the_bench_is_possible(kind: str, tokens: int) -> None:
    expected = 1024 if kind == KEEP else tokens
    assert compressed_tokens(**compressor_of(kind, tokens, SLICES), grid=(8, 8)) == expected


@pytest.mark.parametrize(("accuracy", "kept"), [(0.77, True), (0.75, False)])
def test_the_verdict_wants_95_percent_at_a_tenth(accuracy: float, kept: bool) -> None:
    rows = [row(KEEP, 1024, 0.8), row("slices_pool", 64, accuracy), row("slices_pool", 512, 0.8)]
    assert verdict(rows)["kept"] is kept


def test_a_model_that_only_guesses_keeps_nothing() -> None:
    assert not verdict([row(KEEP, 1024, 0.5), row("slices_pool", 64, 0.5)])["kept"]
    assert not verdict([row(KEEP, 1024, 0.0), row("slices_pool", 64, 0.0)])["kept"]
    assert not verdict([row(KEEP, 1024, 0.55), row("slices_pool", 64, 0.55)])["kept"]
    blind = [{**one, "blind": 0.75} for one in (row(KEEP, 1024, 0.8), row("slices_pool", 64, 0.8))]
    assert not verdict(blind)["kept"]
    assert "no budget was at most 102" in verdict([row(KEEP, 1024, 0.8), row("slices_pool", 512, 0.8)])["words"]


def test_the_verdict_says_what_is_left_above_guessing() -> None:
    found = verdict([row(KEEP, 1024, 0.9), row("slices_pool", 64, 0.8), row("slices_prune", 96, 0.86)])
    assert (found["best"], round(found["share"], 3)) == ("slices_prune", 0.956)
    assert found["above"] == pytest.approx(0.9)


def test_a_run_goes_on_from_everything_but_the_compressor(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["is there an effusion? yes no"], 300)
    tokenizer.save_pretrained(tmp_path / "words")
    first = recipe(tmp_path, KEEP, tokenizer=str(tmp_path / "words"))
    model, processor = build_model(first.model, (), seed=7)
    save_model(model, processor, first, tmp_path / "first")
    transplant(
        recipe(tmp_path, "slices_perceiver", tokenizer=str(tmp_path / "first")), tmp_path / "first", tmp_path / "on"
    )
    after, _ = load_vlm(tmp_path / "on")
    assert after.config.volume_tokens == 64
    for name, value in model.state_dict().items():
        assert after.state_dict()[name].equal(value), name


def test_only_the_compressor_may_differ(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["is there an effusion? yes no"], 300)
    tokenizer.save_pretrained(tmp_path / "words")
    first = recipe(tmp_path, KEEP, tokenizer=str(tmp_path / "words"))
    save_model(*build_model(first.model, (), seed=0), first, tmp_path / "first")
    wider = recipe(tmp_path, "slices_pool", tokenizer=str(tmp_path / "first"), projector={"kind": "mlp"})
    with pytest.raises(ValueError, match="differ in more than the compressor"):
        transplant(wider, tmp_path / "first", tmp_path / "on")


def test_the_page_draws_accuracy_with_its_intervals_and_cost(tmp_path: Path) -> None:
    rows = [row(KEEP, 1024, 0.8), row("slices_pool", 64, 0.7), row("slices_pool", 256, 0.75)]
    steps = [{"slices": n, "cpu_s": 0.1 * n, "added_mb": 2.0 * n} for n in (32, 512)]
    cost = {"kinds": {KEEP: steps}, "memory_exponent": {KEEP: 1.0}}
    result = {"accuracy": rows, "verdict": verdict(rows), "cost": cost, "machine": {"cpu": "<one>"}}
    page = write_curves(tmp_path / "page.html", result).read_text()
    assert [(point.x, point.low) for point in accuracy_curves(rows)["slices_pool"]] == [(64, 0.6), (256, 0.65)]
    assert page.count("<svg") == 3
    assert page.count('opacity="0.45"') == 3  # an interval each
    assert "&lt;one&gt;" in page
    assert "87.5%" in page


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
    assert all(kind in page for kind in kinds)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the bench reads memory from /proc")
def test_a_toy_training_gives_rows_of_all_tokens_and_of_a_tenth(tmp_path: Path) -> None:
    tool = ROOT / "tools" / "bench" / "compression.py"
    size = "--size tiny --slices 8 --repeats 1 --accuracy --patch 16 --budgets 16 --kinds slices_keep slices_prune"
    few = "--patients 24 --first 1 --every 1 --steps 1 --images 2"
    files = ["--work", str(tmp_path / "work"), "--json", str(tmp_path / "all.json")]
    command = [sys.executable, str(tool), *size.split(), *few.split(), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    result = json.loads((tmp_path / "all.json").read_text())
    assert [(row["kind"], row["tokens"]) for row in result["accuracy"]] == [(KEEP, 144), ("slices_prune", 16)]
    assert done.returncode == int(not result["verdict"]["kept"])
    assert done.stdout.startswith("a step")  # what the trainings print is not among the figures


@pytest.mark.slow
def test_wrong_arguments_are_named() -> None:
    command = [sys.executable, str(ROOT / "tools" / "bench" / "compression.py"), "--kinds", "slices_pol"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "slices_pol: known are slices_keep" in done.stderr
