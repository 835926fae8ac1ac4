"""Writing a set as shards: few large tar files instead of many small ones, with the bytes of the images as they are.

::

    OUT/shards.json                what was written: the set, its shards, their sizes and sample counts; written last
    OUT/shard-00000.tar            000012.json (questions) and 000012.0.png, 000012.1.dcm, 000012.2/*.dcm (their images)
    OUT/shard-00000.index.json     where each member starts, its size and its SHA-256

The tar files have the layout of WebDataset and can be read by it. They are read back by the set ``shards``
(:mod:`.sets.shards`) through the same cache, readers and order of steps as loose files, and pixels cached from loose
files are found again. A group of questions is written once with its images, so an image is stored once however many
questions it has. Shards hold what the files held: nothing is de-identified.

Why neither library is used for reading. Measured on 103 samples in 11 shards with shuffling: litdata 0.2.76
(Apache-2.0, eight releases in four months) gives every sample once and resumes exactly, but batches change with the
number of workers, two ranks get 48 and 55 samples (or lose 7 with ``drop_last``), a damaged sample is returned
without a word and a truncated file ends in a time-out; webdataset 1.0.2 (BSD-3, last release June 2025) cannot resume,
changes batches with the number of workers and gives ranks 53 and 50. Here a step is a function of the seed and the step
alone, and a member whose hash differs is refused. mosaicml-streaming 0.13 (Apache-2.0) pins transformers below 5.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from medvlm.files import atomic_file, write_whole
from medvlm.study import ImageError, ImageRef, Sample, SampleError

from .batches import group_by_image
from .content import image_files
from .shard_files import INDEX, SUFFIX, local_file

SHARDS = "shards.json"
VERSION = 1
SHARD_BYTES = 256 << 20


@dataclass
class ShardReport:
    """What was written.

    Attributes:
        shards: Name, bytes and samples of each tar file.
        splits: Samples by split.
        groups: Groups of questions on the same images.
        images: Images written.
    """

    shards: list[dict[str, Any]] = field(default_factory=list)
    splits: Counter[str] = field(default_factory=Counter)
    groups: int = 0
    images: int = 0


def write_shards(
    samples: Iterable[Sample],
    out: Path | str,
    *,
    name: str = "",
    shard_bytes: int = SHARD_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> ShardReport:
    """Write samples and their images as shards; the same samples and files give the same bytes.

    Args:
        samples: Of one set, all of whose images are there.
        out: A folder that holds no shards yet; what an interrupted call left there is overwritten.
        name: What the set is called.
        shard_bytes: A shard is closed once it has as many bytes.
        progress: Called with the groups written and their number.

    Raises:
        FileExistsError: If the folder holds finished shards.
        ValueError: If ``shard_bytes`` is not positive.
        ImageError: If an image is absent.
        SampleError: If there is no sample, or one has a field that JSON cannot hold.
    """
    out = Path(out)
    if shard_bytes < 1:
        raise ValueError(f"shard_bytes={shard_bytes}: expected 1 or more")
    if (out / SHARDS).exists():
        raise FileExistsError(f"{out} holds finished shards; choose another folder, or delete them")
    groups = group_by_image(samples)
    if not groups:
        raise SampleError("no sample to write: the set gave none whose images are there")
    report, rest = ShardReport(), list(enumerate(groups))[::-1]
    while rest:
        shard = out / f"shard-{len(report.shards):05d}{SUFFIX}"
        before = report.splits.total()
        with atomic_file(shard) as file:
            writer = _Shard(file)
            while rest and (not writer.members or writer.size < shard_bytes):
                number, group = rest.pop()
                report.images += writer.add(number, group)
                report.splits.update(sample.split for sample in group)
                if progress is not None:
                    progress(number + 1, len(groups))
            size = writer.close()
        index = {"bytes": size, "members": writer.members}
        write_whole(shard.with_name(shard.name.removesuffix(SUFFIX) + INDEX), json.dumps(index))
        samples_here = report.splits.total() - before
        report.shards.append({"name": shard.name, "bytes": size, "samples": samples_here})
    report.groups = len(groups)
    write_whole(out / SHARDS, json.dumps({"version": VERSION, "set": name, **vars(report)}, indent=1))
    return report


class _Shard:
    """One tar file on the way, with the places of its members."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self.members: dict[str, tuple[int, int, str]] = {}

    @property
    def size(self) -> int:
        """Bytes so far."""
        return int(self.tar.offset)

    def add(self, number: int, group: list[Sample]) -> int:
        """Write the questions of a group and its images, and return how many those are."""
        key, images = f"{number:06d}", group[0].images
        names: dict[Path, str] = {}  # parts of one slide share its file
        for place, image in enumerate(images):
            names.setdefault(image.path, _name(image, f"{key}.{place}"))
        self._write(f"{key}.json", _questions(group, [names[image.path] for image in images]))
        for source, name in names.items():
            with local_file(source) as path:
                for file, inside in _files(path):
                    self._write(f"{name}/{inside}" if inside else name, file.read_bytes())
        return len(images)

    def _write(self, name: str, data: bytes) -> None:
        """Write one member without anything that depends on the day or the machine."""
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        self.tar.addfile(entry, io.BytesIO(data))
        padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        self.members[name] = (self.size - padded, len(data), hashlib.sha256(data).hexdigest())

    def close(self) -> int:
        """Write the end of the archive and return its size."""
        self.tar.close()
        return self.file.tell()


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Give the files of an image and their names in its folder; that of a single file is empty."""
    files = image_files(path)
    if path.is_dir():
        yield from ((file, file.relative_to(path).as_posix()) for file in files)
    elif len(files) > 1:
        raise ImageError(f"{path}: its pixels are in a file beside it; convert it to one file (NIfTI, NRRD, MHA) first")
    else:
        yield path, ""


def _name(image: ImageRef, stem: str) -> str:
    """Name an image in a shard: with the ending of its file, for readers to whom it matters."""
    suffix = "".join(image.path.suffixes[-2:]) if image.path.name.endswith(".gz") else image.path.suffix
    return stem if image.path.is_dir() else f"{stem}{suffix.lower()}"


def _image(image: ImageRef, name: str) -> dict[str, Any]:
    """Write a reference as JSON; what it does not say is left out."""
    fields: dict[str, Any] = {"path": name, "volume": image.volume}
    if image.region is not None:
        fields |= {"box": image.region.box, "size": image.region.size}
    said = {"rescale": image.rescale, "modality": image.modality}
    return fields | {name: value for name, value in said.items() if value is not None}


def _questions(group: list[Sample], names: list[str]) -> bytes:
    """Write the samples of a group as JSON.

    Raises:
        SampleError: If a field holds what JSON cannot; the message names the sample.
    """
    records = []
    for sample in group:
        record = {slot: getattr(sample, slot) for slot in Sample.__dataclass_fields__ if slot != "images"}
        records.append(record | {"categories": dict(sample.categories), "extra": dict(sample.extra)})
        try:
            json.dumps(records[-1])
        except (TypeError, ValueError) as error:
            raise SampleError(f"sample {sample.id!r} cannot be written as JSON: {error}") from None
    images = [_image(image, name) for image, name in zip(group[0].images, names, strict=True)]
    return json.dumps({"images": images, "samples": records}, ensure_ascii=False).encode()
