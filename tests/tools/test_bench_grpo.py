"""The GRPO bench on a toy size: it runs, agrees with TRL, and fails where the losses are apart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "bench" / "grpo.py"
pytest.importorskip("trl", reason="TRL is a test dependency: medvlm[dev]")


def run(*arguments: str | Path, changed: str = "pass") -> subprocess.CompletedProcess[str]:
    """The tool as a user starts it, after ``changed`` has been executed."""
    start = (
        f"import runpy, sys; sys.argv[0] = {str(TOOL)!r}; {changed}; runpy.run_path({str(TOOL)!r}, None, '__main__')"
    )
    command = [sys.executable, "-c", start, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_both_sides_run_and_their_losses_agree(tmp_path: Path) -> None:
    done = run("--size", "tiny", "--steps", "1", "--json", tmp_path / "new" / "grpo.json")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "new" / "grpo.json").read_text())
    assert result["loss_difference"] < 1e-4 < abs(result["loss_ours"])
    assert result["clipped_share"] > 0
    assert result["ratio_cpu"] == pytest.approx(result["trl"]["cpu_s"] / result["ours"]["cpu_s"])
    # 4 images; TRL shows each to the tower once a completion, in the rollout and in the policy pass
    assert (result["ours"]["vision_images"], result["trl"]["vision_images"]) == (8, 32)
    assert result["ours"]["decoder_tokens"] < result["trl"]["decoder_tokens"]
    assert {"cpu", "cores", "threads"} <= result["machine"].keys()
    assert f"ratio_cpu {result['ratio_cpu']:.2f}" in done.stdout


@pytest.mark.slow
def test_losses_that_are_apart_fail() -> None:
    wrong = "import medvlm.training.grpo as g; g.denominator = lambda lengths, *more, **others: 1.1 * sum(lengths)"
    done = run("--size", "tiny", "--steps", "1", changed=wrong)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "largest difference" in done.stdout
