"""Large JSON files, one value at a time: the members of an object or the items of a list, without holding the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from medvlm.study import SampleError

from .table import open_text

CHUNK = 1 << 20
SPACE = re.compile(r"\s*")
COLON = re.compile(r"\s*:\s*")
END = re.compile(r"\s*(?:,|(?=[\]}]))")


def read_members(path: Path) -> Iterator[tuple[str, Any]]:
    """Give the members of one JSON object.

    Raises:
        SampleError: If the file is cut off or holds no object; the message says after which member.
    """
    with open_text(path) as file:
        yield from _values(path, file, "{", "}", "object")


def read_items(path: Path) -> Iterator[Any]:
    """Give the items of one JSON list.

    Raises:
        SampleError: If the file is cut off or holds no list; the message says after which item.
    """
    with open_text(path) as file:
        for _, value in _values(path, file, "[", "]", "list"):
            yield value


def _values(path: Path, file: IO[str], opening: str, closing: str, what: str) -> Iterator[tuple[str, Any]]:
    """Give the values of an object with their keys, or of a list with their places."""
    text, last, number = "", "the start", 0
    while not text and (more := file.read(CHUNK)):
        text = more.lstrip()
    if not text.startswith(opening):
        raise SampleError(f"{path}: expected a JSON {what} of records, found {text[:20]!r}")
    place = _skip(text, 1)
    while not text.startswith(closing, place):
        try:
            key, start = (str(number), place) if what == "list" else _key(text, place)
            value, end = json.JSONDecoder().raw_decode(text, start)
            follows = END.match(text, end)
            if follows is None:
                raise json.JSONDecodeError("expected a comma or a closing bracket", text, end)
        except (json.JSONDecodeError, RecursionError) as error:
            text, place = text[place:], 0
            more = "" if isinstance(error, RecursionError) else file.read(max(CHUNK, len(text)))
            if not more:
                reason = "nested too deeply" if isinstance(error, RecursionError) else error.msg
                raise SampleError(f"{path}: no valid JSON after {last}: {reason}") from None
            text = text + more
            place = _skip(text, 0)
            continue
        yield key, value
        last, number, place = key, number + 1, _skip(text, follows.end())


def _key(text: str, place: int) -> tuple[str, int]:
    """Read the key of a member, and return it with the place of the value."""
    key, end = json.JSONDecoder().raw_decode(text, place)
    colon = COLON.match(text, end)
    if colon is None or not isinstance(key, str):
        raise json.JSONDecodeError("expected a key and a colon", text, end)
    return key, colon.end()


def _skip(text: str, place: int) -> int:
    """Return the place of the next character that is no space."""
    found = SPACE.match(text, place)
    return found.end() if found else place
