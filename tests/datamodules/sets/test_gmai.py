"""GMAI-MMBench: images in base64 become files once, and a small table is read from then on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medvlm.datamodules.sets import gmai
from medvlm.datamodules.sets.gmai import load_gmai
from medvlm.study import SampleError

Released = Callable[[str], Path]


def test_options_that_are_none_are_dropped_and_letters_count_all_five(released: Released) -> None:
    first, second = load_gmai(released("gmai"), "validate")
    assert first.options == ("Liver", "Lung", "Heart", "Spleen")
    assert (first.answer, second.options, second.answer) == ("Lung", ("Left", "Right"), "Right")
    assert (first.images, first.group) == (second.images, second.group)
    assert first.images[0].path.read_bytes() == b"\xff\xd8\xff not decoded" * 9000


def test_the_second_reading_takes_the_small_table(released: Released, monkeypatch: pytest.MonkeyPatch) -> None:
    root = released("gmai")
    before = list(load_gmai(root, "validate"))
    monkeypatch.setattr(gmai, "_copy", None)
    assert list(load_gmai(root, "validate")) == before
    assert (root / ".medvlm" / "GMAI_mm_bench_VAL.tsv").stat().st_size < 1000


def test_a_changed_table_is_read_anew(released: Released) -> None:
    root = released("gmai")
    list(load_gmai(root, "validate"))
    path = root / "GMAI_mm_bench_VAL.tsv"
    path.write_text(path.read_text().replace("Which side?", "Which one?"))
    assert list(load_gmai(root, "validate"))[1].question == "Which one?"


def test_a_table_that_breaks_off_leaves_no_half_copy(released: Released) -> None:
    root = released("gmai")
    path = root / "GMAI_mm_bench_VAL.tsv"
    path.write_text(path.read_text().replace("question", "inquiry", 1))
    with pytest.raises(SampleError, match="no column 'question'"):
        list(load_gmai(root, "validate"))
    assert [file.name for file in (root / ".medvlm").rglob("*") if file.is_file()] == []


def test_the_test_part_has_no_public_answers(released: Released) -> None:
    with pytest.raises(ValueError, match="no test split, only validate"):
        load_gmai(released("gmai"), "test")
