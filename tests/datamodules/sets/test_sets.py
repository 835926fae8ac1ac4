"""What holds for every set: the names, unique ids, answers among the options, and no pixels read."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from medvlm.datamodules import readers
from medvlm.datamodules.phantoms.thorax_set import make_thorax
from medvlm.datamodules.sets import SETS, LoadReport, load_set
from medvlm.study import Sample

Write = Callable[..., Path]


@pytest.fixture(params=["vqa_rad", "slake", "rexvqa", "jsonl"])
def any_set(request: pytest.FixtureRequest, rexvqa: Write, jsonl: Write) -> tuple[str, Path]:
    name = request.param
    if name == "rexvqa":
        return name, rexvqa({}, {"correct_answer": "A"})
    if name == "jsonl":
        record = {"images": ["a.png"], "question": "q?", "answer": "no", "split": "test"}
        return name, jsonl({**record, "id": "1"}, {**record, "id": "2", "options": ["yes", "no"], "kind": "choice"})
    return name, request.getfixturevalue(name)


def test_samples_are_whole(any_set: tuple[str, Path]) -> None:
    report = LoadReport()
    samples = list(load_set(*any_set, "test", report=report))
    assert len({sample.id for sample in samples}) == len(samples) == report.kept > 0
    assert report.records == report.kept + sum(report.skipped.values())
    for sample in samples:
        assert sample.images
        assert sample.question
        assert sample.answer
        assert sample.group
        assert sample.split == "test"
        assert (sample.kind == "choice") == bool(sample.options)
        assert sample.kind != "choice" or sample.answer in sample.options
        assert sample.kind != "closed" or sample.answer in ("yes", "no")


def test_no_pixels_are_read(any_set: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a set opened an image")

    opened: list[str] = []
    plain_open = builtins.open

    def watch(file: Any, *rest: Any, **named: Any) -> Any:
        opened.append(str(file))
        return plain_open(file, *rest, **named)

    monkeypatch.setattr(PIL.Image, "open", refuse)
    monkeypatch.setattr(readers, "read_image", refuse)
    monkeypatch.setattr(builtins, "open", watch)
    list(load_set(*any_set, "test"))
    assert not [path for path in opened if path.endswith((".jpg", ".png"))]


def test_two_readings_are_equal(any_set: tuple[str, Path]) -> None:
    assert list(load_set(*any_set, "test")) == list(load_set(*any_set, "test"))


def test_an_unknown_split_and_option_are_named_with_the_nearest(any_set: tuple[str, Path]) -> None:
    with pytest.raises(ValueError, match="did you mean 'test'"):
        load_set(*any_set, "tset")
    with pytest.raises(ValueError, match="did you mean 'report'"):
        load_set(*any_set, "test", reprot=LoadReport())
    with pytest.raises(ValueError, match="absent='drop'"):
        list(load_set(*any_set, "test", absent="drop"))


def test_every_set_says_that_its_folder_is_missing(tmp_path: Path) -> None:
    for name in ("vqa_rad", "slake", "rexvqa", "jsonl"):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            load_set(name, tmp_path / "nowhere", "test")


def test_the_names_of_the_sets() -> None:
    assert {"vqa_rad", "slake", "rexvqa", "jsonl", "thorax"} <= set(SETS)
    with pytest.raises(ValueError, match="did you mean 'slake'"):
        load_set("Slake", ".", "test")


def test_one_report_adds_up_over_splits(jsonl: Write) -> None:
    record = {"images": ["a.png"], "question": "q?", "answer": "no"}
    path, report = jsonl({**record, "id": "1"}, {**record, "id": "2", "split": "test"}), LoadReport()

    def read(split: str) -> Iterator[Sample]:
        return load_set("jsonl", path, split, report=report)

    assert len([*read("train"), *read("test")]) == report.kept == 2


def test_the_phantom_takes_its_own_options_and_is_counted_like_any_set(tmp_path: Path) -> None:
    make_thorax(tmp_path / "thorax", patients=6, size=32)
    report = LoadReport()
    samples = list(load_set("thorax", tmp_path / "thorax", "train", kinds=("closed", "choice"), report=report))
    assert {sample.kind for sample in samples} == {"closed", "choice"}
    assert (report.kept, report.absent_images) == (len(samples), 0)
    with pytest.raises(ValueError, match="did you mean 'miner'"):
        load_set("thorax", tmp_path / "thorax", "train", minor="crude")
