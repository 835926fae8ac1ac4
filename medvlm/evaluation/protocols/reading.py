"""From a protocol file to a protocol: plain YAML without tags, aliases or doubled keys, every mistake named."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from medvlm.evaluation.protocols.known import KnownSplit
from medvlm.evaluation.protocols.protocol import Protocol
from medvlm.evaluation.protocols.rules import AGGREGATION, SCORING
from medvlm.evaluation.protocols.schema import ImagesPart, ProtocolFile, SplitPart

LARGEST = 64 * 1024
DEEPEST = 8
_SECTIONS: Mapping[str, type[BaseModel]] = {"images": ImagesPart, "splits": SplitPart}


def read_protocol(path: Path, *, own: bool = False) -> Protocol:
    """The protocol of a file.

    Args:
        path: A YAML file.
        own: Whether it is a user's, which every score then says.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no plain YAML, or anything in it is wrong; every problem is named at once.
    """
    tree = _tree(path)
    try:
        file = ProtocolFile.model_validate(tree)
    except ValidationError as error:
        problems = "\n".join(f"  {_explain(dict(problem))}" for problem in error.errors())
        raise ValueError(f"{path} has {error.error_count()} mistake(s):\n{problems}") from None
    return _protocol(file, path.name.replace("|", "_") if own else "")


def _tree(path: Path) -> dict[Any, Any]:
    """The YAML of a file as plain values."""
    data = path.read_bytes()
    if len(data) > LARGEST:
        raise ValueError(f"{path} has {len(data):,} bytes, expected a protocol of at most {LARGEST:,}")
    try:
        text = data.decode("utf-8-sig")
        _check_events(text, path)
        _check_keys(yaml.compose(text, yaml.SafeLoader), path)
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML in UTF-8: {error}") from None
    if not isinstance(tree, dict):
        raise ValueError(f"{path} holds a {type(tree).__name__}, expected keys such as name, version and prompts")
    return tree


def _check_events(text: str, path: Path) -> None:
    """Refuse what can run code or grow without end, before anything is built of it."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        where = f"{path}:{event.start_mark.line + 1}" if event.start_mark else str(path)
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise ValueError(f"{where}: anchors and aliases are not taken in a protocol; write the text out")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise ValueError(f"{where}: the tag {event.tag!r} is not taken in a protocol; write plain values")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"{where}: more than {DEEPEST} levels; no protocol has so many")


def _check_keys(node: yaml.Node | None, path: Path) -> None:
    """Refuse a key that stands twice, of which YAML would take the last in silence."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise ValueError(f"{path}:{key.start_mark.line + 1}: {key.value!r} stands twice; keep one")
            seen.add(str(key.value))
            _check_keys(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, path)


def _explain(problem: dict[str, Any]) -> str:
    """One line a problem, with the nearest known key for an unknown one."""
    place = [str(part) for part in problem["loc"] if part != "[key]"]
    where = ".".join(place) or "protocol"
    if problem["type"] == "extra_forbidden":
        section = next((_SECTIONS[part] for part in place if part in _SECTIONS), ProtocolFile)
        near = difflib.get_close_matches(place[-1], section.model_fields, n=1)
        return f"{where}: unknown key" + (f", did you mean {near[0]!r}?" if near else "")
    value = problem["input"]
    shown = f"={value!r}" if isinstance(value, str | int | float | bool) else ""
    hint = "; YAML reads no and yes as false and true: quote it" if isinstance(value, bool) else ""
    return f"{where}{shown}: {problem['msg'].removeprefix('Value error, ')}{hint}"


def _protocol(file: ProtocolFile, own: str) -> Protocol:
    first = next(iter(file.prompts))
    plain = list(file.prompts) == ["en"]
    aggregation = AGGREGATION.replace("mean over questions", file.aggregation)
    if file.macro:
        aggregation += f"; beside it the mean over {' and over '.join(file.macro)}, each value weighing the same"
    return Protocol(
        name=file.name,
        version=file.version,
        about=file.about,
        cluster=file.cluster,
        breakdown=None if file.breakdown is None else tuple(file.breakdown),
        splits=tuple(KnownSplit(**part.model_dump()) for part in file.splits),
        instructions=file.prompts[first],
        translations={} if plain else file.prompts,
        rules={kind: SCORING[kind][rule] for kind, rule in file.scoring.items()},
        aggregation=aggregation,
        macro=tuple(file.macro),
        shown=None if file.images.show == "all" else file.images.show,
        forms=tuple(file.images.form),
        chest=file.chest,
        task=file.task,
        paper=file.paper,
        set=file.set,
        options=file.options,
        own=own,
    )
