"""Errors that may quote a patient's header are said without their words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from medvlm.discreet import brief, said
from medvlm.files import write_whole
from medvlm.study import ImageError


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def test_the_class_and_the_place_are_said_and_not_the_words() -> None:
    error = raised(KeyError("Zebedee"))
    text = brief(KeyError, error, error.__traceback__)
    assert text.startswith("KeyError at test_discreet.py:")
    assert "Zebedee" not in text


def test_what_we_wrote_is_said_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDVLM_DEBUG", raising=False)
    assert said(raised(ImageError("FILE: no pixels"))) == "FILE: no pixels"
    assert "Zebedee" not in said(raised(ValueError("Zebedee")))
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Zebedee") as caught:
        write_whole(tmp_path / "file" / "Zebedee" / "x", "")
    assert said(caught.value).count("Zebedee") == 0
    assert "Not a directory" in said(caught.value)


@pytest.mark.parametrize("how", ["f()", "import threading; threading.Thread(target=f).start()"])
@pytest.mark.parametrize("debug", ["", "1"])
def test_an_error_that_nobody_takes_is_said_in_brief(how: str, debug: str) -> None:
    code = f"import medvlm.discreet as d; d.be_discreet()\ndef f(): raise KeyError('Zebedee')\n{how}"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"MEDVLM_DEBUG": debug}, capture_output=True, text=True, check=False
    )
    assert "KeyError" in done.stderr
    assert ("Zebedee" in done.stderr) == bool(debug)


def test_a_process_ends_in_brief_where_something_is_raised() -> None:
    code = (
        "import multiprocessing as m, sys\nfrom medvlm.discreet import Discreet\n"
        "def f():\n    with Discreet(): raise KeyError('Zebedee')\n"
        "p = m.get_context('fork').Process(target=f); p.start(); p.join(); sys.exit(p.exitcode + 6)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert "KeyError" in done.stderr
    assert "Zebedee" not in done.stderr
