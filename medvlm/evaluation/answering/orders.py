"""Choices asked under several orders of their options: every position gets its turn (ReXVQA, PriDe, MMLU by position).

Orders are rotations, evenly spaced: with as many as there are options, each option stands once at each letter. All
orders of all questions of an image are branches of one tree. The answer is a vote over the orders, in the letters of
the question as it is; the record says whether all orders agree, and whether each was right by where the right option
stood.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase

from medvlm.evaluation.answerer import Answerer
from medvlm.evaluation.answering.answer import Answer, Answers, Job, Strategy
from medvlm.evaluation.answering.votes import tally
from medvlm.evaluation.parser import parse_for
from medvlm.generation.engine import Ask
from medvlm.study import Sample

CONSISTENT, RIGHT_AT, ORDERS_RIGHT = "consistent", "right_at_", "orders_right"
"""Scores of a record: whether all orders agree, whether the order with the right option at a letter was answered right,
and the share of orders that were."""


def rotations(options: int, orders: int) -> list[int]:
    """By how many places the options move in each order; never more orders than options.

    Args:
        options: How many there are.
        orders: How many are wanted.

    Examples:
        >>> rotations(4, 2), rotations(3, 8), rotations(0, 4)
        ([0, 2], [0, 1, 2], [0])
    """
    count = max(1, min(options, orders))
    return [place * options // count for place in range(count)]


def rotated(sample: Sample, places: int) -> Sample:
    """The question with its options moved; unmoved it is itself.

    Args:
        sample: A choice.
        places: By how many places they move to the front.
    """
    if not places:
        return sample
    options = (*sample.options[places:], *sample.options[:places])
    return replace(sample, id=f"{sample.id}/order{places}", options=options)


def in_orders(strategy: Strategy, engine: Answerer, asks: Sequence[Ask], job: Job, most: int) -> Answers:
    """Answers of a strategy over several orders of the options.

    Args:
        strategy: How each order is answered.
        engine: Answers.
        asks: What is asked.
        job: Says how many orders.
        most: Most questions in one ask; more are asked apart, their images still read once.
    """
    moves = [[_moves(question, job.answering.orders) for question in ask.questions] for ask in asks]
    turned: list[Ask] = []
    for ask, places in zip(asks, moves, strict=True):
        asked = [rotated(one, move) for one, own in zip(ask.questions, places, strict=True) for move in own]
        turned += [replace(ask, questions=tuple(asked[first : first + most])) for first in range(0, len(asked), most)]
    found = iter([answer for part in strategy(engine, turned, job) for answer in part])
    return [
        [merged(question, own, [next(found) for _ in own]) for question, own in zip(ask.questions, places, strict=True)]
        for ask, places in zip(asks, moves, strict=True)
    ]


def merged(sample: Sample, moves: Sequence[int], answers: Sequence[Answer]) -> Answer:
    """One answer of those under several orders, in the letters of the question as it is.

    Args:
        sample: The question.
        moves: By how many places the options were moved in each order, the first time by none.
        answers: Those of each order.
    """
    if len(moves) == 1:
        return answers[0]
    values = [_original(sample, move, answer.text) for move, answer in zip(moves, answers, strict=True)]
    result = tally(values, [_mean(answer.logps) for answer in answers])
    drafts = [f"[{_order(sample, move)}] {answer.text}" for move, answer in zip(moves, answers, strict=True)]
    broken = f", tie of {result.tied} broken by log-probability" if result.tied > 1 else ""
    agreed = result.counts.get(result.value or "", 0)
    first = answers[0] if result.value in (None, values[0]) else replace(answers[result.best], text=str(result.value))
    chances = _mean_chances(sample, moves, answers)
    return replace(
        first,
        how=f"vote {agreed}/{len(moves)} over orders{broken}" if result.voters else "no order can be read",
        confidence=chances[result.value] if chances and result.value else agreed / max(1, result.voters),
        probabilities=chances,
        drafts=tuple(drafts),
        scores=_scores(sample, moves, values),
    )


def _scores(sample: Sample, moves: Sequence[int], values: Sequence[str | None]) -> dict[str, float]:
    """Whether the orders agree, which were right, and where the right option stood in them."""
    place = sample.options.index(sample.answer) if sample.answer in sample.options else None
    agree = float(None not in values and len(set(values)) == 1)
    if place is None:
        return {CONSISTENT: agree}
    right = [float(value == ascii_uppercase[place]) for value in values]
    stood = [ascii_uppercase[(place - move) % len(sample.options)] for move in moves]
    at = {f"{RIGHT_AT}{letter}": one for letter, one in zip(stood, right, strict=True)}
    return {CONSISTENT: agree, ORDERS_RIGHT: sum(right) / len(right), **at}


def _moves(sample: Sample, orders: int) -> list[int]:
    return rotations(len(sample.options), orders) if sample.kind == "choice" else [0]


def _original(sample: Sample, move: int, text: str) -> str | None:
    """The letter that a text names, in the letters of the question as it is."""
    value = parse_for(rotated(sample, move), text).value
    return value and _back(sample, move, value)


def _back(sample: Sample, move: int, letter: str) -> str:
    return ascii_uppercase[(ascii_uppercase.index(letter) + move) % len(sample.options)]


def _order(sample: Sample, move: int) -> str:
    """The original letters in the order in which they were asked."""
    letters = ascii_uppercase[: len(sample.options)]
    return letters[move:] + letters[:move]


def _mean_chances(sample: Sample, moves: Sequence[int], answers: Sequence[Answer]) -> dict[str, float]:
    """Mean probability of each option over the orders, where each has them."""
    if not all(answer.probabilities for answer in answers):
        return {}
    sums = dict.fromkeys(ascii_uppercase[: len(sample.options)], 0.0)
    for move, answer in zip(moves, answers, strict=True):
        for letter, chance in answer.probabilities.items():
            sums[_back(sample, move, letter)] += chance / len(answers)
    return sums


def _mean(logps: Sequence[float]) -> float:
    return sum(logps) / len(logps) if logps else -math.inf
