"""Several runs in order, with ranks that chance alone cannot make: who does not differ from the best shares its rank.

Each rank is led by the best run that has none yet. Whoever ties with it (paired differences that resample whole images
or patients, Holm's p over the comparisons with that leader) shares its rank; the next rank counts all that came before.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medvlm.evaluation.comparison import Run, Verdict, compare_runs, load_run, pair_records
from medvlm.evaluation.contrasts import ACCURACY, FINDING_F1, value_of
from medvlm.evaluation.markdown import interval_text
from medvlm.evaluation.provenance import header_fields
from medvlm.evaluation.statistics import Difference, Interval, mean_interval
from medvlm.study import MedvlmError

LIKE = ("protocol", "prompt", "parser", "split", "fingerprint")
"""What must be equal in runs that are ranked together."""


@dataclass(frozen=True, slots=True)
class Place:
    """A run on the board.

    Attributes:
        rank: 1 for the best and for all that do not differ from it.
        name: Its folder.
        score: Its mean with its interval.
        behind: What it is behind the best, paired; None for the best itself.
        p_holm: The p-value of that after Holm; None for the best itself.
        unparsed: Share of questions without an answer that could be read.
        made_of: What its score says of weights, decoding and versions, by name.
    """

    rank: int
    name: str
    score: Interval
    behind: Difference | None
    p_holm: float | None
    unparsed: float
    made_of: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Runs that were scored alike, in order, and those that were not.

    Attributes:
        metric: What they are ranked by.
        alike: Protocol, prompt, parser and split of all that are ranked.
        places: The ranked runs.
        apart: Those that cannot be ranked with them, each with the reason.
        notes: How to read it.
    """

    metric: str
    alike: Mapping[str, str]
    places: tuple[Place, ...]
    apart: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Protocol and split in a line."""
        return f"Leaderboard of {self.alike.get('protocol', 'unknown')}, split {self.alike.get('split', 'unknown')}"

    def to_json(self) -> dict[str, Any]:
        """The board as JSON values; what is not a number is null."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)), parse_constant=lambda _: None)
        return values

    def cells(self) -> list[list[str]]:
        """Rank, run, score, interval, distance to the best, p, unparsed, n and clusters of each place, as text."""
        return [_cells(place) for place in self.places]


COLUMNS = ("rank", "run", "score", "95 % interval", "behind the best", "p (Holm)", "unparsed", "n", "clusters")


def load_board(paths: Sequence[Path | str], *, metric: str | None = None, seed: int = 0) -> Leaderboard:
    """The board of run folders.

    Args:
        paths: What evaluations wrote, each once.
        metric: As `make_board` takes it.
        seed: Seed of the resampling.

    Raises:
        FileNotFoundError: If one holds no records.
        ValueError: As `make_board` does, or if a folder is named twice.
    """
    counts = Counter(Path(path).resolve() for path in paths)
    if twice := [str(path) for path, count in counts.items() if count > 1]:
        raise ValueError(f"{twice[0]} is named twice; name each run once")
    made_of = {str(path): _made_of(Path(path)) for path in map(Path, paths)}
    return make_board([load_run(path) for path in paths], metric=metric, seed=seed, made_of=made_of)


def make_board(
    runs: Sequence[Run],
    *,
    metric: str | None = None,
    seed: int = 0,
    made_of: Mapping[str, Mapping[str, str]] | None = None,
) -> Leaderboard:
    """Rank the runs that most of them are scored like; the others are listed apart with the reason.

    Args:
        runs: One or more.
        metric: ``accuracy``, or the name of a score that each record has; by the questions if not given.
        seed: Seed of the resampling.
        made_of: What is said of each run, by its name.

    Raises:
        ValueError: If there is no run, none says how it was scored, or no question has the metric.
    """
    if not runs:
        raise ValueError("no runs to rank; name at least one folder that an evaluation wrote")
    first = _leading_kind(runs)
    alike, apart = [], []
    for run in runs:
        reason = _reason(first, run)
        if reason:
            apart.append((run.name, reason))
        else:
            alike.append(run)
    graded = any(record.correct is not None for record in first.records.values())
    metric = metric or (ACCURACY if graded else FINDING_F1)
    places = _places(alike, metric, seed, made_of or {})
    return Leaderboard(metric, dict(first.header), tuple(places), tuple(apart), tuple(_notes(alike, seed)))


def _leading_kind(runs: Sequence[Run]) -> Run:
    """The first run of the kind that there are most of."""
    keys = [_key(run) for run in runs]
    counts = Counter(key for key in keys if any(key))
    if not counts:
        raise ValueError("no score.json lies beside these records: by which protocol and on which split is unknown")
    most = max(counts.values())
    return next(run for run, key in zip(runs, keys, strict=True) if counts[key] == most)


def _key(run: Run) -> tuple[str, ...]:
    return tuple(run.header.get(name, "") for name in LIKE)


def _reason(first: Run, run: Run) -> str:
    """Why a run cannot be ranked with the first; empty if it can."""
    if not run.header:
        return "no score.json lies beside its records: by which protocol and on which split is unknown"
    ours, theirs = first.header, run.header
    differ = [
        f"{name} {theirs.get(name, 'none')}, not {ours.get(name, 'none')}"
        for name in LIKE
        if ours.get(name) != theirs.get(name)
    ]
    if differ:
        return "; ".join(differ)
    try:
        pair_records(first, run)
    except MedvlmError as error:
        return str(error)
    return ""


def _places(runs: Sequence[Run], metric: str, seed: int, made_of: Mapping[str, Mapping[str, str]]) -> list[Place]:
    scores = {run.name: _score(run, metric, seed) for run in runs}
    left = sorted(runs, key=lambda run: (-scores[run.name].value, run.name))
    behind: dict[str, Verdict] = {}
    ranks: dict[str, int] = {}
    while left:
        leader, *rest = left
        verdicts = compare_runs(leader, rest, metric=metric, seed=seed) if rest else []
        behind = behind or {verdict.second: verdict for verdict in verdicts}
        tied = {leader.name, *(verdict.second for verdict in verdicts if verdict.outcome == "tie")}
        ranks |= dict.fromkeys(tied, len(ranks) + 1)
        left = [run for run in left if run.name not in tied]
    order = sorted(runs, key=lambda run: (ranks[run.name], -scores[run.name].value, run.name))
    return [
        Place(
            ranks[run.name],
            run.name,
            scores[run.name],
            behind[run.name].difference if run.name in behind else None,
            behind[run.name].p_holm if run.name in behind else None,
            sum(record.value is None for record in run.records.values()) / len(run.records),
            dict(made_of.get(run.name, {})),
        )
        for run in order
    ]


def _score(run: Run, metric: str, seed: int) -> Interval:
    found = [(value_of(record, metric), record.cluster) for record in run.records.values()]
    kept = [(value, cluster) for value, cluster in found if value is not None]
    if not kept:
        known = sorted({name for record in run.records.values() for name in record.scores})
        raise ValueError(f"{run.name}: no question has {metric!r}; expected {ACCURACY} or {', '.join(known) or 'none'}")
    return mean_interval([value for value, _ in kept], [cluster for _, cluster in kept], seed=seed)


def _made_of(path: Path) -> dict[str, str]:
    file = (path if path.is_dir() else path.parent) / "score.json"
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    fields = values.get("provenance") or header_fields(values.get("header", ""))
    return {str(name): str(value) for name, value in fields.items()}


def _notes(runs: Sequence[Run], seed: int) -> list[str]:
    notes = [
        "runs share a rank if they do not differ from its best one: the paired 95 % interval includes 0, or p after "
        f"Holm over the comparisons with it is above 0.05; resampled by cluster, seed {seed}",
    ]
    if len(runs) > 1:
        notes.append("the best of several runs on one test set is flattered by chance; confirm it on fresh questions")
    return notes


def _cells(place: Place) -> list[str]:
    gap, score = place.behind, place.score
    return [
        str(place.rank),
        place.name,
        f"{score.value:.3f}",
        interval_text(score),
        "" if gap is None else f"{gap.value:.3f} ({interval_text(gap)})",
        "" if place.p_holm is None else f"{place.p_holm:.4f}",
        f"{place.unparsed:.1%}",
        str(score.n),
        str(score.clusters),
    ]
