"""Shards that ``medvlm convert shard`` wrote, read like any set: see :mod:`medvlm.datamodules.shards`.

Samples come in the order in which they were written, with their ids, groups and splits. Their images are paths through
a shard (``shard-00000.tar/000012.0.png``), which the pixel cache opens; nothing is unpacked beforehand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medvlm.study import ImageError, ImageRef, Region, Sample, SampleError

from ..shard_files import read_index, read_part
from ..shards import SHARDS, VERSION
from .cards import SetCard
from .records import SPLITS, Absent, LoadReport, one_of


def load_shards(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the samples of a folder of shards.

    Args:
        root: The folder.
        split: ``train``, ``validate``, ``test`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: For the interface of sets: a shard is whole, or it is refused.

    Raises:
        FileNotFoundError: If the folder holds no shards, or their writing did not finish.
        ImageError: If a shard is absent, cut off or damaged; the message names it.
        SampleError: If ``shards.json`` is none of ours, or the split has no sample.
    """
    one_of("split", split, SPLITS)
    one_of("absent", absent, ("keep", "skip"))
    names = _shards(Path(root))
    return _samples(Path(root), names, split, LoadReport() if report is None else report)


def _shards(root: Path) -> list[str]:
    """Return the names of the shards after a look at each."""
    path = root / SHARDS
    if not path.is_file():
        raise FileNotFoundError(
            f"shards: {path} does not exist; set data.root to a folder that medvlm convert shard wrote to its end"
        )
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        shards = {str(shard["name"]): int(shard["bytes"]) for shard in found["shards"]}
        version = found["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise SampleError(f"{path}: expected a list of shards, found {type(error).__name__}: {error}") from None
    if version != VERSION:
        raise SampleError(f"{path}: version {version!r} of the layout, this medvlm reads {VERSION}")
    for name in shards:
        read_index(root / name)
    return list(shards)


def _samples(root: Path, shards: list[str], split: str, report: LoadReport) -> Iterator[Sample]:
    """Read the questions of each shard."""
    for name in shards:
        shard = root / name
        for part in read_index(shard).values():
            if part.name.endswith(".json") and "/" not in part.name:
                for sample in _group(shard, read_part(shard, part), part.name):
                    if split in ("all", sample.split):
                        report.records += 1
                        report.kept += 1
                        yield sample
    if not report.kept:
        raise SampleError(f"shards {split}: no sample in {root}")


def _group(shard: Path, data: bytes, name: str) -> Iterator[Sample]:
    """Make the samples of one group."""
    try:
        found = json.loads(data)
        images = tuple(_image(shard, fields) for fields in found["images"])
        samples = [Sample(images=images, **_tuples(record)) for record in found["samples"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ImageError(f"{shard}: {name} holds no samples ({type(error).__name__}: {error})") from None
    yield from samples


def _image(shard: Path, fields: dict[str, Any]) -> ImageRef:
    """Make the reference of one image."""
    region = Region(tuple(fields["box"]), tuple(fields["size"])) if "box" in fields else None
    rescale = tuple(fields["rescale"]) if "rescale" in fields else None
    return ImageRef(shard / fields["path"], bool(fields["volume"]), region, rescale, fields.get("modality"))


def _tuples(record: dict[str, Any]) -> dict[str, Any]:
    """Give lists of JSON back as the tuples that samples hold."""
    return {key: tuple(value) if key == "options" else value for key, value in record.items()}


CARD = SetCard(
    name="shards",
    title="Shards",
    paper="none: any set, written by medvlm convert shard",
    licence="that of the set they were written from",
    access="open",
    source="medvlm convert shard SET:ROOT[:SPLIT] OUT",
    kinds=("choice", "closed", "open", "report", "box", "number"),
    load=load_shards,
)
