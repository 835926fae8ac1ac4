"""The option of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medvlm.evaluation.command import main
from medvlm.evaluation.probes import PROBES


def test_alone_it_lists_every_probe(capsys: Any) -> None:
    assert main(["--probes"]) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines() if not line.startswith(" ")] == list(PROBES)
    assert "opposite truth" in said


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (["model", "--out", "o", "--probes", "negatoin"], "did you mean 'negation'"),
        (["model", "--out", "o", "--probes"], "--probes names none"),
        (["--predictions", "p.jsonl", "--probes", "errors"], "a file of predictions cannot answer"),
    ],
)
def test_what_cannot_be_asked_is_refused_first(given: list[str], error: str, tmp_path: Path, capsys: Any) -> None:
    assert main([*given, "--set", "slake", "--root", str(tmp_path)]) == 1
    assert error in capsys.readouterr().err
