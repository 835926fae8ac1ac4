"""What a score was made of, field by field: protocol, prompt, parser, split, decoding, weights, seed, versions.

No clock is read: the same records give the same fields on any day.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("medvlm", "torch", "transformers", "numpy", "sacrebleu", "rouge-score", "nltk")
"""What can change an answer or a score; those that are not installed are left out."""

_NAMED = {
    "prompt": "prompt hash",
    "parser": "parser",
    "split": "split hash",
    "run": "run key",
    "fingerprint": "fingerprint",
    "clusters by": "resampled by",
    "image:": "images shown",
    "predictions:": "predictions",
}


def header_fields(header: str) -> dict[str, str]:
    """The parts of a score's header by name; what has no name of its own is of the decoding.

    Args:
        header: Parts between `` | ``, the protocol first.

    Examples:
        >>> header_fields("slake v1 | prompt 1a | n=5 (closed) | greedy | run 2b")
        {'protocol': 'slake v1', 'prompt hash': '1a', 'questions': '5 (closed)', 'decoding': 'greedy', 'run key': '2b'}
    """
    first, *rest = header.split(" | ")
    fields = {"protocol": first} if first else {}
    for part in rest:
        name, value = _field(part)
        fields[name] = f"{fields[name]}; {value}" if name in fields else value
    return fields


def _field(part: str) -> tuple[str, str]:
    """A name and a value of one part."""
    if part.startswith("n="):
        return "questions", part[2:]
    for start, name in _NAMED.items():
        if part.startswith(f"{start} "):
            return name, part[len(start) + 1 :]
    return "decoding", part


def provenance(header: str, **more: str | int) -> Mapping[str, str]:
    """Fields of a score: those of its header, further ones, and the versions of packages.

    Args:
        header: Of the score.
        more: Further fields, ``_`` in their names being a space; empty ones are left out.
    """
    given = {name.replace("_", " "): str(value) for name, value in more.items() if str(value)}
    return {**header_fields(header), **given, **versions()}


def versions() -> dict[str, str]:
    """Python and the packages that can change a number, as installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
