"""What holds for every set, on a small release in its exact layout.

Each set has a file ``releases/<name of its card>.py`` with

- ``write(root)``: writes two or more records in the layout of the release; images are a few bytes that no one reads;
- ``KEPT`` and ``ABSENT``: samples of the split, and of those the ones whose image was not written (at least one,
  where the release keeps images in files of their own);
- ``TABLE``: the file, below the root, whose content the refusals below break;
- optional ``SPLIT`` (``test``), ``OPTIONS`` (``{}``), ``SKIPPED`` (``{}``: reason -> number of records) and ``HEADERS``
  (whether the loader reads the headers of images, whose sizes are nowhere else).
"""

from __future__ import annotations

import builtins
import gzip
import importlib
import importlib.util
import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import PIL.Image
import pytest

from medvlm.datamodules import readers
from medvlm.datamodules.sets import SETS, LoadReport, load_set
from medvlm.datamodules.sets.cards import Access
from medvlm.study import Sample, SampleError

FILES = sorted(path for path in (Path(__file__).parent / "releases").glob("[a-z]*.py"))
OWN = {"jsonl", "shards", "thorax", "tissue"}  # nobody released them; they have tests of their own


@dataclass(frozen=True)
class Release:
    """One small release, and what a loader must find in it."""

    name: str
    write: Callable[[Path], None]
    table: str
    kept: int
    absent: int
    split: str = "test"
    options: Mapping[str, Any] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    headers: bool = False

    def load(self, root: Path, **options: Any) -> list[Sample]:
        return list(load_set(self.name, root, self.split, **self.options, **options))


def read(path: Path) -> Release:
    spec = importlib.util.spec_from_file_location(f"release_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    optional = {
        key: getattr(module, key.upper())
        for key in ("split", "options", "skipped", "headers")
        if key.upper() in vars(module)
    }
    return Release(path.stem, module.write, module.TABLE, module.KEPT, module.ABSENT, **optional)


@pytest.fixture(params=FILES, ids=[path.stem for path in FILES])
def release(request: pytest.FixtureRequest) -> Release:
    return read(request.param)


@pytest.fixture
def root(release: Release, tmp_path: Path) -> Path:
    release.write(tmp_path / "set")
    return tmp_path / "set"


def test_every_set_has_a_release_and_every_release_a_set() -> None:
    assert {path.stem for path in FILES} == set(SETS) - OWN


def test_the_samples_of_a_release_are_whole_and_all_records_accounted_for(release: Release, root: Path) -> None:
    report, card = LoadReport(), SETS[release.name]
    samples = release.load(root, report=report)
    assert (report.kept, report.absent_images) == (release.kept, release.absent)
    assert report.skipped == Counter(release.skipped)
    assert report.records == report.kept + sum(report.skipped.values())
    assert len({sample.id for sample in samples}) == len(samples) == release.kept >= 2
    assert {sample.kind for sample in samples} <= set(card.kinds)
    for sample in samples:
        assert all((sample.question, sample.answer, sample.group, sample.extra))
        assert sample.split == release.split
        assert (sample.kind == "choice") == bool(sample.options)
        assert sample.kind != "choice" or sample.answer in sample.options
        assert sample.kind != "closed" or sample.answer in ("yes", "no")
        assert all(image.path.is_relative_to(root) for image in sample.images)


def test_absent_images_are_left_out_on_request(release: Release, root: Path) -> None:
    assert len(release.load(root, absent="skip")) == release.kept - release.absent


def test_no_pixels_are_read(release: Release, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a set opened an image")

    opened: list[str] = []
    plain_open, plain_io = builtins.open, io.open

    def watch(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        opened.append(str(file) if "r" in mode else "")
        return plain_open(file, mode, *rest, **named)

    monkeypatch.setattr(PIL.Image, "open", refuse)
    monkeypatch.setattr(readers, "read_image", refuse)
    monkeypatch.setattr(builtins, "open", watch)
    monkeypatch.setattr(io, "open", watch)  # by which pathlib opens
    images = {str(image.path) for sample in release.load(root) for image in sample.images}
    assert release.headers or not images & set(opened)
    assert plain_io is plain_open


def test_two_readings_are_equal_and_lazy(release: Release, root: Path) -> None:
    assert release.load(root) == release.load(root)
    samples = load_set(release.name, root, release.split, **release.options)
    assert next(samples) == release.load(root)[0]


def test_a_missing_and_an_empty_folder_say_what_to_do(release: Release, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        release.load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"keep the file names of the release|does not exist"):
        release.load(tmp_path / "empty")


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe\x80 no text \x00"])
def test_an_empty_file_and_one_of_noise_are_refused_by_name(release: Release, root: Path, content: bytes) -> None:
    (root / release.table).write_bytes(content)
    with pytest.raises(SampleError, match=Path(release.table).stem):
        release.load(root)


def test_a_wrong_header_or_other_keys_are_refused(release: Release, root: Path) -> None:
    path = root / release.table
    record = {"wrong": "1", "header": "2"}
    name = path.name.removesuffix(".gz")
    write_as(name, path, record)
    with pytest.raises(SampleError) as error:
        release.load(root)
    assert path.name in str(error.value) or "no usable sample" in str(error.value)


def write_as(name: str, path: Path, record: dict[str, str]) -> None:
    """Write one record with unknown names in the format of a file."""
    text = {
        ".json": json.dumps([record]),
        ".jsonl": json.dumps(record) + "\n",
        ".csv": "wrong,header\n1,2\n",
        ".tsv": "wrong\theader\n1\t2\n",
        ".txt": "wrong\theader\n1\t2\n",
        ".xml": "<wrong><header/></wrong>",
    }
    if name.endswith(".parquet"):
        table = importlib.import_module("pyarrow").table({key: [value] for key, value in record.items()})
        importlib.import_module("pyarrow.parquet").write_table(table, path)
        return
    if name.endswith(".tgz"):
        (path.parent / "other").mkdir()
        (path.parent / "other" / "1.xml").write_text(text[".xml"])
        with tarfile.open(path, "w:gz") as archive:
            archive.add(path.parent / "other")
        return
    data = text[Path(name).suffix].encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def test_a_release_with_another_count_than_its_card_is_said_or_refused(release: Release, root: Path) -> None:
    expected, report = SETS[release.name].expected(release.split), LoadReport()
    if expected is None or release.options:
        assert release.load(root, strict_counts=True)
        return
    release.load(root, report=report)
    assert f"the release has {expected:,}" in report.notes[-1]
    with pytest.raises(SampleError, match=f"the release has {expected:,}"):
        release.load(root, strict_counts=True)


@pytest.mark.parametrize("name", SETS)
def test_a_card_says_what_a_user_must_know(name: str) -> None:
    card = SETS[name]
    assert card.name == name
    assert all((card.title, card.paper, card.licence, card.source, card.kinds))
    assert card.access in get_args(Access)
    assert set(card.counts) <= {"train", "validate", "test"}
