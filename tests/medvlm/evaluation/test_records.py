"""Records on disk: what is kept after a crash, what is set aside, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from medvlm.evaluation.records import Record, RecordFile, grade, read_records
from medvlm.study import Sample

CHOICE = Sample("q1", (), "Which side?", "right", "choice", ("left", "right"), categories={"organ": "CHEST"})
OPEN = Sample("q2", (), "What is it?", "pleural effusion", "open")


def record(text: str = "B", sample: Sample = CHOICE, **settings: object) -> Record:
    return grade(sample, text, run="run1", cluster="p1", **settings)  # type: ignore[arg-type]


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    odd = "B\r\n\u2028左侧 \x00 \ud800"
    with RecordFile(tmp_path / "r.jsonl", "run1") as file:
        file.append([record(logps=(-0.5, -1.5)), record(odd)])
    first, second = read_records(tmp_path / "r.jsonl")
    assert first == record(logps=(-0.5, -1.5))
    assert first.confidence == pytest.approx(math.exp(-1))
    assert second.text.startswith("B\r\n\u2028左侧 \x00")


@pytest.mark.parametrize("torn", [b"{", b'{"run": "run1", "id": "q', b"\xff\xfe"])
def test_a_torn_last_line_is_dropped(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "r.jsonl"
    with RecordFile(path, "run1") as file:
        file.append([record()])
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert read_records(path) == [record()]
    with RecordFile(path, "run1") as file:
        assert file.records == [record()]
        file.append([record("A")])
    assert read_records(path) == [record(), record("A")]


def test_a_record_cut_at_any_byte_is_whole_or_gone(tmp_path: Path) -> None:
    line = record().to_line()
    for length in range(len(line)):
        (tmp_path / "r.jsonl").write_bytes(line + line[:length])
        assert len(read_records(tmp_path / "r.jsonl")) == 1


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(record().to_line() + b"{}\n" + record().to_line())
    with pytest.raises(ValueError, match=r"r\.jsonl:2 is no record"):
        read_records(path)


def test_a_file_that_is_no_record_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("some notes\n")
    with pytest.raises(ValueError, match="is no record"):
        RecordFile(path, "run1")
    assert path.read_text() == "some notes\n"


def test_the_file_of_another_run_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with RecordFile(path, "run1") as file:
        file.append([record()])
    with RecordFile(path, "run2") as file:
        assert file.records == []
    assert read_records(tmp_path / "r.run1.jsonl") == [record()]


def test_an_absent_file_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        read_records("nowhere.jsonl")


def test_scores_of_each_kind() -> None:
    assert record("effusion", OPEN).scores == {
        "exact_match": 0.0,
        "token_f1": pytest.approx(2 / 3),
        "token_recall": 0.5,
    }
    box = Sample("q3", (), "Where?", "0 0 0.5 0.5", "box")
    assert record("0 0 0.5 0.4", box).scores["iou"] == pytest.approx(0.8)
    assert record("no idea", box).scores["iou"] == 0.0
    report = Sample("q4", (), "Report.", "Large effusion. Cardiomegaly.", "report")
    graded = record("Effusion. Pneumothorax.", report)
    assert graded.scores == {"hits": 1.0, "extra": 1.0, "missed": 1.0}
    assert graded.correct is None


def test_an_unparsed_open_answer_scores_nothing() -> None:
    assert record("<think>pleural effusion</think>", OPEN).scores["token_recall"] == 0.0


def test_infinite_log_probabilities_do_not_reach_the_disk() -> None:
    assert record(logps=(-math.inf,)).logp is None
    assert b"Infinity" not in record(logps=(-math.inf,)).to_line()


def test_a_record_knows_whether_the_sample_changed() -> None:
    assert record().asks(CHOICE)
    assert not record().asks(replace(CHOICE, options=("right", "left")))
    assert not record().asks(replace(CHOICE, answer="left"))
