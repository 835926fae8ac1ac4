"""The shard verb: what it writes is read back as the set it was made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from medvlm.cli import main
from medvlm.datamodules.sets import load_set


def test_vqa_rad_goes_through_shards_unchanged(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shared_data / "vqa_rad"
    assert main(["convert", "shard", f"vqa_rad:{root}", str(tmp_path / "out"), "--mb", "8", "--quiet"]) == 0
    assert "451 test, 1,797 train questions on 314 images" in capsys.readouterr().out
    before, after = (
        {s.id: s for s in load_set(*args, "test")} for args in (("vqa_rad", root), ("shards", tmp_path / "out"))
    )
    assert before.keys() == after.keys()
    for name, sample in before.items():
        assert (after[name].question, after[name].answer, after[name].extra) == (
            sample.question,
            sample.answer,
            sample.extra,
        )


def test_what_cannot_be_written_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "shard", "vqa_rad:nowhere", str(tmp_path)]) == 2
    assert "does not exist" in capsys.readouterr().err
    (tmp_path / "shards.json").touch()
    (tmp_path / "own.jsonl").write_text('{"id": "1", "images": ["own.jsonl"], "question": "q?", "answer": "yes"}')
    assert main(["convert", "shard", str(tmp_path / "own.jsonl"), str(tmp_path), "--quiet"]) == 2
    assert "finished shards" in capsys.readouterr().err
