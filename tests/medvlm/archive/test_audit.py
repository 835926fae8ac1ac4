"""An audit that names nobody, whoever calls, and that says so when the disk was full."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medvlm.archive.audit import Audit


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_studies_have_pseudonyms_that_only_the_key_makes(tmp_path: Path) -> None:
    for key in ("one", "one", "two"):
        Audit(tmp_path / "audit", tmp_path / key).note("reported", study="1.2.3", counts={"sent": 1})
    first, again, other = (line["study"] for line in lines(tmp_path / "audit"))
    assert first == again != other
    assert "1.2.3" not in (tmp_path / "audit").read_text()
    assert (tmp_path / "one").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("peer", ["A\n{}", 'X", "event": "forged', "\x1b[31mRED"])
def test_a_caller_cannot_forge_a_line(tmp_path: Path, peer: str) -> None:
    Audit(tmp_path / "audit", tmp_path / "key").note("echo", peer=peer)
    (line,) = lines(tmp_path / "audit")
    assert line["event"] == "echo"
    assert set(str(line["peer"])) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:+-")


def test_lines_that_a_full_disk_lost_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    audit = Audit(tmp_path / "audit", tmp_path / "key")
    with monkeypatch.context() as patch:
        patch.setattr("medvlm.archive.audit.append_line", full)
        audit.note("echo")
        audit.note("echo")
    audit.note("start")
    audit.note("stop")
    assert [line.get("lost") for line in lines(tmp_path / "audit")] == [2, None]
