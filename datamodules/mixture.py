"""Several sets in one stream: weights, temperature, caps an epoch, and only questions of a chosen difficulty.

A part with n groups (an image with its questions, or a question without image) and weight w gets the share
``w * n**(1 / temperature)`` of an epoch: 1 is proportional to size, a large temperature is equal shares. Each part is
an endless order of its own, and an epoch of the mixture takes the next stretch of each: no group of a part comes twice
before all others of it came once, in this epoch or over its end. What a step draws depends on the seed and the step
alone, so a run resumes exactly and ranks divide every batch without overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medvlm.study import Sample, SampleError

from .batches import StepSampler, group_by_image
from .difficulty import keep_between, read_rates
from .sets import LoadReport, load_set


@dataclass(frozen=True, slots=True)
class Part:
    """One set of a mixture.

    Attributes:
        set: Name of the set, a key of ``SETS``.
        root: Where it is.
        name: Prefix of its sample ids; the set's name if empty.
        weight: Its weight, above 0.
        cap: Most groups of it in an epoch; None for no limit.
        options: What the set itself takes.
        rates: File of pass rates by sample id, or folder of rollouts (:mod:`.difficulty`); None keeps all questions.
        low: Questions with this rate or less are left out.
        high: Questions with this rate or more are left out.
    """

    set: str
    root: Path | str
    name: str = ""
    weight: float = 1.0
    cap: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    rates: Path | str | None = None
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0) or (self.cap is not None and self.cap < 1):
            raise ValueError(f"part {self.title!r}: weight {self.weight}, cap {self.cap}: expected numbers above 0")
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(f"part {self.title!r}: low {self.low}, high {self.high}: expected 0 <= low < high <= 1")
        if ":" in self.title:
            raise ValueError(f"part {self.title!r}: a name has no colon, it ends where the sample's id begins")

    @property
    def title(self) -> str:
        """Prefix of its sample ids."""
        return self.name or self.set

    def load(self, split: str, report: LoadReport, options: Mapping[str, Any]) -> Iterator[Sample]:
        """Give its samples with prefixed ids and the part's name as category ``set``; training ones by difficulty.

        Args:
            split: A split of the set.
            report: Filled on the way.
            options: What every set takes; the part's own options go before.
        """
        samples = load_set(self.set, self.root, split, report=report, **{**options, **self.options})
        if self.rates is not None and split == "train":
            rates = {name.removeprefix(f"{self.title}:"): rate for name, rate in read_rates(self.rates).items()}
            samples = keep_between(samples, rates, self.low, self.high, report, str(self.rates))
        for sample in samples:
            categories = {"set": self.title, **sample.categories}
            yield replace(sample, id=f"{self.title}:{sample.id}", categories=categories)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Several sets and how they are mixed.

    Attributes:
        parts: The sets; no two have one name.
        temperature: Above 0: 1 is proportional to size, a large one equal shares.
    """

    parts: tuple[Part, ...]
    temperature: float = 1.0

    def __post_init__(self) -> None:
        names = [part.title for part in self.parts]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"parts {names}: expected at least one, each with a name of its own (name: ...)")
        if not self.temperature > 0:
            raise ValueError(f"temperature={self.temperature}: expected a number above 0")

    def load(self, split: str, report: LoadReport, options: Mapping[str, Any]) -> list[Sample]:
        """Return the samples of all parts, part by part, with one report of all.

        A part that has nothing to validate or test on (text for training, chains, pseudo-labels) is left out there.

        Raises:
            SampleError: If a part has nothing usable, or no part has anything of the split.
        """
        samples: list[Sample] = []
        for part in self.parts:
            found = LoadReport()
            try:
                samples += part.load(split, found, options)
            except SampleError:
                if split == "train" or found.records:
                    raise
                report.notes.append(f"{part.title}: nothing of the {split} split")
            _merge(report, found, part.title)
        if not samples:
            raise SampleError(f"none of the parts {[part.title for part in self.parts]} has anything of {split!r}")
        return samples

    def group(self, samples: Sequence[Sample], max_questions: int | None) -> dict[str, list[list[Sample]]]:
        """Group the samples of each part by image; questions of two parts on one image stay apart.

        Returns:
            Groups by part, without parts that have none.
        """
        by_part: dict[str, list[Sample]] = {part.title: [] for part in self.parts}
        for sample in samples:
            by_part[sample.id.partition(":")[0]].append(sample)
        return {name: group_by_image(found, max_questions=max_questions) for name, found in by_part.items() if found}

    def sampler(self, sizes: Mapping[str, int], **order: int) -> MixtureSampler:
        """Return the order of steps over parts of some sizes.

        Args:
            sizes: Number of groups by part, as they lie one after another.
            order: ``batch_size``, ``seed``, ``start_step``, ``rank`` and ``world_size``.
        """
        parts = [part for part in self.parts if part.title in sizes]
        shares = epoch_shares(
            [sizes[part.title] for part in parts],
            [part.weight for part in parts],
            temperature=self.temperature,
            caps=[part.cap for part in parts],
        )
        return MixtureSampler(tuple(sizes[part.title] for part in parts), tuple(shares), **order)


def epoch_shares(
    sizes: Sequence[int],
    weights: Sequence[float],
    *,
    temperature: float = 1.0,
    caps: Sequence[int | None] | None = None,
) -> list[int]:
    """Divide an epoch, as long as all parts together, in proportion to ``w * n**(1 / temperature)``.

    Args:
        sizes: Groups of each part.
        weights: Weight of each part.
        temperature: See the module.
        caps: Most groups of each part; what a cap takes away makes the epoch shorter.

    Returns:
        Groups of each part in an epoch, at least 1 each.

    Examples:
        >>> epoch_shares([900, 100], [1, 1]), epoch_shares([900, 100], [1, 1], temperature=2)
        ([900, 100], [750, 250])
        >>> epoch_shares([900, 100], [1, 3], caps=[200, None])
        [200, 250]
    """
    logs = np.log(np.asarray(weights, float)) + np.log(np.asarray(sizes, float)) / temperature
    exact = np.exp(logs - logs.max())
    exact *= sum(sizes) / exact.sum()
    shares = np.floor(exact + 1e-9).astype(int)
    order = np.argsort(shares - exact, kind="stable")  # the largest remainders get what is left
    shares[order[: sum(sizes) - int(shares.sum())]] += 1
    limits = [None] * len(sizes) if caps is None else caps
    return [max(1, int(n)) if cap is None else min(max(1, int(n)), cap) for n, cap in zip(shares, limits, strict=True)]


@dataclass
class MixtureSampler:
    """An endless order over several parts that lie one after another; see the module.

    Attributes:
        sizes: Items of each part.
        shares: Items of each part in an epoch of the mixture.
        batch_size: Items a step, over all ranks.
        seed: Which order.
        start_step: First step that a loader gives.
        rank: This process; see `StepSampler`.
        world_size: Number of processes.
    """

    sizes: tuple[int, ...]
    shares: tuple[int, ...]
    batch_size: int
    seed: int = 0
    start_step: int = 0
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if len(self.sizes) != len(self.shares) or min(self.shares, default=0) < 1:
            raise ValueError(f"sizes {self.sizes}, shares {self.shares}: expected a share of at least 1 for each part")
        length = sum(self.shares)
        self._epochs = StepSampler(length, self.batch_size, self.seed, self.start_step, self.rank, self.world_size)
        seeds = np.random.SeedSequence((self.seed, len(self.sizes))).generate_state(len(self.sizes))
        self._parts = [StepSampler(n, 1, int(seed)) for n, seed in zip(self.sizes, seeds, strict=True)]
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)])
        self._owners = np.repeat(np.arange(len(self.shares)), self.shares)
        self._ranks: dict[int, NDArray[np.int64]] = {}

    def draws(self, step: int) -> list[tuple[int, int]]:
        """Return the (pass, item) pairs of a step that belong to this rank; ``pass`` counts how often a part came."""
        return [self._draw(*divmod(place, len(self._owners))) for place in self._epochs.places(step)]

    def _draw(self, epoch: int, place: int) -> tuple[int, int]:
        """Return what stands at a place of an epoch."""
        slot = int(self._epochs.order(epoch)[place])
        part = int(self._owners[slot])
        turn = epoch * self.shares[part] + int(self._turns(epoch)[place])
        ((times, item),) = self._parts[part].draws(turn)
        return times, int(self._starts[part]) + item

    def _turns(self, epoch: int) -> NDArray[np.int64]:
        """Count, for each place of an epoch, the places before it that belong to the same part."""
        if epoch not in self._ranks:
            owners = self._owners[self._epochs.order(epoch)]
            turns = np.empty(len(owners), np.int64)
            for part, share in enumerate(self.shares):
                turns[owners == part] = np.arange(share)
            self._ranks = {old: kept for old, kept in self._ranks.items() if abs(old - epoch) < 2} | {epoch: turns}
        return self._ranks[epoch]


def _merge(report: LoadReport, found: LoadReport, name: str) -> None:
    """Add what was read of one part to the report of all."""
    report.records += found.records
    report.kept += found.kept
    report.absent_images += found.absent_images
    report.skipped.update(found.skipped)
    report.notes += [f"{name}: {note}" for note in found.notes]
    for reason, examples in found.examples.items():
        report.examples.setdefault(reason, []).extend(f"{name}:{example}" for example in examples)
