"""The Lightning data module: one set or a mixture, questions grouped by image, an order that resumes exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
from torch.utils.data import DataLoader, Dataset

from medvlm import ranks
from medvlm.study import Sample

from .batches import StepSampler, group_by_image
from .curriculum import CurriculumSampler, by_difficulty
from .difficulty import Difficulty
from .mixture import Mixture, MixtureSampler
from .sets import LoadReport, load_set
from .splits import shared_groups, split_by_group, split_hash


@dataclass(frozen=True, slots=True)
class Drawn:
    """The questions on the same images, and where in training they were drawn, which seeds augmentation."""

    epoch: int
    index: int
    samples: tuple[Sample, ...]


Collate = Callable[[Sequence[Drawn]], Any]


class Groups(Dataset[Drawn]):
    """Groups of questions, drawn by index or by (epoch, index)."""

    def __init__(self, groups: Sequence[Sequence[Sample]]) -> None:
        self.groups = [tuple(group) for group in groups]

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, draw: int | tuple[int, int]) -> Drawn:
        epoch, index = (0, draw) if isinstance(draw, int) else draw
        return Drawn(epoch, index, self.groups[index])


class DrawSampler:
    """Gives a loader the (epoch, index) pairs of a sampler, from its first step on, without end."""

    def __init__(self, sampler: StepSampler | MixtureSampler | CurriculumSampler) -> None:
        self.sampler = sampler

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step = self.sampler.start_step
        while True:
            yield self.sampler.draws(step)
            step += 1


class StudyData(lightning.LightningDataModule):
    """Training, validation and test questions of one set or of several, in groups that share their images.

    Attributes:
        samples: The samples of each of ``train``, ``validate`` and ``test``, after ``setup``.
        reports: What was read and left out for each.
        start_step: First step that ``train_dataloader`` gives; set it to resume.
    """

    def __init__(
        self,
        set_name: str,
        root: Path | str,
        *,
        collate: Collate,
        batch_size: int = 8,
        validate_share: float = 0.0,
        max_questions: int | None = None,
        num_workers: int = 0,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        options: Mapping[str, Any] | None = None,
        keep: Callable[[Sample], bool] | None = None,
        mixture: Mixture | None = None,
        difficulty: Difficulty | None = None,
        steps: int = 1,
    ) -> None:
        """Take the settings; nothing is read before ``setup``.

        Args:
            set_name: Name of the set, a key of ``SETS``; of a mixture, what to call it.
            root: Where the set is; the parts of a mixture have their own.
            collate: Makes a batch of drawn groups; the floors above know tokens and pixels.
            batch_size: Groups a step, over all ranks.
            validate_share: Share of the training groups to validate on, for a set that has no validate split; 0 uses
                the set's own split.
            max_questions: Most questions of a group.
            num_workers: Worker processes of the loaders.
            seed: Order of training and choice of the validation share.
            rank: This process; None asks the process group once batches are drawn.
            world_size: Number of processes; None likewise.
            options: What the set itself takes.
            keep: Which training samples are drawn; all if None.
            mixture: Several sets instead of the one.
            difficulty: Which training questions of a single set are kept, and in which order, by their pass rates.
            steps: Of training, over which an order by difficulty goes from one end to the other.
        """
        super().__init__()
        self.keep, self.mixture, self.difficulty, self.steps = keep, mixture, difficulty, steps
        self.set_name, self.root, self.collate = set_name, root, collate
        self.batch_size, self.validate_share, self.max_questions = batch_size, validate_share, max_questions
        self.num_workers, self.seed, self.rank, self.world_size = num_workers, seed, rank, world_size
        self.options: dict[str, Any] = {"absent": "skip", **(options or {})}
        self.samples: dict[str, list[Sample]] = {}
        self.reports: dict[str, LoadReport] = {}
        self.start_step = 0
        self._grouped: dict[str, list[list[Sample]]] = {}

    def setup(self, stage: str | None = None) -> None:
        """Read the questions of the splits that a stage needs; no pixels.

        Args:
            stage: ``fit``, ``validate``, ``test`` or None for all.
        """
        fit = ("train", "validate") if self.validate_share else ("train",)  # a set need not have a validate split
        needed = {"fit": fit, "validate": ("validate",), "test": ("test",)}
        for split in needed.get(stage or "", ("train", "validate", "test")):
            if split not in self.samples:
                self._load(split)

    def _load(self, split: str) -> None:
        """Read one split; with a validation share, training and validation come from the set's training split."""
        held_out = self.validate_share > 0 and split in ("train", "validate")
        report, source = LoadReport(), "train" if held_out else split
        if self.mixture is None:
            found = load_set(self.set_name, self.root, source, report=report, **self.options)
            chosen = self.difficulty if source == "train" else None
            samples = list(found if chosen is None else chosen.keep(found, report))
        else:
            samples = self.mixture.load(source, report, self.options)
        if not held_out:
            self.samples[split], self.reports[split] = samples, report
            return
        shares = {"train": 1 - self.validate_share, "validate": self.validate_share}
        for part, kept in split_by_group(samples, shares, self.seed).items():
            self.samples[part], self.reports[part] = kept, report

    def leaks(self, first: str = "train", second: str = "test") -> set[str]:
        """Return the groups and images that two splits share (202 images for the official split of VQA-RAD)."""
        return shared_groups(self.samples[first], self.samples[second])

    def split_hash(self, split: str) -> str:
        """Return the fingerprint of a split, to print beside a score."""
        return split_hash(self.samples[split])

    def groups(self, split: str) -> Groups:
        """Return the questions of a split, grouped by image."""
        return Groups(group_by_image(self.samples[split], max_questions=self.max_questions))

    def drawn(self) -> Groups:
        """Return the groups of the training samples that are kept, of a mixture part by part.

        Raises:
            ValueError: If none is kept.
        """
        return Groups([group for groups in self._parts().values() for group in groups])

    def _parts(self) -> dict[str, list[list[Sample]]]:
        """Group the training samples that are kept, by part; once, for a run asks for them several times."""
        if not self._grouped:
            self._grouped = self._group()
        return self._grouped

    def _group(self) -> dict[str, list[list[Sample]]]:
        samples = [sample for sample in self.samples["train"] if self.keep is None or self.keep(sample)]
        if not samples:
            raise ValueError(f"none of the {len(self.samples['train'])} training samples of {self.set_name!r} is kept")
        if self.mixture is None:
            groups = group_by_image(samples, max_questions=self.max_questions)
            if self.difficulty is not None and self.difficulty.order != "random":
                rates, where = self.difficulty.known, str(self.difficulty.rates)
                groups = by_difficulty(groups, rates, self.difficulty.order, where)
            return {self.set_name: groups}
        return self.mixture.group(samples, self.max_questions)

    def train_dataloader(self, start_step: int | None = None) -> DataLoader[Drawn]:
        """Give training batches without end, from a step on.

        Args:
            start_step: First step; without it the attribute of the same name.
        """
        parts = self._parts()
        groups = Groups([group for found in parts.values() for group in found])
        step = self.start_step if start_step is None else start_step
        rank = ranks.rank() if self.rank is None else self.rank
        world = ranks.world_size() if self.world_size is None else self.world_size
        place = {"seed": self.seed, "start_step": step, "rank": rank, "world_size": world}
        order: StepSampler | MixtureSampler | CurriculumSampler
        if self.difficulty is not None and self.difficulty.order != "random":
            order = CurriculumSampler(len(groups), self.batch_size, self.steps, **place)
        elif self.mixture is None:
            order = StepSampler(len(groups), self.batch_size, **place)
        else:
            sizes = {name: len(found) for name, found in parts.items()}
            order = self.mixture.sampler(sizes, batch_size=self.batch_size, **place)
        return DataLoader(groups, batch_sampler=DrawSampler(order), **self._loader())

    def val_dataloader(self) -> DataLoader[Drawn]:
        """Give the validation groups once, in order."""
        return DataLoader(self.groups("validate"), batch_size=self.batch_size, **self._loader())

    def test_dataloader(self) -> DataLoader[Drawn]:
        """Give the test groups once, in order."""
        return DataLoader(self.groups("test"), batch_size=self.batch_size, **self._loader())

    def _loader(self) -> dict[str, Any]:
        """Return the settings that all loaders share."""
        return {"collate_fn": self.collate, "num_workers": self.num_workers, "persistent_workers": self.num_workers > 0}
