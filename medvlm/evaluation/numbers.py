"""The numbers of a score by their names, to choose one of: which weights are best is said by a name in a recipe."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import grade
from medvlm.evaluation.scoring import Score, score_records
from medvlm.study import Sample


def numbers_of(score: Score) -> dict[str, float]:
    """Every number of a score that is a value of its own: ``accuracy``, ``KIND:METRIC``, ``CATEGORY=VALUE:accuracy``.

    A score of the corpus is named without its settings in brackets where no other has that name, and ``unparsed`` and
    ``truncated`` are shares of the answers.

    Args:
        score: Of one run on one set.
    """
    found = {} if score.accuracy is None else {"accuracy": score.accuracy.value}
    found |= {f"{row.part}:{row.metric}": row.interval.value for row in score.rows}
    short = Counter(_short(metric.name) for metric in score.corpus)
    for metric in score.corpus:
        name = _short(metric.name)
        found[name if short[name] == 1 else metric.name] = metric.value
    return found | {"unparsed": score.unparsed, "truncated": score.truncated}


def extremes(samples: Sequence[Sample], protocol: Protocol) -> tuple[dict[str, float], dict[str, float]]:
    """The numbers that samples would have, were each answered by its reference, and were none answered.

    Args:
        samples: Questions.
        protocol: How answers are scored.
    """
    found = []
    for texts in ([sample.answer for sample in samples], [""] * len(samples)):
        records = [
            grade(sample, text, run="", cluster=protocol.cluster_of(sample))
            for sample, text in zip(samples, texts, strict=True)
        ]
        found.append(numbers_of(score_records(records, protocol)))
    return found[0], found[1]


def find_number(name: str, numbers: Mapping[str, float]) -> float:
    """The number of a name.

    Args:
        name: One of the names.
        numbers: As `numbers_of` gives them.

    Raises:
        ValueError: If there is none; the message has the nearest, and all that there are.

    Examples:
        >>> find_number("open:token_f1", {"open:token_f1": 0.5})
        0.5
    """
    if name in numbers:
        return numbers[name]
    near = difflib.get_close_matches(name, numbers, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"there is no number {name!r} here, only {', '.join(numbers)}{hint}")


def _short(name: str) -> str:
    return name.partition("[")[0]
