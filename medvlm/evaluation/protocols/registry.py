"""The protocols that ship with medvlm, each read when it is first asked for, and those of a user's own files."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from medvlm.evaluation.protocols.protocol import Protocol
from medvlm.evaluation.protocols.reading import read_protocol

SUFFIXES = (".yaml", ".yml")


class _Shipped(Mapping[str, Protocol]):
    """The protocol of every file of this folder, by its name."""

    def __getitem__(self, name: str) -> Protocol:
        if name not in _paths():
            raise KeyError(name)
        return _read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_paths())

    def __len__(self) -> int:
        return len(_paths())

    def __contains__(self, name: object) -> bool:
        return name in _paths()


PROTOCOLS: Mapping[str, Protocol] = _Shipped()


def get_protocol(name: str) -> Protocol:
    """The protocol of a name, or of a file.

    Args:
        name: A key of `PROTOCOLS`, which every set of ``medvlm.datamodules.sets.SETS`` is; or the path of a YAML file.

    Raises:
        ValueError: If there is none, the message names the nearest; or the file is wrong.
        FileNotFoundError: If there is no such file.

    Examples:
        >>> get_protocol("vqa_rad").cluster
        'image'
    """
    if name.endswith(SUFFIXES):
        return read_protocol(Path(name), own=True)
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    near = difflib.get_close_matches(name, PROTOCOLS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"protocol {name!r} is unknown, expected one of {', '.join(PROTOCOLS)}, or the path of a .yaml file{hint}"
    )


@cache
def _paths() -> Mapping[str, Path]:
    """The file of every protocol, in the order of their names."""
    entries = (Path(str(entry)) for entry in files(__package__).iterdir() if entry.name.endswith(".yaml"))
    return {path.stem: path for path in sorted(entries)}


@cache
def _read(name: str) -> Protocol:
    return read_protocol(_paths()[name])
