"""How a command line names a set: ``NAME:ROOT[:SPLIT]``, or a JSONL file of one's own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

SPLITS = ("train", "validate", "test", "all")
ARGUMENT = "NAME:ROOT[:SPLIT] of a set (vqa_rad:data/vqa_rad:train), or a .jsonl file[:SPLIT]"


def split_argument(text: str, split: str) -> tuple[str, str, str]:
    """Read the name, the root and the split of an argument.

    Args:
        text: ``NAME:ROOT[:SPLIT]`` or a ``.jsonl`` file.
        split: Where the argument has none; of a ``.jsonl`` file, all.

    Raises:
        ValueError: If it has another form.

    Examples:
        >>> split_argument("vqa_rad:data/vqa_rad", "train"), split_argument("own.jsonl:test", "train")
        (('vqa_rad', 'data/vqa_rad', 'train'), ('jsonl', 'own.jsonl', 'test'))
    """
    rest, colon, last = text.rpartition(":")
    rest, chosen = (rest, last) if colon and last in SPLITS else (text, "")
    if rest.endswith(".jsonl") and (":" not in rest or Path(rest).is_file()):
        return "jsonl", rest, chosen or "all"
    name, colon, root = rest.partition(":")
    if not colon or not name or not root:
        raise ValueError(f"{text!r}: expected {ARGUMENT}")
    return name, root, chosen or split


def set_options(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read ``NAME.KEY=VALUE`` options of sets, values as YAML.

    Raises:
        ValueError: If one has another form.

    Examples:
        >>> set_options(["slake.languages=[en,zh]"])
        {'slake': {'languages': ['en', 'zh']}}
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        name, dot, option = key.partition(".")
        if not equals or not dot:
            raise ValueError(f"--option looks like slake.languages=[en,zh], got {text!r}")
        found.setdefault(name, {})[option] = yaml.safe_load(value)
    return found
