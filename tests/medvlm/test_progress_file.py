"""Lines of long work: kept over a kill, cut where the kill cut them, set aside for another run."""

from __future__ import annotations

from pathlib import Path

import pytest

from medvlm.progress_file import ProgressFile

KEY = {"model": "a", "seed": 0}


def test_a_killed_run_goes_on_behind_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "new" / "work"
    ProgressFile(path, KEY).append([{"id": "1"}, {"id": "ä\ud800"}])
    with path.open("ab") as file:
        file.write(b'{"id": "3", "te')
    again = ProgressFile(path, KEY)
    assert again.lines == [{"id": "1"}, {"id": "ä?"}]
    again.append([{"id": "4"}])
    assert [line["id"] for line in ProgressFile(path, KEY).lines] == ["1", "ä?", "4"]


def test_the_work_of_another_run_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "work"
    ProgressFile(path, KEY).append([{"id": "1"}])
    assert ProgressFile(path, KEY | {"seed": 1}).lines == []
    assert '"id": "1"' in (tmp_path / "work.old").read_text()


@pytest.mark.parametrize(("line", "words"), [(b"{", "is no JSON"), (b"[1]", "holds a list")])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes, words: str) -> None:
    ProgressFile(tmp_path / "work", KEY)
    with (tmp_path / "work").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(ValueError, match=f"work:2 {words}.*delete the file to begin again"):
        ProgressFile(tmp_path / "work", KEY)
