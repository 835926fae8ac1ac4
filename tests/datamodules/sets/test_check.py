"""The checker of a JSONL file: every problem named, by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from medvlm.datamodules.sets.check import check_jsonl
from medvlm.study import Image

Write = Callable[..., Path]


def record(**changes: Any) -> dict[str, Any]:
    whole = {"id": "1", "images": ["a.png"], "question": "q?", "answer": "yes", "group": "p1"}
    return {**whole, **changes}


def found(path: Path, level: str = "error") -> list[str]:
    return [f"{p.line}: {p.text}" for p in check_jsonl(path).problems if p.level == level]


def test_a_good_file_has_no_problem_and_its_counts(jsonl: Write, png: Write) -> None:
    png("a.png"), png("b.png", 1)
    test = record(id="3", images=["b.png"], group="p2", split="test", answer="left")
    report = check_jsonl(jsonl(record(), record(id="2", question="r?"), test))
    assert (report.records, report.usable, report.images, report.problems) == (3, 3, 2, [])
    assert report.counts == {("train", "closed"): 2, ("test", "open"): 1}


def test_every_bad_line_is_named_and_the_check_goes_on(jsonl: Write, png: Write) -> None:
    png("a.png")
    lines = [record(), "{nonsense", record(id="2", answer=""), "[]", record(id="3", options=["a", "b"], answer="c")]
    problems = found(jsonl(*lines))
    assert [problem[0] for problem in problems] == ["2", "3", "4", "5"]
    assert "no valid JSON" in problems[0]
    assert "no answer" in problems[1]


def test_an_absent_and_an_unreadable_image_are_errors_of_their_line(jsonl: Write, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("this is no picture")
    problems = found(jsonl(record(images=["gone.png"]), record(id="2", images=["text.png"], question="r?")))
    assert "gone.png does not exist" in problems[0]
    assert problems[1].startswith("2: ")
    assert "cannot be read" in problems[1]


def test_a_patient_in_two_splits_is_an_error(jsonl: Write, png: Write) -> None:
    png("a.png"), png("b.png", 1)
    problems = found(jsonl(record(), record(id="2", images=["b.png"], split="test")))
    assert problems == ["2: group 'p1' is in test here and in train in line 1"]


def test_a_copy_of_an_image_under_another_name_and_patient_is_found(jsonl: Write, png: Write, tmp_path: Path) -> None:
    Picture.open(png("a.png")).save(tmp_path / "copy.png", compress_level=0)
    (problem,) = found(jsonl(record(), record(id="2", images=["copy.png"], group="p2", split="test")))
    assert "the pixels of" in problem
    assert "train in line 1" in problem


def test_ids_and_questions_used_twice(jsonl: Write, png: Write) -> None:
    png("a.png")
    path = jsonl(record(), record(question="r?"), record(id="3", answer="no"))
    assert found(path) == ["2: id '1' is used in line 1 already"]
    assert found(path, "warning") == ["3: same images and question as line 1, another answer"]


def test_a_misspelt_field_and_a_blank_image_are_warned_of(jsonl: Write, tmp_path: Path) -> None:
    Picture.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    warnings = found(jsonl(record(rational="because", hospital="x")), "warning")
    assert "did you mean 'rationale'?" in warnings[1]
    assert "every pixel has the same value" in warnings[0]
    assert len(warnings) == 2


def test_the_volume_flag_must_fit_what_the_file_holds(jsonl: Write, png: Write) -> None:
    png("a.png")
    path = jsonl(record(images=[{"path": "a.png", "volume": True}]))
    assert "is a 2D image, the record says a volume" in found(path)[0]
    report = check_jsonl(path, read=lambda _: Image(np.arange(8).reshape(2, 2, 2), "zyx"))
    assert not report.problems


def test_an_image_is_read_once_however_many_questions_it_has(jsonl: Write, png: Write) -> None:
    png("a.png")
    read: list[Path] = []

    def reader(path: Path) -> Image:
        read.append(path)
        return Image(np.arange(4).reshape(2, 2), "yx")

    check_jsonl(jsonl(*(record(id=str(n), question=f"{n}?") for n in range(5))), read=reader)
    assert len(read) == 1


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.jsonl").write_text(text)
    assert found(tmp_path / "data.jsonl") == ["0: the file holds no record"]


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.jsonl does not exist"):
        check_jsonl(tmp_path / "none.jsonl")


def test_bytes_that_are_no_text_are_a_problem_of_the_line_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(b"\xff\xfe\x00{\n" + b"[" * 100_000 + b"\n")
    assert len(found(tmp_path / "data.jsonl")) == 2
