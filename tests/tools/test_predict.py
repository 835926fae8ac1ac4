"""The door ``tools/predict.py``: what is printed where."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "predict.py"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False)


def test_the_answer_is_printed_and_the_warning_beside_it(write_study: Any, silent_model: Path, tmp_path: Path) -> None:
    done = run(write_study(tmp_path / "a.dcm", 1), "Is there a nodule?", "--model", silent_model)
    assert (done.returncode, done.stdout) == (0, "\n")
    assert "not for clinical use" in done.stderr
    assert "intensities ct" in done.stderr


def test_json_holds_an_answer_for_each_question(
    write_study: Any, silent_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from medvlm.cli import main

    image = str(write_study(tmp_path / "a.dcm", 1))
    assert main(["predict", image, "Is there a nodule?", "Which side?", "--model", str(silent_model), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [answer["kind"] for answer in answers] == ["closed", "open"]
    assert "Zebedee" not in json.dumps(answers)


@pytest.mark.parametrize(("name", "words"), [("letter.dcm", "plain text"), ("absent.dcm", "does not exist")])
def test_a_file_that_is_no_image_is_one_line(
    name: str, words: str, silent_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from medvlm.cli import main

    (tmp_path / "letter.dcm").write_text("Dear colleague,")
    assert main(["predict", str(tmp_path / name), "Is there a nodule?", "--model", str(silent_model)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err.splitlines()[-1]
    assert "Traceback" not in err
