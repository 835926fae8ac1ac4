"""Large JSON files, one value at a time, against the json module."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from medvlm.datamodules.sets.stream import read_items, read_members
from medvlm.study import SampleError

VALUES = [12, -1.5e3, 'a"b]}\n', None, True, [], {}, [[1, {"x": "[,]"}]], {"k": [1, 2]}, "é\u2028"]


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_items_and_members_are_those_of_the_json_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None
) -> None:
    monkeypatch.setattr("medvlm.datamodules.sets.stream.CHUNK", chunk)
    path = tmp_path / "a.json"
    path.write_text(" \n" + json.dumps(VALUES, indent=indent), encoding="utf-8")
    assert list(read_items(path)) == VALUES
    members = {f"k{n}": value for n, value in enumerate(VALUES)}
    path.write_text(json.dumps(members, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert dict(read_members(path)) == members


def test_an_empty_list_and_a_gzipped_one(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[ ]")
    assert list(read_items(tmp_path / "a.json")) == []
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[1, 2]"))
    assert list(read_items(tmp_path / "a.json.gz")) == [1, 2]


@pytest.mark.parametrize("text", ["", "{}", "[1, 2", "[1 2]", '["a', "nonsense", "[1,, 2]", "[" * 100_000])
def test_what_is_no_list_or_is_cut_off_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SampleError, match=r"a\.json"):
        list(read_items(tmp_path / "a.json"))


def test_the_items_before_a_cut_are_given_first(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[1, 2, {"a')
    items = read_items(tmp_path / "a.json")
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(SampleError, match="after 1"):
        next(items)
