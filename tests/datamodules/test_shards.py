"""Shards: the same samples and pixels as loose files; every sample once over processes; damage refused by name."""

from __future__ import annotations

import json
import multiprocessing
import tarfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from medvlm.datamodules.cache import PixelCache
from medvlm.datamodules.data import Drawn, StudyData
from medvlm.datamodules.sets.records import LoadReport
from medvlm.datamodules.sets.shards import load_shards
from medvlm.datamodules.shard_files import local_file
from medvlm.datamodules.shards import write_shards
from medvlm.study import Image, ImageError, ImageRef, Region, Sample, SampleError


def picture(path: Path, seed: int) -> ImageRef:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 5), np.uint8)).save(path)
    return ImageRef(path)


def values(image: Image) -> torch.Tensor:
    return torch.from_numpy(image.array.astype(np.float32))


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    found = []
    for n in range(13):
        images = (
            picture(tmp_path / "in" / f"{n}.png", n),
            *([picture(tmp_path / "in" / "b.png", 99)] if n == 3 else []),
        )
        split = "test" if n > 10 else "train"
        for q in range(2):
            found.append(
                Sample(
                    f"{n}-{q}", images, "q?", "a", "choice", ("a", "b"), f"p{n}", split, {"k": "v"}, extra={"x": [1]}
                )
            )
    return found


@pytest.fixture
def root(samples: list[Sample], tmp_path: Path) -> Path:
    write_shards(samples, tmp_path / "out", name="own", shard_bytes=6000)
    return tmp_path / "out"


def collate(batch: Sequence[Drawn]) -> list[str]:
    return [sample.id for drawn in batch for sample in drawn.samples]


def draw(root: Path, rank: int, world: int, steps: slice, results: multiprocessing.Queue[list[list[str]]]) -> None:
    data = StudyData("shards", root, collate=collate, batch_size=2, rank=rank, world_size=world, seed=4)
    data.setup("fit")
    results.put(list(islice(data.train_dataloader(steps.start), steps.stop - steps.start)))


def drawn_by_two(root: Path, steps: slice) -> list[list[list[str]]]:
    fork, found = multiprocessing.get_context("fork"), []
    for rank in (0, 1):
        results: multiprocessing.Queue[list[list[str]]] = fork.Queue()
        child = fork.Process(target=draw, args=(root, rank, 2, steps, results))
        child.start()
        found.append(results.get(timeout=60))
        child.join()
    return found


def test_samples_and_pixels_come_back_as_they_were(root: Path, samples: list[Sample], tmp_path: Path) -> None:
    report = LoadReport()
    back = list(load_shards(root, "all", report=report))
    assert report.kept == 26
    cache = PixelCache(values, recipe="r", folder=tmp_path / "cache")
    for before, after in zip(samples, back, strict=True):
        assert [torch.equal(cache(a), cache(b)) for a, b in zip(before.images, after.images, strict=True)]
        for slot in set(Sample.__dataclass_fields__) - {"images"}:
            assert getattr(before, slot) == getattr(after, slot)
    assert cache.decoded == 14  # a member is known by the content of its file
    assert len(list(root.glob("*.tar"))) > 2


def test_pixels_of_a_member_are_read_from_the_shard(root: Path, samples: list[Sample]) -> None:
    first = next(load_shards(root, "train")).images[0]
    assert first.path.parent.name == "shard-00000.tar"
    assert torch.equal(PixelCache(values)(first), PixelCache(values)(samples[0].images[0]))


def test_splits_are_kept(root: Path) -> None:
    assert {sample.id for sample in load_shards(root, "test")} == {"11-0", "11-1", "12-0", "12-1"}
    with pytest.raises(SampleError, match="shards validate: no sample"):
        list(load_shards(root, "validate"))


def test_two_processes_see_every_sample_once_and_a_resumed_run_goes_on(root: Path, samples: list[Sample]) -> None:
    halves = drawn_by_two(root, slice(0, 11))  # 11 groups of training, one a process and step: two epochs
    first_epoch = sorted(name for half in halves for batch in half[:5] for name in batch)
    assert len(first_epoch) == len(set(first_epoch)) == 20
    both = sorted(name for half in halves for batch in half for name in batch)
    assert both == sorted([sample.id for sample in samples if sample.split == "train"] * 2)
    assert drawn_by_two(root, slice(7, 11)) == [half[7:] for half in halves]


def test_the_same_samples_give_the_same_bytes(root: Path, samples: list[Sample], tmp_path: Path) -> None:
    write_shards(samples, tmp_path / "again", name="own", shard_bytes=6000)
    for path in root.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_any_tar_program_and_webdataset_read_them(root: Path, samples: list[Sample]) -> None:
    with tarfile.open(root / "shard-00000.tar") as tar:
        member = tar.extractfile("000000.0.png")
        assert member is not None
        assert member.read() == samples[0].images[0].path.read_bytes()
    webdataset = pytest.importorskip("webdataset")
    urls = sorted(map(str, root.glob("*.tar")))
    keys = [item["__key__"] for item in webdataset.WebDataset(urls, shardshuffle=False)]
    assert keys == [f"{n:06d}" for n in range(13)]


def test_a_cut_off_an_absent_and_a_damaged_shard_are_refused_by_name(root: Path) -> None:
    shard = root / "shard-00001.tar"
    whole = shard.read_bytes()
    image = next(s for s in load_shards(root, "all") if s.images[0].path.parent == shard).images[0]
    place = json.loads((root / "shard-00001.index.json").read_text())["members"][image.path.name][0]
    shard.write_bytes(whole[:-512])
    with pytest.raises(ImageError, match=r"shard-00001\.tar: \d+ bytes, its index says"):
        load_shards(root, "train")
    shard.write_bytes(whole[:place] + b"xx" + whole[place + 2 :])
    list(load_shards(root, "train"))
    with pytest.raises(ImageError, match=r"shard-00001\.tar: member '.*png' is damaged"):
        PixelCache(values)(image)
    shard.unlink()
    with pytest.raises(ImageError, match=r"shard-00001\.tar: the shard does not exist"):
        load_shards(root, "train")


def test_a_folder_of_slices_is_read_as_a_folder(tmp_path: Path) -> None:
    pydicom_data = pytest.importorskip("pydicom.data")
    slices = [Path(pydicom_data.get_testdata_file(name) or "") for name in ("CT_small.dcm",)]
    folder = tmp_path / "ct"
    folder.mkdir()
    for path in slices:
        (folder / path.name).write_bytes(path.read_bytes())
    write_shards([Sample("1", (ImageRef(folder, volume=True),), "q?", "a", "open")], tmp_path / "out")
    image = next(load_shards(tmp_path / "out", "train")).images[0]
    cache = PixelCache(values, recipe="r", folder=tmp_path / "cache")
    assert cache.key(image) == cache.key(ImageRef(folder, volume=True))
    assert image.volume
    with local_file(image.path) as path:
        assert [file.read_bytes() for file in path.iterdir()] == [file.read_bytes() for file in slices]


def test_parts_of_a_slide_and_a_tables_rescale_come_back(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 1).path
    images = tuple(ImageRef(path, region=Region((0, 0, n, 4), (2, 2))) for n in (2, 4))
    table = (picture(tmp_path / "b.png", 2), ImageRef(tmp_path / "b.png", rescale=(1.0, -8192.0)))
    write_shards([Sample("1", (*images, *table), "q?", "a", "open")], tmp_path / "out")
    back = next(load_shards(tmp_path / "out", "train")).images
    assert [(image.region, image.rescale) for image in back] == [(i.region, i.rescale) for i in (*images, *table)]
    assert back[0].path == back[1].path  # the slide is in the shard once
    with tarfile.open(tmp_path / "out" / "shard-00000.tar") as tar:
        assert len([name for name in tar.getnames() if name.endswith(".png")]) == 2


def test_an_unfinished_writing_and_a_folder_in_use_are_refused(root: Path, samples: list[Sample]) -> None:
    with pytest.raises(FileExistsError, match="finished shards"):
        write_shards(samples, root)
    (root / "shards.json").unlink()
    with pytest.raises(FileNotFoundError, match="to its end"):
        load_shards(root, "train")
    write_shards(samples, root, shard_bytes=6000)
    assert len(list(load_shards(root, "all"))) == 26


def test_what_json_cannot_hold_and_absent_images_are_refused(tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png", 0)
    with pytest.raises(SampleError, match="sample '1' cannot be written"):
        write_shards([Sample("1", (image,), "q?", "a", "open", extra={"x": b"1"})], tmp_path / "x")
    with pytest.raises(ImageError, match="found nothing there"):
        write_shards([Sample("1", (ImageRef(tmp_path / "no.png"),), "q?", "a", "open")], tmp_path / "y")
    assert not list((tmp_path / "y").glob("*.tar"))
    with pytest.raises(SampleError, match="no sample to write"):
        write_shards([], tmp_path / "z")
