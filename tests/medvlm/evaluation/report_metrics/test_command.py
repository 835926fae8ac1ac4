"""`medvlm evaluate --report-metrics` on a file of predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medvlm.evaluation.command import main


def lines(path: Path, *objects: Any) -> Path:
    path.write_text("\n".join(map(json.dumps, objects)), encoding="utf-8")
    return path


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    asked = {"images": [], "question": "Report.", "answer": "Large effusion.", "kind": "report", "split": "test"}
    root = lines(tmp_path / "data.jsonl", *({**asked, "id": name} for name in "12"))
    said = lines(tmp_path / "p.jsonl", {"id": "1", "prediction": "Large effusion."})
    return ["--predictions", str(said), "--protocol", "jsonl", "--root", str(root), "--report-metrics"]


def test_scores_of_judges_stand_in_the_table_over_all_reports(options: list[str], tmp_path: Path) -> None:
    output = "[Clinically Significant Errors]:\n(a) False: 0\n[Matched Findings]:\n1. effusion"
    green = lines(tmp_path / "green.jsonl", {"id": "1", "output": output})
    assert main([*options, f"green={green}", "radrscore"]) == 0
    corpus = json.loads((tmp_path / "p.scored" / "score.json").read_text())["corpus"]
    found = {metric["name"]: (metric["value"], metric["n"]) for metric in corpus}
    assert found["green[mean over reports|1 unread count 0]"] == (0.5, 2)
    assert found["radrscore_mean[rule_chexpert|mean over samples|0 failed count 0]"] == (0.0, 2)


@pytest.mark.parametrize(
    ("asked", "said"),
    [("chexbert", "Licence: "), ("bleurt", "report metric 'bleurt' is unknown"), ("green=absent.jsonl", "no file")],
)
def test_what_is_absent_is_said_before_anything_is_scored(
    asked: str, said: str, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*options, asked]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "p.scored").exists()
