"""The model bench on a toy size: both sides do equal work, and it fails where they do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tools.bench import model as bench


def test_both_sides_run_and_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--size", "tiny", "--steps", "1", "--json", str(tmp_path / "model.json")]) == 0
    result = json.loads((tmp_path / "model.json").read_text())
    assert result["difference"] < 1e-6
    train = result["train"]
    assert train["ratio_cpu"] == pytest.approx(train["llava"]["cpu_s"] / train["ours"]["cpu_s"])
    assert {"cpu", "cores", "threads"} <= result["machine"].keys()
    assert "medians of 1" in capsys.readouterr().out


def test_unequal_work_is_an_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(ours: Any) -> Any:
        theirs = equal(ours)
        torch.nn.init.normal_(theirs.lm_head.weight)
        return theirs

    equal = bench.llava
    monkeypatch.setattr(bench, "llava", other)
    assert bench.main(["--size", "tiny", "--steps", "1"]) == 1


def test_bf16_is_near_fp32(tmp_path: Path) -> None:
    assert (
        bench.main(["--size", "tiny", "--steps", "1", "--dtype", "bfloat16", "--json", str(tmp_path / "b.json")]) == 0
    )
    assert 0 < json.loads((tmp_path / "b.json").read_text())["from_fp32"] < 0.05


def test_no_step_is_refused() -> None:
    with pytest.raises(SystemExit, match="at least one step"):
        bench.main(["--steps", "0"])


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-5)])
def test_compiled_it_is_near_fp32(tmp_path: Path, dtype: str, error: float) -> None:
    arguments = ["--size", "tiny", "--steps", "1", "--compile", "--dtype", dtype, "--json", str(tmp_path / "c.json")]
    assert bench.main(arguments) == 0
    assert json.loads((tmp_path / "c.json").read_text())["from_fp32"] < error
