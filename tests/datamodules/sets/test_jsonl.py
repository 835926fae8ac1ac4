"""The format for one's own data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medvlm.datamodules.sets import LoadReport
from medvlm.datamodules.sets.jsonl import load_jsonl
from medvlm.study import ImageRef, Region, Sample, SampleError

Write = Callable[..., Path]


def record(**changes: Any) -> dict[str, Any]:
    return {"id": "1", "images": ["a.png"], "question": "q?", "answer": "yes", **changes}


def only(path: Path, split: str = "train") -> Sample:
    (sample,) = load_jsonl(path, split)
    return sample


def test_a_record_of_every_field(jsonl: Write, tmp_path: Path) -> None:
    images = ["now.dcm", {"path": "ct/p9", "volume": True}]
    options = ["better", "worse"]
    sample = only(
        jsonl(
            record(
                images=images,
                answer="worse",
                kind="choice",
                options=options,
                group="p9",
                split="test",
                categories={"task": "change"},
                rationale="It grew.",
                weak_answer="better",
                hospital="north",
            )
        ),
        "test",
    )
    assert [(image.path, image.volume) for image in sample.images] == [
        (tmp_path / "now.dcm", False),
        (tmp_path / "ct/p9", True),
    ]
    assert (sample.kind, sample.answer, sample.options) == ("choice", "worse", ("better", "worse"))
    assert (sample.group, sample.split, sample.categories) == ("p9", "test", {"task": "change"})
    assert (sample.rationale, sample.weak_answer, sample.extra) == ("It grew.", "better", {"hospital": "north"})


def test_a_part_of_a_slide_is_an_image(jsonl: Write, tmp_path: Path) -> None:
    part = {"path": "a.svs", "box": [448, 0, 896, 448], "size": [224, 224]}
    sample = only(jsonl(record(images=["a.svs", part])))
    region = Region((448, 0, 896, 448), (224, 224))
    assert sample.images == (ImageRef(tmp_path / "a.svs"), ImageRef(tmp_path / "a.svs", region=region))


@pytest.mark.parametrize(
    ("changes", "kind", "answer"),
    [
        ({"answer": "Yes."}, "closed", "yes"),
        ({"answer": "left lung"}, "open", "left lung"),
        ({"answer": "b", "options": ["a", "b"]}, "choice", "b"),
        ({"answer": 4, "kind": "number"}, "number", "4"),
        ({"answer": [0, 0.126, 0.5, 1], "kind": "box"}, "box", "0.00 0.13 0.50 1.00"),
        ({"answer": "No", "kind": "open"}, "open", "No"),
    ],
)
def test_kinds_are_read_or_derived(jsonl: Write, changes: dict[str, Any], kind: str, answer: str) -> None:
    sample = only(jsonl(record(**changes)))
    assert (sample.kind, sample.answer) == (kind, answer)


def test_without_a_group_the_first_image_is_the_group(jsonl: Write) -> None:
    assert only(jsonl(record(images=["img/a.png", "img/b.png"]))).group == "img/a.png"


def test_absolute_paths_stay_and_a_folder_may_be_given(jsonl: Write, tmp_path: Path) -> None:
    jsonl(record(images=["/data/a.png"]))
    assert only(tmp_path).images[0].path == Path("/data/a.png")


@pytest.mark.parametrize(("word", "split"), [("val", "validate"), ("Validation", "validate"), ("test", "test")])
def test_splits_in_other_words(jsonl: Write, word: str, split: str) -> None:
    assert only(jsonl(record(split=word)), split).split == split


def test_only_the_split_asked_for_is_given_and_counted(jsonl: Write) -> None:
    path, report = jsonl(record(), record(id="2", split="test")), LoadReport()
    assert [sample.id for sample in load_jsonl(path, "test", report=report)] == ["2"]
    assert report.records == 1
    assert len(list(load_jsonl(path, "all"))) == 2


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "no valid JSON"),
        ("[1]", "record is list, expected an object"),
        (record(id=None), "no id"),
        (record(id="1"), "id used twice"),
        (record(id="2", images=None), "no images"),
        (record(id="2", images="a.png"), "no images"),
        (record(id="2", images=[3]), "record is int"),
        (record(id="2", images=[{"path": "a.svs", "box": [0, 0, 9, 9]}]), "a part of a slide is"),
        (record(id="2", images=[{"path": "a.svs", "box": [9, 0, 0, 9], "size": [4, 4]}]), "a part of a slide is"),
        (record(id="2", images=[{"volume": True}]), "image is not a path"),
        (record(id="2", images=["a\0.png"]), "image"),
        (record(id="2", question=""), "no question"),
        (record(id="2", answer=None), "no answer"),
        (record(id="2", answer={"a": 1}), "answer is dict, expected text"),
        (record(id="2", answer="B", options=["x", "y"]), "answer is none of the options"),
        (record(id="2", kind="choice"), "choice with 0 options"),
        (record(id="2", options=["x", "x"], answer="x"), "the same option twice"),
        (record(id="2", kind="closed", answer="left"), "closed answer is not yes or no"),
        (record(id="2", kind="number", answer="nan"), "answer is no number"),
        (record(id="2", kind="box", answer=[0.5, 0, 0.1, 1]), "box is not x0 < x1"),
        (record(id="2", kind="box", answer=[0, 0, 300, 400]), "box is not x0 < x1"),
        (record(id="2", kind="box", answer="a b c d"), "box is not four numbers"),
        (record(id="2", kind="multi"), "kind is not one of choice"),
        (record(id="2", split="holdout"), "split is not train"),
        (record(id="2", categories=["x"]), "categories: expected an object"),
    ],
)
def test_an_unusable_line_is_counted_and_the_rest_is_given(jsonl: Write, bad: Any, reason: str) -> None:
    report = LoadReport()
    assert [sample.id for sample in load_jsonl(jsonl(record(), bad), "train", report=report)] == ["1"]
    (found,) = report.skipped
    assert found.startswith(reason)


def test_an_empty_file_and_an_absent_one_are_errors(jsonl: Write, tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="0 records"):
        list(load_jsonl(jsonl(), "train"))
    with pytest.raises(FileNotFoundError, match=r"set data\.root to a \.jsonl file"):
        load_jsonl(tmp_path / "none.jsonl", "train")
    with pytest.raises(FileNotFoundError, match=r"data\.jsonl"):
        load_jsonl(tmp_path.parent / "nofolder" / "data.jsonl", "train")


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    line = b'{"id": "1", "images": ["a"], "question": "q", "answer": "yes"}'
    (tmp_path / "data.jsonl").write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n  \n")
    assert only(tmp_path).id == "1"


def test_a_question_on_text_alone_has_an_empty_list_of_images_and_a_group_of_its_own(jsonl: Write) -> None:
    sample = only(jsonl(record(images=[])))
    assert (sample.images, sample.group) == ((), "1")


def test_a_record_says_what_a_file_cannot(tmp_path: Path) -> None:
    image = {"path": "a.nii.gz", "volume": True, "modality": "CT"}
    record = {"id": "1", "images": [image], "question": "?", "answer": "yes"}
    (tmp_path / "data.jsonl").write_text(json.dumps(record))
    (sample,) = load_jsonl(tmp_path / "data.jsonl", "all")
    assert sample.images == (ImageRef(tmp_path / "a.nii.gz", volume=True, modality="CT"),)
