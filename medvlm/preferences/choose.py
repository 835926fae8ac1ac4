"""Pairs of scored answers: the best and the worst of a question, if they differ enough and are about as long.

Best against worst of a few samples, ties dropped: CheXalign (arXiv 2410.07025), which also found that a judge without
length control doubles the length of reports. So a pair must have a margin, and the chosen answer's length over the
rejected one's must lie in a window: what is preferred is then not length.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from medvlm.preferences.pairs import Pair
from medvlm.study import SampleError


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer and what it got.

    Attributes:
        text: As the model wrote it.
        score: Higher is better.
        finished: Whether it ended by itself; a truncated answer is in no pair.
    """

    text: str
    score: float
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """What two answers must have to be a pair.

    Attributes:
        margin: Least difference of their scores; above 0, so that ties are dropped.
        shortest: Least length (words) of the chosen answer over that of the rejected one.
        longest: Most of it.

    Raises:
        SampleError: If the margin is not above 0, or the window is empty.
    """

    margin: float = 0.1
    shortest: float = 0.8
    longest: float = 1.25

    def __post_init__(self) -> None:
        if not self.margin > 0 or not 0 <= self.shortest <= self.longest:
            raise SampleError(
                f"margin={self.margin:g}, length ratio from {self.shortest:g} to {self.longest:g}: expected a margin "
                "above 0 and a window that is not empty."
            )


@dataclass(slots=True)
class Left:
    """Why questions have no pair: counted, to be said."""

    few: int = 0
    ties: int = 0
    length: int = 0
    kept: int = 0

    def __str__(self) -> str:
        """The counts in words."""
        return (
            f"{self.kept} pairs; left out: {self.ties} ties or below the margin, {self.length} of other lengths, "
            f"{self.few} with fewer than two answers"
        )


def best_and_worst(
    sample: str, answers: Sequence[Scored], window: Window, *, how: str = "reward", left: Left | None = None
) -> Pair | None:
    """The two answers to a question that differ most in score among those that may be a pair, or None.

    Args:
        sample: Id of the sample.
        answers: Its answers; of equal texts the first counts.
        window: What a pair must have.
        how: Name of the score.
        left: Filled with why there is none.

    Examples:
        >>> answers = [Scored("no nodule", 1.0), Scored("a nodule", 0.0), Scored("a very very large nodule", -1.0)]
        >>> pair = best_and_worst("1", answers, Window())
        >>> pair.chosen, pair.rejected
        ('no nodule', 'a nodule')
    """
    left = Left() if left is None else left
    distinct: dict[str, Scored] = {}
    for one in answers:
        if one.finished and one.text.strip() and not math.isnan(one.score):
            distinct.setdefault(" ".join(one.text.split()), one)
    ranked = sorted(distinct.values(), key=lambda one: -one.score)
    pairs = list(combinations(ranked, 2))
    if not pairs:
        left.few += 1
        return None
    apart = [pair for pair in pairs if pair[0].score - pair[1].score >= window.margin]
    if not apart:
        left.ties += 1
        return None
    alike = [pair for pair in apart if window.shortest <= _ratio(*pair) <= window.longest]
    if not alike:
        left.length += 1
        return None
    left.kept += 1
    good, bad = max(alike, key=lambda pair: pair[0].score - pair[1].score)
    return Pair(sample, good.text, bad.text, how, {"chosen": good.score, "rejected": bad.score})


def reference_and_worst(
    sample: str, reference: Scored, answers: Sequence[Scored], window: Window, *, left: Left | None = None
) -> Pair | None:
    """The reference answer over the worst answer that may be in a pair with it, or None.

    Args:
        sample: Id of the sample.
        reference: The reference, scored as the answers are.
        answers: Sampled answers.
        window: What a pair must have.
        left: Filled with why there is none.

    Examples:
        >>> reference_and_worst("1", Scored("no nodule", 1.0), [Scored("a nodule", 0.0)], Window()).rejected
        'a nodule'
    """
    left = Left() if left is None else left
    whole = [one for one in answers if one.finished and one.text.strip() and not math.isnan(one.score)]
    apart = [one for one in whole if reference.score - one.score >= window.margin]
    alike = [one for one in apart if window.shortest <= _ratio(reference, one) <= window.longest]
    left.few += not whole
    left.ties += bool(whole) and not apart
    left.length += bool(apart) and not alike
    left.kept += bool(alike)
    if not alike:
        return None
    worst = min(alike, key=lambda one: one.score)
    scores = {"chosen": reference.score, "rejected": worst.score}
    return Pair(sample, reference.text, worst.text, "reference", scores)


def _ratio(good: Scored, bad: Scored) -> float:
    """Words of one answer over those of another."""
    return len(good.text.split()) / len(bad.text.split())


def chosen_pairs(
    answers: Mapping[str, Sequence[Scored]],
    window: Window,
    *,
    how: str = "reward",
    references: Mapping[str, Scored] | None = None,
) -> tuple[list[Pair], Left]:
    """`best_and_worst` of every question, or `reference_and_worst`.

    Args:
        answers: By sample id.
        window: What a pair must have.
        how: Name of the score.
        references: Reference answers by sample id, if they are to be chosen.

    Raises:
        SampleError: If none is left; the message says why.
    """
    left = Left()
    found = [
        best_and_worst(sample, scored, window, how=how, left=left)
        if references is None
        else reference_and_worst(sample, references[sample], scored, window, left=left)
        for sample, scored in answers.items()
    ]
    pairs = [pair for pair in found if pair is not None]
    if not pairs:
        raise SampleError(
            f"No pair is left of {len(answers)} questions ({left}). Lower the margin, or widen the window."
        )
    return pairs, left


def read_rollouts(folder: Path | str, *, by: str = "reward") -> dict[str, list[Scored]]:
    """The answers that a GRPO stage sampled, by sample id, over all of its steps.

    Args:
        folder: The stage's ``rollouts``.
        by: The score: ``reward`` for the total, or the name of a part.

    Raises:
        SampleError: If there is none, or a line has no such score.
    """
    found: dict[str, list[Scored]] = {}
    for path, number, line in _lines(Path(folder)):
        try:
            score = line["reward"] if by == "reward" else line["parts"][by]
            answer = Scored(line["completion"], math.nan if score is None else float(score), bool(line["finished"]))
            found.setdefault(line["sample"], []).append(answer)
        except (KeyError, TypeError):
            named = ", ".join(["reward", *line["parts"]]) if isinstance(line, dict) and line.get("parts") else "reward"
            raise SampleError(f"{path} line {number}: no rollout with a score {by!r}; it has {named}.") from None
    if not found:
        raise SampleError(f"{folder}: no rollouts (step-*.jsonl); expected the rollouts folder of a GRPO stage.")
    return found


def _lines(folder: Path) -> Iterator[tuple[Path, int, Any]]:
    for path in sorted(folder.glob("step-*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                yield path, number, json.loads(line)
            except ValueError:
                raise SampleError(f"{path} line {number}: no valid JSON; is the file torn?") from None
