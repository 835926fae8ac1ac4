"""``medvlm VERB``: every verb leads somewhere, and mistakes are told in one line."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from medvlm.cli import VERBS, main
from medvlm.study import ImageError


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_command(verb: str) -> None:
    assert callable(importlib.import_module(VERBS[verb][0]).main)


def test_without_a_verb_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)
    assert "Not for clinical use" in shown


def test_an_unknown_verb_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predikt"]) == 2
    assert "'predikt'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(ImageError("a\nb"), 1), (FileNotFoundError("a b"), 1), (KeyboardInterrupt(), 130)]
)
def test_what_goes_wrong_is_one_line(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(argv: list[str]) -> int:
        raise error

    monkeypatch.setattr("medvlm.predict_command.main", fail)
    assert main(["predict", "x", "y"]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medvlm.predict_command.main", lambda argv: dict[str, int]()["missing"])
    with pytest.raises(KeyError):
        main(["predict", "x", "y"])


def test_convert_checks_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = {"id": "1", "images": ["absent.png"], "question": "Is there an effusion?", "answer": "yes"}
    (tmp_path / "data.jsonl").write_text(json.dumps(record))
    assert main(["convert", "check", str(tmp_path / "data.jsonl")]) == 1
    assert "line 1: error" in capsys.readouterr().out
