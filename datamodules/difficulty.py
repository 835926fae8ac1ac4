"""Questions of a chosen difficulty, by how often a model answered them right.

Difficulty is a file ``{"id": rate, ...}`` of the training split, or the folder of rollouts of a GRPO run: then the
rate of a question is its mean accuracy over all of its completions. Kept are questions with ``low < rate < high``: what
a model always or never answers teaches GRPO nothing (MedVLThinker, Huang et al. 2025, drops both ends). Stages with
other bounds, or an order by rate (:mod:`.curriculum`), make a curriculum.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from medvlm.study import Sample, SampleError

from .curriculum import Order
from .sets.records import LoadReport


@dataclass(frozen=True)
class Difficulty:
    """Which questions of a set are drawn, and in which order.

    Attributes:
        rates: File of pass rates by sample id, or folder of rollouts.
        low: Questions with this rate or less are left out.
        high: Questions with this rate or more are left out.
        order: ``random``, ``easy_first`` or ``hard_first`` over the steps of a stage.
    """

    rates: Path
    low: float = 0.0
    high: float = 1.0
    order: Order = "random"

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(f"low {self.low}, high {self.high}: expected 0 <= low < high <= 1")

    @cached_property
    def known(self) -> dict[str, float]:
        """The rates, read once."""
        return read_rates(self.rates)

    def keep(self, samples: Iterator[Sample], report: LoadReport) -> Iterator[Sample]:
        """Give the questions within the bounds; see `keep_between`."""
        return keep_between(samples, self.known, self.low, self.high, report, str(self.rates))


def read_rates(path: Path | str) -> dict[str, float]:
    """Read pass rates: one JSON object of numbers from 0 to 1 by sample id, or a folder of rollouts.

    Raises:
        SampleError: If the file holds anything else; the message names the first wrong entry.
        FileNotFoundError: If it is absent.
    """
    path = Path(path)
    if path.is_dir():
        return _rates_of_rollouts(path)
    found = _json(path.read_text(encoding="utf-8"), str(path))
    if not isinstance(found, dict):
        raise SampleError(f'{path}: expected {{"id": rate, ...}}, found {type(found).__name__}')
    for name, rate in found.items():
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise SampleError(f"{path}: the rate of {name!r} is {rate!r}, expected a number from 0 to 1")
    return found


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SampleError(f'{where}: expected {{"id": rate, ...}}, found no valid JSON: {error}') from None


def _whole(text: str) -> bool:
    """Say whether the last line was written to its end, and not cut off by a kill."""
    try:
        json.loads(text.rpartition("\n")[2])
    except ValueError:
        return False
    return True


def _rates_of_rollouts(folder: Path) -> dict[str, float]:
    """Average the accuracy of each question's completions over ``step-*.jsonl``."""
    seen: dict[str, list[float]] = defaultdict(list)
    for path in sorted(folder.glob("step-*.jsonl")):
        text = path.read_text(encoding="utf-8")
        whole = text if text.endswith("\n") or _whole(text) else text[: text.rfind("\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            rollout = _json(line, f"{path} line {number}")
            try:
                name, accuracy = rollout["sample"], rollout["parts"]["accuracy"]
            except (KeyError, TypeError):
                raise SampleError(f"{path} line {number}: no rollout with an accuracy; was that reward used?") from None
            if accuracy is not None:
                seen[name].append(float(accuracy))
    if not seen:
        raise SampleError(f"{folder}: no rollouts (step-*.jsonl) with an accuracy; give a file of rates instead")
    return {name: fmean(values) for name, values in seen.items()}


def keep_between(
    samples: Iterator[Sample], rates: Mapping[str, float], low: float, high: float, report: LoadReport, where: str
) -> Iterator[Sample]:
    """Give samples with ``low < rate < high`` and count the others in the report.

    Args:
        samples: Of one set.
        rates: By sample id; a sample without one is left out.
        low: Lower bound.
        high: Upper bound.
        report: Its counts of kept and skipped are moved.
        where: The file of the rates, for the message.

    Raises:
        SampleError: After the last sample, if none is left.
    """
    reasons: list[tuple[str, Callable[[float], bool]]] = [
        (f"pass rate {low:g} or less", lambda rate: rate <= low),
        (f"pass rate {high:g} or more", lambda rate: rate >= high),
    ]
    some, without, left_out, kept = "", 0, 0, 0
    for sample in samples:
        some, rate = sample.id, rates.get(sample.id)
        why = "no pass rate" if rate is None else next((text for text, out in reasons if out(rate)), "")
        if why:
            without += rate is None
            left_out += 1
            report.skip(sample.id, why)
            continue
        kept += 1
        yield sample
    report.kept -= left_out  # not before: the set itself looks at it after its last record
    if not kept:
        names = f"its ids look like {next(iter(rates), 'nothing')!r}, those of the samples like {some!r}"
        if without == left_out:
            raise SampleError(f"{where}: none of {without} samples has a rate: it has {len(rates)}; {names}")
        known = left_out - without
        raise SampleError(f"{where}: none of {known} samples with a rate lies between {low:g} and {high:g}; {names}")
