"""The door ``tools/convert.py``: what it prints and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

TOOL = Path(__file__).resolve().parents[2] / "tools" / "convert.py"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False)


def write(folder: Path, **changes: str) -> Path:
    Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).save(folder / "a.png")
    record = {"id": "1", "images": ["a.png"], "question": "Is there an effusion?", "answer": "yes", **changes}
    (folder / "data.jsonl").write_text(json.dumps(record))
    return folder / "data.jsonl"


def test_a_good_file_exits_with_0_and_its_counts(tmp_path: Path) -> None:
    done = run("check", write(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "1 records, 1 usable, 1 images, 0 errors, 0 warnings"


def test_a_bad_file_exits_with_1_and_names_the_line(tmp_path: Path) -> None:
    done = run("check", write(tmp_path, answer=" "))
    assert done.returncode == 1
    assert done.stdout.startswith("line 1: error: no answer")


def test_an_absent_file_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    done = run("check", tmp_path / "none.jsonl")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "none.jsonl does not exist" in done.stderr


def test_every_verb_describes_itself() -> None:
    from medvlm.convert_command import VERBS

    for verb in VERBS:
        done = run(verb, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: medvlm convert {verb}")


def test_a_verb_loads_no_other() -> None:
    code = (
        "import sys; from medvlm.convert_command import main\ntry: main(['check', '-h'])\nfinally: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not {"torch", "pydicom", "medvlm.deidentify_command", "medvlm.show"} & set(done.stdout.split())


def test_an_unknown_verb_lists_them() -> None:
    done = run("shwo")
    assert done.returncode == 2
    assert "deidentify" in done.stderr
