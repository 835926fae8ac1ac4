"""UIDs of what we write: made of the source and the model, so that a second run writes the same object again."""

from __future__ import annotations

import hashlib

ROOT = "2.25"
"""The arc of UUIDs in decimal (ITU-T X.667, PS3.5 B.2): it needs no registration."""


def make_uid(*parts: str) -> str:
    """A UID that depends on these texts alone.

    Args:
        *parts: Source UIDs, the key of the run, what kind of object it is.

    Raises:
        ValueError: If there is no part.

    Examples:
        >>> make_uid("1.2.3", "run", "sr") == make_uid("1.2.3", "run", "sr") != make_uid("1.2.3", "run", "pdf")
        True
    """
    if not parts:
        raise ValueError("a UID needs something to be made of: source UIDs, run key, kind of object")
    digest = hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogateescape")).digest()
    return f"{ROOT}.{int.from_bytes(digest[:16])}"
