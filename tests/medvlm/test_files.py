"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from medvlm.files import atomic_file, atomic_folder, write_whole


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "a.json", "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "a.json", "new")
    assert (tmp_path / "a.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_text_and_line_ends_are_written_as_they_are(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "a.csv", "\u80ba\r\n")
    assert (tmp_path / "new" / "a.csv").read_bytes() == b"\xe8\x82\xba\r\n"


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    def half() -> None:
        with atomic_file(tmp_path / "a") as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    def half(content: bytes, fail: bool) -> None:
        with atomic_folder(tmp_path / "b") as folder:
            (folder / "c").write_bytes(content)
            if fail:
                raise KeyError

    half(b"old", fail=False)
    with pytest.raises(KeyError):
        half(b"new", fail=True)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b" / "c").read_bytes() == b"old"
