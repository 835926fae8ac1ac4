"""The audit verb: its exit code, its JSON, its arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medvlm.cli import main
from medvlm.set_argument import split_argument


@pytest.fixture
def data(tmp_path: Path) -> Path:
    records = [("1", "a.png", "train"), ("2", "a.png", "test"), ("3", "b.png", "validate")]
    lines = [
        json.dumps({"id": name, "images": [image], "question": f"{name}?", "answer": "yes", "split": split})
        for name, image, split in records
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(lines))
    return tmp_path / "own.jsonl"


def test_a_leak_is_exit_code_1_and_in_the_json(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = [
        "convert",
        "audit",
        f"{data}:train",
        "--against",
        f"jsonl:{data}:test",
        "--json",
        str(tmp_path / "o.json"),
    ]
    assert main([*wanted, "--quiet"]) == 1
    found = json.loads((tmp_path / "o.json").read_text())
    assert found["leaks"] is True
    assert next(row["found"] for row in found["rows"] if row["kind"] == "reference") == 1
    assert "LEAK" in capsys.readouterr().out


def test_nothing_shared_is_exit_code_0(data: Path) -> None:
    assert main(["convert", "audit", f"{data}:train", "--against", f"{data}:validate", "--no-pixels"]) == 0


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("own", "expected NAME:ROOT"),
        ("slak:x", "did you mean 'slake'"),
        ("slake:nowhere", "does not exist"),
        ("no.jsonl", "does not exist"),
    ],
)
def test_what_cannot_be_done_is_exit_code_2(
    data: Path, train: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", "audit", train, "--against", f"{data}:test"]) == 2
    assert message in capsys.readouterr().err


def test_a_root_may_hold_colons_and_options_go_to_their_set(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert split_argument("slake:C:/data:train", "test") == ("slake", "C:/data", "train")
    assert split_argument("slake:C:/data", "test") == ("slake", "C:/data", "test")
    assert main(["convert", "audit", f"{data}", "--against", f"{data}:test", "--option", "jsonl.languages=[en]"]) == 2
    assert "languages" in capsys.readouterr().err
