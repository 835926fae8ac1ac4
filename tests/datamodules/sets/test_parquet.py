"""Parquet releases: the bytes of a cell become one file, once, untouched."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from medvlm.datamodules.sets import LoadReport, load_set, parquet
from medvlm.study import SampleError

Released = Callable[[str], Path]


def test_images_are_the_bytes_of_the_cells_and_equal_ones_are_one_file(released: Released) -> None:
    root = released("pathvqa")
    first, second, third = load_set("pathvqa", root, "test")
    assert first.images == third.images != second.images
    assert first.images[0].path.read_bytes() == b"\xff\xd8\xff not decoded"
    assert (first.images[0].path.suffix, second.images[0].path.suffix) == (".jpg", ".png")
    assert first.group == third.group == first.images[0].path.name
    assert len(list((root / ".medvlm" / "images").glob("*.[jp][pn]g"))) == 2


def test_the_second_reading_touches_no_image(released: Released, monkeypatch: pytest.MonkeyPatch) -> None:
    root = released("pathvqa")
    before = list(load_set("pathvqa", root, "test"))
    monkeypatch.setattr(parquet, "_write", None)
    assert list(load_set("pathvqa", root, "test")) == before


def test_a_changed_release_is_written_anew(released: Released) -> None:
    root = released("pathvqa")
    list(load_set("pathvqa", root, "test"))
    (path,) = (root / "data").glob("test-*.parquet")
    columns = {"image": [{"bytes": b"BM new"}], "question": ["Is it?"], "answer": ["no"]}
    importlib.import_module("pyarrow.parquet").write_table(importlib.import_module("pyarrow").table(columns), path)
    (sample,) = load_set("pathvqa", root, "test")
    assert sample.images[0].path.read_bytes() == b"BM new"


def test_an_image_that_was_deleted_is_counted_as_absent(released: Released) -> None:
    root, report = released("pathvqa"), LoadReport()
    first, *_ = load_set("pathvqa", root, "test")
    first.images[0].path.unlink()
    assert len(list(load_set("pathvqa", root, "test", absent="skip", report=report))) == 1
    assert report.absent_images == 2


def test_rows_are_numbered_through_the_shards_of_a_split(released: Released) -> None:
    root = released("pathvqa")
    (path,) = (root / "data").glob("test-*.parquet")
    other = path.with_name("test-00001-of-00002.parquet")
    other.write_bytes(path.read_bytes())
    samples = list(load_set("pathvqa", root, "test"))
    assert [sample.id for sample in samples] == [f"test-{n}" for n in (0, 1, 2, 4, 5, 6)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_says_what_to_do(released: Released) -> None:
    root = released("pathvqa")
    root.chmod(0o500)
    with pytest.raises(SampleError, match="cannot be written"):
        list(load_set("pathvqa", root, "test"))


def test_a_file_in_the_way_of_the_image_folder_says_what_to_do(released: Released) -> None:
    root = released("pathvqa")
    (root / ".medvlm").write_bytes(b"")
    with pytest.raises(SampleError, match="cannot be written"):
        list(load_set("pathvqa", root, "test"))


def test_a_parquet_file_that_is_cut_off_is_refused_by_name(released: Released) -> None:
    root = released("pathvqa")
    (path,) = (root / "data").glob("test-*.parquet")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SampleError, match=r"test-.*\.parquet: expected a parquet file"):
        list(load_set("pathvqa", root, "test"))


def test_lists_of_images_and_rows_without(tmp_path: Path) -> None:
    columns = {"images": [[{"bytes": b"BM 1"}, {"bytes": b"BM 2"}], None, []], "question": ["a", "b", "c"]}
    table = importlib.import_module("pyarrow").table(columns)
    importlib.import_module("pyarrow.parquet").write_table(table, tmp_path / "a.parquet")
    assert [len(names) for names in parquet.image_names(tmp_path / "a.parquet", "images", tmp_path)] == [2, 0, 0]
    assert parquet.has_images(tmp_path / "a.parquet", "images")
    assert not parquet.has_images(tmp_path / "a.parquet", "question")


def test_the_hubs_own_conversion_has_equal_names_in_every_split(released: Released) -> None:
    root = released("pathvqa")
    (path,) = (root / "data").glob("test-*.parquet")
    columns = {"image": [{"bytes": b"BM train"}], "question": ["Is it?"], "answer": ["no"]}
    (root / "default" / "train").mkdir(parents=True)
    table = importlib.import_module("pyarrow").table(columns)
    importlib.import_module("pyarrow.parquet").write_table(table, root / "default" / "train" / "0000.parquet")
    (root / "default" / "test").mkdir()
    path.rename(root / "default" / "test" / "0000.parquet")
    (train,) = load_set("pathvqa", root, "train")
    assert train.images[0].path.read_bytes() == b"BM train"
    assert len(list(load_set("pathvqa", root, "test"))) == 3
