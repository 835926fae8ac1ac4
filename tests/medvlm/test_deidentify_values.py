"""Keyed stand-ins: the same in every process, intervals kept, nothing that leads back."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from pydicom.uid import UID

from medvlm.deidentify_values import LONGEST_SHIFT, Pseudonyms, read_key, shift_date, shift_datetime, time_only

KEY = b"0123456789abcdef"


def test_uids_are_valid_and_the_same_in_another_process() -> None:
    new = Pseudonyms(KEY).uid("1.2.840.113619.2.55.3")
    assert UID(new).is_valid
    assert new.startswith("2.25.")
    code = "from medvlm.deidentify_values import *; print(Pseudonyms(b'0123456789abcdef').uid('1.2.840.113619.2.55.3'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert new == other
    assert new != Pseudonyms(KEY[::-1]).uid("1.2.840.113619.2.55.3")


def test_what_the_standard_names_stays_and_text_in_a_uid_does_not() -> None:
    pseudonyms = Pseudonyms(KEY)
    assert pseudonyms.uid("1.2.840.10008.1.2.1") == "1.2.840.10008.1.2.1"
    assert pseudonyms.uid("") == ""
    assert "DOE" not in pseudonyms.uid("1.2.840.10008.DOE")


def test_patients_differ_and_nobody_stays_nobody() -> None:
    pseudonyms = Pseudonyms(KEY)
    assert len({pseudonyms.patient(who) for who in ("1", "2", "12")}) == 3
    assert pseudonyms.patient(" \0") == ""


def test_dates_move_back_and_keep_their_distance() -> None:
    shift = Pseudonyms(KEY).shift("1\0A")
    assert timedelta(days=-LONGEST_SHIFT) <= shift < timedelta(0)
    first, second = (shift_date(text, shift) for text in ("20240228", "20240309"))
    assert date.fromisoformat(second) - date.fromisoformat(first) == timedelta(days=10)
    assert shift_datetime("20240228235959.123456", shift) == f"{first}235959.123456"


@pytest.mark.parametrize("text", ["JOHN DOE", "20241301", "00010101", "2024", "20240101-20240102", ""])
def test_what_is_no_date_goes(text: str) -> None:
    assert shift_date(text, timedelta(days=-400)) == ""
    assert shift_datetime(f"{text} DOE", timedelta(days=-400)) == ""


def test_times_keep_their_form_or_go() -> None:
    assert [time_only(text) for text in ("10", "1015", "101559.5 ", "10:15:59", "DOE")] == [
        "10",
        "1015",
        "101559.5",
        "",
        "",
    ]


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    key = read_key(tmp_path / "new" / "key")
    assert len(key) >= 32
    assert read_key(tmp_path / "new" / "key") == key
    assert (tmp_path / "new" / "key").stat().st_mode & 0o077 == 0


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short")
    with pytest.raises(ValueError, match="holds 5 bytes"):
        read_key(tmp_path / "key")
    with pytest.raises(ValueError, match="at least 16"):
        Pseudonyms(b"short")
