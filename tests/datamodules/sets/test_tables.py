"""Tables and lines of text: what is in the file is what a set sees."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest

from medvlm.datamodules.sets.records import UnusableRecordError
from medvlm.datamodules.sets.table import read_jsonl, read_table
from medvlm.study import SampleError


def test_cells_stay_the_text_that_is_in_the_file(tmp_path: Path) -> None:
    rows = [["N/A", "0012", "", 'a "quote", and\na line'], ["1e5", "nan", "NULL", "é"]]
    text = io.StringIO()
    csv.writer(text).writerows([["a", "b", "c", "d"], *rows])
    (tmp_path / "t.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
    assert [list(row.values()) for row in read_table(tmp_path / "t.csv", ["a"]) if isinstance(row, dict)] == rows


def test_a_byte_order_mark_tabs_and_gzip(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(b"\xef\xbb\xbfa\tb\n1,5\t2\n")
    assert list(read_table(tmp_path / "t.tsv", ["a", "b"])) == [{"a": "1,5", "b": "2"}]
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert list(read_table(tmp_path / "t.csv.gz", ["b"])) == [{"a": "1", "b": "2"}]


def test_a_cell_may_be_larger_than_the_limit_of_the_csv_module(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"a,b\n{'x' * 300_000},2\n")
    (row,) = read_table(tmp_path / "t.csv", ["a"])
    assert isinstance(row, dict)
    assert len(row["a"]) == 300_000


def test_a_missing_column_names_the_nearest_and_a_second_spelling_is_taken(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Question,Anwser\nq,a\n")
    with pytest.raises(SampleError, match=r"t\.csv: no column 'Answer' \(did you mean 'Anwser'\?\)"):
        list(read_table(tmp_path / "t.csv", ["Answer"]))
    assert list(read_table(tmp_path / "t.csv", ["Answer|Anwser"])) == [{"Question": "q", "Anwser": "a"}]


def test_a_ragged_row_is_given_as_an_error_and_reading_goes_on(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1\n\n2,3\n4,5,6\n")
    rows = list(read_table(tmp_path / "t.csv", ["a"]))
    assert [type(row) for row in rows] == [UnusableRecordError, dict, UnusableRecordError]
    assert "another number of cells" in str(rows[0])


def test_a_gzip_that_is_cut_off_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1000)[:-20])
    with pytest.raises(SampleError, match=r"t\.csv\.gz"):
        list(read_table(tmp_path / "t.csv.gz", ["a"]))


def test_a_bad_line_is_given_as_an_error_and_an_empty_file_refused(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n\n{nonsense\n' + "[" * 100_000 + "\n")
    first, second, third = read_jsonl(tmp_path / "t.jsonl")
    assert first == {"a": 1}
    assert "no valid JSON" in str(second)
    assert "no valid JSON" in str(third)
    (tmp_path / "t.jsonl").write_text("\n")
    with pytest.raises(SampleError, match="empty file"):
        list(read_jsonl(tmp_path / "t.jsonl"))
