"""Every field of every small release replaced by every wrong thing: a set gives samples or our error, nothing else."""

from __future__ import annotations

import copy
import csv
import gzip
import importlib.util
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medvlm.datamodules.sets import load_set
from medvlm.study import SampleError

FILES = sorted((Path(__file__).parent / "releases").glob("[a-z]*.py"))
WRONG: tuple[Any, ...] = (None, " ", "../../etc/passwd", "a\0b", -1, 1e400, [None], {}, "é" * 300)


def mutations(value: Any, depth: int = 5) -> Iterator[Any]:
    """The value with one part of it replaced or taken away; of equal parts the first few."""
    yield from WRONG
    if depth and isinstance(value, dict):
        large = 0
        for key in list(value)[:30]:
            large += isinstance(value[key], dict)
            yield {name: part for name, part in value.items() if name != key}
            for part in mutations(value[key], depth - 1) if large < 4 else ():
                yield {**value, key: part}
    if depth and isinstance(value, list) and value:
        for part in mutations(value[0], depth - 1):
            yield [part, *value[1:]]


def rewritten(name: str, data: bytes) -> Iterator[bytes]:
    """The content of a table with one mutation each."""
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode()
    kind = Path(name.removesuffix(".gz")).suffix
    lines = kind == ".jsonl" or text.count("\n{") > 0  # JSON lines are called .json in places
    changed: Iterator[str]
    if kind == ".json" and not lines:
        changed = (json.dumps(value) for value in mutations(json.loads(text)))
    elif lines:
        first, *rest = text.splitlines()
        changed = ("\n".join([json.dumps(value), *rest]) for value in mutations(json.loads(first)))
    else:
        changed = rows(text, "\t" if kind in (".tsv", ".txt") else ",")
    for content in changed:
        yield gzip.compress(content.encode()) if name.endswith(".gz") else content.encode()


def rows(text: str, delimiter: str) -> Iterator[str]:
    """The table with each cell of its first row replaced."""
    csv.field_size_limit(1 << 24)
    header, *records = csv.reader(io.StringIO(text), delimiter=delimiter)
    for place in range(len(header)):
        for wrong in ("", "N/A", "-1", "[1, 2", "../../x", "é" * 300):
            changed = copy.deepcopy(records)
            changed[0][place] = wrong
            out = io.StringIO()
            csv.writer(out, delimiter=delimiter).writerows([header, *changed])
            yield out.getvalue()


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_wrong_field_is_a_record_left_out_or_our_error(path: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location(f"mutated_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if Path(module.TABLE).suffix not in (".json", ".jsonl", ".csv", ".tsv", ".txt", ".gz") or "tgz" in module.TABLE:
        pytest.skip(f"{module.TABLE} is neither JSON nor a table of text")
    module.write(tmp_path / "set")
    table = tmp_path / "set" / module.TABLE
    options, split = getattr(module, "OPTIONS", {}), getattr(module, "SPLIT", "test")
    kept = []
    for content in rewritten(table.name, table.read_bytes()):
        table.write_bytes(content)
        try:
            kept.append(len(list(load_set(path.stem, tmp_path / "set", split, **options))))
        except SampleError:
            kept.append(0)
    assert min(kept) < module.KEPT, "no mutation was noticed"
    assert max(kept) > 0, "no mutation was survived"
