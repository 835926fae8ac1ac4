"""Names by content: hashed once, never stale."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from medvlm.datamodules import content
from medvlm.datamodules.content import Digests, image_files
from medvlm.study import ImageError


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are hashed, in order; a file settles at once."""
    seen: list[Path] = []

    def note(path: Path) -> str:
        seen.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(content, "sha256_file", note)
    monkeypatch.setattr(content, "SETTLED_S", -1.0)
    return seen


def test_a_file_is_named_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert Digests()(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4


def test_another_process_finds_the_hash_in_the_journal(tmp_path: Path, hashed: list[Path]) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    names = [Digests(tmp_path / "journal")(tmp_path / "a") for _ in range(2)]
    assert names[0] == names[1]
    assert len(hashed) == 1


def test_a_journal_that_was_cut_off_or_damaged_costs_a_hash_and_no_more(tmp_path: Path, hashed: list[Path]) -> None:
    journal = tmp_path / "journal"
    (tmp_path / "a").write_bytes(b"abc")
    name = Digests(journal)(tmp_path / "a")
    line = journal.read_bytes()
    for damaged in (line[:40], line.replace(name[:4].encode(), b"0000"), b"\xff\n" + line[:-2], b""):
        journal.write_bytes(damaged)
        assert Digests(journal)(tmp_path / "a") == name
    assert len(hashed) == 5


def test_a_changed_file_is_hashed_again_even_with_its_old_date(tmp_path: Path, hashed: list[Path]) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    os.utime(tmp_path / "a", (1, 1))
    digests = Digests()
    before = digests(tmp_path / "a")
    time.sleep(0.05)  # the clock of a file system may tick only every few milliseconds
    (tmp_path / "a").write_bytes(b"abd")
    os.utime(tmp_path / "a", (1, 1))
    assert digests(tmp_path / "a") != before


def test_a_file_that_may_still_change_is_hashed_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "SETTLED_S", 60.0)
    (tmp_path / "a").write_bytes(b"abc")
    digests = Digests(tmp_path / "journal")
    digests(tmp_path / "a")
    assert not (tmp_path / "journal").exists()


@pytest.mark.parametrize(
    ("header", "text", "voxels"),
    [
        ("a.mhd", "NDims = 3\nElementDataFile = other.raw\n", "other.raw"),
        ("a.nhdr", "NRRD0004\ntype: short\ndata file: b.raw.gz\n", "b.raw.gz"),
        ("a.hdr", "binary", "a.img"),
        ("a.img", "binary", "a.hdr"),
    ],
)
def test_a_header_changes_with_the_file_of_its_voxels(tmp_path: Path, header: str, text: str, voxels: str) -> None:
    (tmp_path / header).write_text(text)
    (tmp_path / voxels).write_bytes(b"1")
    before = Digests()(tmp_path / header)
    (tmp_path / "stranger").write_bytes(b"1")
    assert Digests()(tmp_path / header) == before
    (tmp_path / voxels).write_bytes(b"2")
    assert Digests()(tmp_path / header) != before


def test_within_one_run_a_settled_file_is_not_read(tmp_path: Path, hashed: list[Path]) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    digests = Digests(stamps=True)
    before = digests(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"abcd")
    assert digests(tmp_path / "a") != before
    assert not hashed


def test_a_header_with_its_own_voxels_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.mha").write_bytes(b"ElementDataFile = LOCAL\nabc")
    assert image_files(tmp_path / "a.mha") == [tmp_path / "a.mha"]


def test_a_folder_is_named_by_its_files_and_an_absent_one_refused(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1").write_bytes(b"1")
    assert Digests()(tmp_path / "x") == Digests()(tmp_path / "y")
    (tmp_path / "y" / "2").write_bytes(b"2")
    assert Digests()(tmp_path / "x") != Digests()(tmp_path / "y")
    with pytest.raises(ImageError, match="found nothing there"):
        Digests()(tmp_path / "z")
