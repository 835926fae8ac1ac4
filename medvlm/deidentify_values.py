"""Keyed stand-ins for what names a patient: the same key gives the same ones, in every file and every process."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import uuid
from datetime import date, timedelta
from pathlib import Path

LONGEST_SHIFT = 3650
"""Days by which dates are moved back at most; each patient's are moved by a number of their own."""

_KEEP_UID = ("1.2.840.10008.",)
"""Root of what the standard itself names: classes, transfer syntaxes, coding schemes, well-known frames."""
_DATE = re.compile(r"\d{8}")
_DATETIME = re.compile(r"(\d{8})(\d{0,6}(?:\.\d{1,6})?)(?:[+-]\d{4})?")
_TIME = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?")


class Pseudonyms:
    """Makes stand-ins with a secret key; without the key they lead back to nobody.

    Args:
        key: At least 16 secret bytes.

    Raises:
        ValueError: If the key is shorter.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError(f"The key has {len(key)} bytes; expected at least 16 secret ones.")
        self._key = key

    def _digest(self, what: str, text: str) -> bytes:
        return hmac.new(self._key, f"{what}\0{text}".encode(), hashlib.sha256).digest()

    def name(self, what: str, text: str, digits: int = 16) -> str:
        """Hex digits that stand for a text.

        Args:
            what: Kind of text: equal texts of different kinds get different digits.
            text: What is replaced.
            digits: How many.
        """
        return self._digest(what, text).hex()[:digits]

    def uid(self, old: str) -> str:
        """A UID for a UID, in the form made from a UUID (PS3.5 B.2); what the standard names stays.

        Args:
            old: The one replaced.
        """
        old = old.strip(" \0")
        if not old or (old.startswith(_KEEP_UID) and set(old) <= set("0123456789.")):
            return old
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', old)[:16], version=4).int}"

    def patient(self, identity: str) -> str:
        """A patient ID (0010,0020) for one.

        Args:
            identity: The old one; empty stays empty.
        """
        return f"P{self.name('patient', identity, 12).upper()}" if identity.strip("\0 ") else ""

    def shift(self, identity: str) -> timedelta:
        """How far a patient's dates are moved: 1 to 3,650 days back.

        Args:
            identity: What their files have in common.
        """
        number = int.from_bytes(self._digest("dates", identity)[:8], "big")
        return -timedelta(days=1 + number % LONGEST_SHIFT)


def shift_date(text: str, by: timedelta) -> str:
    """Move a DA value (PS3.5 6.2); empty if it is no date.

    Args:
        text: ``YYYYMMDD``, or the old ``YYYY.MM.DD``.
        by: How far.

    Examples:
        >>> shift_date("20240301", timedelta(days=-1)), shift_date("JOHN DOE", timedelta(days=-1))
        ('20240229', '')
    """
    plain = text.strip(" \0")
    if len(plain) == 10:
        plain = plain.replace(".", "")
    if not _DATE.fullmatch(plain):
        return ""
    try:
        return f"{date(int(plain[:4]), int(plain[4:6]), int(plain[6:])) + by:%Y%m%d}".rjust(8, "0")
    except (ValueError, OverflowError):
        return ""


def shift_datetime(text: str, by: timedelta) -> str:
    """Move a DT value, time of day kept, time zone dropped (it tells a place); empty if it has no full date.

    Args:
        text: ``YYYYMMDDHHMMSS.FFFFFF&ZZXX``.
        by: How far.

    Examples:
        >>> shift_datetime("20240301101500.5+0100", timedelta(days=-1))
        '20240229101500.5'
    """
    found = _DATETIME.fullmatch(text.strip(" \0"))
    moved = shift_date(found[1], by) if found else ""
    return moved + found[2] if found and moved else ""


def time_only(text: str) -> str:
    """A TM value if it is one, else nothing.

    Args:
        text: ``HHMMSS.FFFFFF``.

    Examples:
        >>> time_only("101500.25"), time_only("10:15 DOE")
        ('101500.25', '')
    """
    plain = text.strip(" \0")
    return plain if _TIME.fullmatch(plain) else ""


def read_key(path: Path) -> bytes:
    """The secret of a key file; a new one is written where there is none, readable by its owner only.

    Args:
        path: The file: at least 16 bytes, any content.

    Raises:
        ValueError: If it is shorter.
        OSError: If it can be neither read nor written.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    key = path.read_bytes().strip()
    if len(key) < 16:
        raise ValueError(f"{path} holds {len(key)} bytes; expected a key of at least 16 secret ones.")
    return key
