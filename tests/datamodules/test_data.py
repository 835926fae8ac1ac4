"""The data module, on a small set of the user's own format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from medvlm.datamodules.cache import PixelCache
from medvlm.datamodules.data import Drawn, StudyData
from medvlm.study import Image, SampleError


def collate(batch: Sequence[Drawn]) -> list[tuple[int, int, tuple[str, ...]]]:
    return [(drawn.epoch, drawn.index, tuple(sample.id for sample in drawn.samples)) for drawn in batch]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lines = []
    for n in range(12):
        (tmp_path / f"{n}.png").touch()
        split = "test" if n > 9 else "train"
        for q in range(3):
            record = {"id": f"{n}-{q}", "images": [f"{n}.png"], "question": "q?", "answer": "yes", "split": split}
            lines.append(json.dumps(record))
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    return tmp_path


def study(root: Path, *, seed: int = 0, num_workers: int = 0) -> StudyData:
    return StudyData(
        "jsonl", root, collate=collate, batch_size=4, validate_share=0.3, seed=seed, num_workers=num_workers
    )


def test_a_resumed_loader_gives_the_batches_of_an_uninterrupted_one(root: Path) -> None:
    data = study(root, seed=3)
    data.setup()
    whole = list(islice(data.train_dataloader(), 9))
    assert list(islice(data.train_dataloader(start_step=5), 4)) == whole[5:]
    data.start_step = 5
    assert list(islice(data.train_dataloader(), 4)) == whole[5:]


def test_workers_do_not_change_the_order(root: Path) -> None:
    alone, helped = study(root), study(root, num_workers=2)
    alone.setup("fit")
    helped.setup("fit")
    assert list(islice(alone.train_dataloader(), 6)) == list(islice(helped.train_dataloader(), 6))


class Pixels:
    """Collates to prepared pixels, from a folder that all processes share."""

    def __init__(self, folder: Path) -> None:
        self.cache = PixelCache(shade, 1 << 20, recipe="r", folder=folder)

    def __call__(self, batch: Sequence[Drawn]) -> list[torch.Tensor]:
        return [self.cache(drawn.samples[0].images[0]) for drawn in batch]


def shade(image: Image) -> torch.Tensor:
    return torch.from_numpy(image.array.astype(np.float32)).expand(3, -1, -1)


@pytest.mark.parametrize("cached", [False, True])
def test_workers_do_not_change_the_pixels(root: Path, tmp_path: Path, cached: bool) -> None:
    for n in range(12):
        PIL.Image.fromarray(np.random.default_rng(n).integers(0, 256, (9, 8), np.uint8)).save(root / f"{n}.png")
    batches = []
    for workers in (0, 2):
        folder = tmp_path / ("cache" if cached else f"cache{workers}")
        data = StudyData("jsonl", root, collate=Pixels(folder), batch_size=4, num_workers=workers)
        data.setup("fit")
        batches.append([torch.stack(batch) for batch in islice(data.train_dataloader(), 6)])
    assert all(torch.equal(alone, helped) for alone, helped in zip(*batches, strict=True))


def test_a_share_for_validation_takes_whole_images_from_training(root: Path) -> None:
    data = study(root)
    data.setup("fit")
    assert not data.leaks("train", "validate")
    assert len(data.samples["train"]) + len(data.samples["validate"]) == 30
    assert {sample.split for sample in data.samples["validate"]} == {"validate"}


def test_test_questions_come_once_in_order_all_of_an_image_together(root: Path) -> None:
    data = study(root)
    data.setup("test")
    (batch,) = data.test_dataloader()
    assert [ids for _, _, ids in batch] == [("10-0", "10-1", "10-2"), ("11-0", "11-1", "11-2")]
    assert "train" not in data.samples


def test_the_epoch_is_told_so_that_augmentation_can_differ(root: Path) -> None:
    data = study(root)
    data.setup("fit")
    n_groups = len(data.groups("train"))
    drawn = [item for batch in islice(data.train_dataloader(), n_groups) for item in batch]
    assert [epoch for epoch, _, _ in drawn] == sorted([0, 1, 2, 3] * n_groups)


def test_questions_without_their_images_do_not_reach_training(root: Path) -> None:
    (root / "0.png").unlink()
    data = study(root)
    data.setup("fit")
    assert data.reports["train"].skipped == {"image absent": 3}


def test_a_set_without_any_image_is_an_error(root: Path) -> None:
    for path in root.glob("*.png"):
        path.unlink()
    with pytest.raises(SampleError, match="image absent"):
        study(root).setup("fit")


def test_a_stage_may_draw_from_part_of_the_training_questions(root: Path) -> None:
    data = StudyData("jsonl", root, collate=collate, keep=lambda sample: sample.id.endswith("-1"))
    data.setup("fit")
    assert [len(group) for group in data.drawn().groups] == [1] * 10
    none = StudyData("jsonl", root, collate=collate, keep=lambda _: False)
    none.setup("fit")
    with pytest.raises(ValueError, match="none of the 30 training samples of 'jsonl' is kept"):
        none.train_dataloader()
