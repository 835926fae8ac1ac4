"""Two or more runs on the same questions: win, tie or loss in words, and the numbers behind it.

The method of "Are We Making Progress?" (Jeong et al. 2024, arXiv 2411.04118): a difference that its uncertainty does
not exclude from 0 is a tie. Here the interval resamples whole images or patients, and p-values are Holm's over all
comparisons of a call.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medvlm.evaluation.contrasts import ACCURACY, FINDING_F1, value_of
from medvlm.evaluation.records import Record, read_records
from medvlm.evaluation.significance import detectable_difference, holm, mcnemar_exact
from medvlm.evaluation.statistics import Difference, paired_difference
from medvlm.study import SampleError

_ALIKE = ("prompt", "parser", "split", "fingerprint")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Run:
    """The records of a run.

    Attributes:
        name: What it is called.
        records: The last record of each question, by id.
        header: What its score says of protocol, prompt, parser and split, by name; empty if no score lies beside it.
    """

    name: str
    records: Mapping[str, Record]
    header: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one comparison.

    Attributes:
        first: Name of the first run.
        second: Name of the second.
        outcome: ``win`` or ``loss`` of the first, or ``tie``.
        metric: What was compared.
        values: Its mean in both runs.
        difference: First minus second, paired; its ``p`` is of this comparison alone.
        p_holm: The p-value adjusted for all comparisons of the call.
        only: Questions that the first alone and the second alone has right; None unless accuracy was compared.
        mcnemar: P-value of McNemar's exact test, which knows no clusters; None unless accuracy was compared.
        detectable: Smallest true difference found with 80 % power; NaN where nothing can be said.
        notes: What a reader must know.
    """

    first: str
    second: str
    outcome: str
    metric: str
    values: tuple[float, float]
    difference: Difference
    p_holm: float
    only: tuple[int, int] | None
    mcnemar: float | None
    detectable: float
    notes: tuple[str, ...] = ()

    def to_text(self) -> str:
        """The verdict in words."""
        word = {"win": "wins over", "loss": "loses to", "tie": "ties with"}[self.outcome]
        gap, (first, second) = self.difference, self.values
        ends = "no interval from one cluster"
        if not math.isnan(gap.low):
            ends = f"95 % interval {gap.low:+.3f} to {gap.high:+.3f}"
        seen = "unknown" if math.isnan(self.detectable) else f"{self.detectable:.3f}"
        what = f"{self.metric} {first:.3f} against {second:.3f}"
        lines = [
            f"{self.outcome.upper()}: {self.first} {word} {self.second}: {what}",
            f"  difference {gap.value:+.3f}, {ends}, p = {gap.p:.4f}, after Holm {self.p_holm:.4f}",
        ]
        if self.only is not None and self.mcnemar is not None:
            lines.append(
                f"  right in the first alone {self.only[0]}, in the second alone {self.only[1]}, "
                f"McNemar exact p = {self.mcnemar:.2g} (questions as independent)"
            )
        lines.append(f"  n = {gap.n}, clusters = {gap.clusters}, detectable with 80 % power: {seen}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def load_run(path: Path | str) -> Run:
    """The run of a folder (its ``real.jsonl``) or of a file of records.

    Args:
        path: What `medvlm evaluate` wrote.

    Raises:
        FileNotFoundError: If there are no records.
        ValueError: If a line is no record, or there is none.
    """
    path = Path(path)
    file = path / "real.jsonl" if path.is_dir() else path
    records = {record.id: record for record in read_records(file)}
    if not records:
        raise ValueError(f"{file} holds no records; evaluate first, or name another folder")
    score = file.with_name("score.json")
    header = json.loads(score.read_text(encoding="utf-8"))["header"] if score.exists() else ""
    return Run(str(path), records, _parts(header))


def _parts(header: str) -> dict[str, str]:
    """What must be equal in two runs: protocol, its fingerprint, prompt, parser and split."""
    first, *rest = header.split(" | ")
    parts = {"protocol": first} if first else {}
    named = (part.partition(" ") for part in rest)
    return parts | {name: value.partition(" ")[0] for name, _, value in named if name in _ALIKE}


def compare_runs(
    first: Run, others: Sequence[Run], *, metric: str | None = None, common: bool = False, seed: int = 0
) -> list[Verdict]:
    """Compare a run with others on the same questions.

    Args:
        first: The run that wins or loses.
        others: At least one run.
        metric: ``accuracy``, or the name of a score that each record has (``token_f1``, ``iou``); accuracy if not
            given, or on reports alone the mean finding F1.
        common: Whether runs over other questions are compared on those that both have.
        seed: Seed of the resampling.

    Raises:
        ValueError: If there is nothing to compare, or no question has the metric.
        SampleError: If protocols, splits or questions differ.
    """
    if not others:
        raise ValueError("nothing to compare with; name at least two runs")
    single = [_compare(first, other, metric, common=common, seed=seed) for other in others]
    adjusted = holm([verdict.difference.p for verdict in single])
    return [
        replace(verdict, p_holm=p, outcome=_outcome(verdict.difference, p))
        for verdict, p in zip(single, adjusted, strict=True)
    ]


def _outcome(difference: Difference, p: float, alpha: float = 0.05) -> str:
    """A tie unless both the interval and the adjusted p-value exclude 0."""
    if p > alpha or not (difference.low > 0 or difference.high < 0):
        return "tie"
    return "win" if difference.value > 0 else "loss"


def _compare(first: Run, second: Run, metric: str | None, *, common: bool, seed: int) -> Verdict:
    pairs, notes = pair_records(first, second, common=common)
    graded = [pair for pair in pairs if pair[0].correct is not None and pair[1].correct is not None]
    metric = metric or (ACCURACY if graded else FINDING_F1)
    values = [(a, b) for a, b in ((value_of(x, metric), value_of(y, metric)) for x, y in pairs)]
    kept = [
        (pair[0].cluster, a, b) for pair, (a, b) in zip(pairs, values, strict=True) if a is not None and b is not None
    ]
    if not kept:
        known = sorted({name for pair in pairs for name in pair[0].scores})
        raise ValueError(f"no question has {metric!r}; expected {ACCURACY} or one of {', '.join(known) or 'no other'}")
    if len(kept) < len(pairs):
        notes.append(f"{len(pairs) - len(kept)} of {len(pairs)} questions have no {metric}")
    clusters, ours, theirs = (list(column) for column in zip(*kept, strict=True))
    difference = paired_difference(ours, theirs, clusters, seed=seed)
    only = (sum(a > b for _, a, b in kept), sum(a < b for _, a, b in kept)) if metric == ACCURACY else None
    return Verdict(
        first.name,
        second.name,
        "tie",
        metric,
        (sum(ours) / len(ours), sum(theirs) / len(theirs)),
        difference,
        difference.p,
        only,
        None if only is None else mcnemar_exact(*only),
        detectable_difference([a - b for _, a, b in kept], clusters),
        tuple(notes),
    )


def pair_records(first: Run, second: Run, *, common: bool = False) -> tuple[list[tuple[Record, Record]], list[str]]:
    """Both records of each question that both have, and what must be said of it.

    Args:
        first: A run.
        second: Another one.
        common: Whether runs over other questions are compared on those that both have.

    Raises:
        SampleError: If protocols, splits or questions differ.
    """
    notes = _check_headers(first, second, common=common)
    lost = [name for name in first.records if name not in second.records]
    extra = [name for name in second.records if name not in first.records]
    both = [name for name in first.records if name in second.records]
    if (lost or extra) and not common:
        raise SampleError(
            f"{first.name} and {second.name} have other questions: {len(lost)} only in the first ({_some(lost)}), "
            f"{len(extra)} only in the second ({_some(extra)}), {len(both)} in both; evaluate both on the same, or "
            "compare these with --common"
        )
    if not both:
        raise SampleError(f"{first.name} and {second.name} have no question in common; evaluate both on the same set")
    if lost or extra:
        notes.append(
            f"the {len(both)} common questions; {len(lost)} of the first and {len(extra)} of the second left out"
        )
    pairs = [(first.records[name], second.records[name]) for name in both]
    if changed := [a.id for a, b in pairs if _asked(a) != _asked(b)]:
        raise SampleError(
            f"{len(changed)} questions have one id but another text, reference, options or cluster in {first.name} and "
            f"{second.name} ({_some(changed)}); evaluate both on the same version of the set"
        )
    return pairs, notes


def _asked(record: Record) -> tuple[object, ...]:
    return record.question, record.reference, record.options, record.kind, record.cluster


def _check_headers(first: Run, second: Run, *, common: bool) -> list[str]:
    """Refuse runs by other protocols; what cannot be known is noted."""
    if unknown := [run.name for run in (first, second) if not run.header]:
        return [f"no score.json lies beside {' and '.join(unknown)}: that the protocol is the same was not checked"]
    names = [name for name in ("protocol", *_ALIKE) if not (common and name == "split")]
    differ = [
        f"{name} {first.header.get(name, 'none')} and {second.header.get(name, 'none')}"
        for name in names
        if first.header.get(name) != second.header.get(name)
    ]
    if differ:
        raise SampleError(
            f"{first.name} and {second.name} were not scored alike: {'; '.join(differ)}. Evaluate both by one protocol"
            " on one split; --common compares runs over parts of one split"
        )
    return []


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "") if names else "none"
