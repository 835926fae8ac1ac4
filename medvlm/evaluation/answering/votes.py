"""Answers by several draws: a vote over what can be read of them (self-consistency, Wang et al. 2022), and pass@k.

Drafts that cannot be read do not vote. A tie goes to the answer whose drafts the model finds likelier by the mean, and
the record says so. pass@k is the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from medvlm.evaluation.answerer import Answerer
from medvlm.evaluation.answering.answer import Answer, Answers, Job
from medvlm.evaluation.answering.likelihood import letter_options
from medvlm.evaluation.parser import is_correct, parse_for
from medvlm.evaluation.text import normalise, polarity
from medvlm.generation.engine import Ask, Reply
from medvlm.study import Sample


@dataclass(frozen=True, slots=True)
class Vote:
    """What a vote came to.

    Attributes:
        value: The winner; None if nobody voted.
        counts: Votes for each value, most first.
        voters: Drafts that voted.
        tied: Values with as many votes as the winner, the winner among them.
        best: Place of the likeliest draft that says the winner; of the likeliest draft if nobody voted.
    """

    value: str | None
    counts: dict[str, int]
    voters: int
    tied: int
    best: int


def tally(values: Sequence[str | None], logps: Sequence[float]) -> Vote:
    """Count votes.

    Args:
        values: What was read of each draft; None where nothing could be, which is no vote.
        logps: Mean log-probability of each draft; among tied values the one with the higher mean wins, then the one
            that was drawn first.

    Raises:
        ValueError: If there is no draft, or not as many log-probabilities.

    Examples:
        >>> tally(["A", None, "B", "A"], [-1.0, -0.1, -0.2, -2.0]).value
        'A'
        >>> tally(["A", "B"], [-1.0, -0.5])
        Vote(value='B', counts={'A': 1, 'B': 1}, voters=2, tied=2, best=1)
    """
    if not values or len(values) != len(logps):
        raise ValueError(
            f"{len(values)} drafts with {len(logps)} log-probabilities; expected at least one, and as many"
        )
    places: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        if value is not None:
            places.setdefault(value, []).append(place)
    if not places:
        return Vote(None, {}, 0, 0, max(range(len(logps)), key=lambda place: logps[place]))
    most = max(map(len, places.values()))
    tied = [value for value, found in places.items() if len(found) == most]
    winner = max(tied, key=lambda value: sum(logps[place] for place in places[value]) / most)
    counts = {value: len(found) for value, found in sorted(places.items(), key=lambda item: -len(item[1]))}
    best = max(places[winner], key=lambda place: logps[place])
    return Vote(winner, counts, sum(counts.values()), len(tied), best)


def pass_at_k(drafts: int, right: int, k: int) -> float:
    """Chance that at least one of k drafts, drawn without replacement, is right: 1 - C(n-c, k) / C(n, k).

    Args:
        drafts: Drafts, n.
        right: Right ones among them, c.
        k: How many are drawn.

    Raises:
        ValueError: If k is not between 1 and the drafts, or there are more right ones than drafts.

    Examples:
        >>> pass_at_k(4, 1, 1), pass_at_k(4, 1, 4), pass_at_k(4, 2, 2)
        (0.25, 1.0, 0.8333333333333334)
    """
    if not 1 <= k <= drafts or not 0 <= right <= drafts:
        raise ValueError(f"pass@{k} of {drafts} drafts, {right} of them right; expected 1 <= k <= n and 0 <= c <= n")
    return 1 - math.comb(drafts - right, k) / math.comb(drafts, k)


def vote(engine: Answerer, asks: Sequence[Ask], job: Job) -> Answers:
    """The answer that most of several draws give."""
    return [
        [voted(question, replies) for question, replies in zip(ask.questions, found, strict=True)]
        for ask, found in zip(asks, draw(engine, asks, job, job.answering.draws), strict=True)
    ]


def passes(engine: Answerer, asks: Sequence[Ask], job: Job) -> Answers:
    """The first of several draws; the record holds how many are right, and whether their vote is."""
    return [
        [_first(question, replies) for question, replies in zip(ask.questions, found, strict=True)]
        for ask, found in zip(asks, draw(engine, asks, job, job.answering.draws), strict=True)
    ]


def draw(engine: Answerer, asks: Sequence[Ask], job: Job, n: int) -> list[list[list[Reply]]]:
    """Draw answers that do not depend on what is asked beside a question.

    Args:
        engine: Answers.
        asks: What is asked.
        job: Temperature, seed and length.
        n: Draws a question.
    """
    return engine.generate(
        asks,
        n=n,
        max_new_tokens=job.max_new_tokens,
        temperature=job.answering.temperature,
        seed=job.seed,
        apart=True,
    )


def voted(sample: Sample, replies: Sequence[Reply]) -> Answer:
    """The answer of a vote over drafts.

    Its confidence is the winner's share of the votes; the probabilities of options are their shares.

    Args:
        sample: The question.
        replies: Drafts.
    """
    result = tally([said(reply.text, sample) for reply in replies], [mean_logp(reply) for reply in replies])
    best, count = replies[result.best], len(replies)
    names = letter_options(sample) if result.voters else {}
    if result.value is None:
        how = f"none of {count} drafts can be read"
    else:
        broken = f", tie of {result.tied} broken by log-probability" if result.tied > 1 else ""
        how = f"vote {result.counts[result.value]}/{count}{broken}"
    return Answer(
        best.text,
        best.logps,
        best.finished,
        how=how,
        confidence=result.counts[result.value] / result.voters if result.value is not None else 0.0,
        probabilities={name: result.counts.get(name, 0) / result.voters for name in names},
        drafts=tuple(reply.text for reply in replies),
        scores=_right(sample, replies, best.text),
    )


def said(text: str, sample: Sample) -> str | None:
    """What a draft votes for: the letter, yes or no, or the normalised text; None if it cannot be read.

    Args:
        text: The draft.
        sample: The question.
    """
    value = parse_for(sample, text).value
    if value is None or sample.kind == "choice":
        return value
    return polarity(value) or normalise(value) or value


def mean_logp(reply: Reply) -> float:
    """Mean log-probability of a draft's tokens; of one without tokens the least there is."""
    return sum(reply.logps) / len(reply.logps) if reply.logps else -math.inf


def _first(sample: Sample, replies: Sequence[Reply]) -> Answer:
    winner = voted(sample, replies)
    first = replies[0]
    return Answer(
        first.text,
        first.logps,
        first.finished,
        how=f"first of {len(replies)}",
        probabilities=winner.probabilities,
        drafts=winner.drafts,
        scores=winner.scores,
    )


def _right(sample: Sample, replies: Sequence[Reply], winner: str) -> dict[str, float]:
    """How many drafts are right, and whether the vote is; nothing for reports, which are not right or wrong."""
    if sample.kind == "report":
        return {}
    right = {text: is_correct(parse_for(sample, text), sample) for text in _texts(replies, winner)}
    return {
        "drafts_right": float(sum(right[reply.text] for reply in replies)),
        "majority_right": float(right[winner]),
    }


def _texts(replies: Sequence[Reply], winner: str) -> set[str]:
    return {winner, *(reply.text for reply in replies)}
