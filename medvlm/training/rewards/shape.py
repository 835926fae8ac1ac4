"""Rewards for length, repetition and language: punishments of 0 or less, so that form alone never earns anything.

Rewards are compared within a group, so that a punishment teaches what the same reward above zero would. Lengths are in
tokens of the policy's tokenizer unless said otherwise.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

from medvlm.evaluation.text import words
from medvlm.study import AnswerKind
from medvlm.training.rewards.answers import accuracy_reward

Unit = Literal["tokens", "words", "characters"]


def length_reward(
    completions: Sequence[str],
    *,
    longest: int,
    shortest: int = 0,
    unit: Unit = "tokens",
    completion_ids: Sequence[Sequence[int]] = (),
    **columns: Any,
) -> list[float | None]:
    """0 for a length within limits; outside it falls with the relative distance, to -1.

    Med-RwR punishes by -1 at once outside 512 to 3072 characters; the slope here tells a group which way to go.

    Args:
        completions: What was written.
        longest: Most units that cost nothing.
        shortest: Fewest units that cost nothing.
        unit: What is counted.
        completion_ids: Tokens of each completion.
        **columns: Not used.

    Raises:
        ValueError: If the limits are no range, or the unit is unknown.

    Examples:
        >>> length_reward(["1 2 3", "1 2 3 4 5 6", "1"], longest=4, shortest=2, unit="words")
        [0.0, -0.5, -0.5]
    """
    if not 0 <= shortest <= longest or longest < 1:
        raise ValueError(
            f"length: shortest {shortest} and longest {longest}; expected 0 <= shortest <= longest, at least 1"
        )
    sizes = _sizes(completions, completion_ids, unit)
    excess = [max((size - longest) / longest, (shortest - size) / max(shortest, 1), 0.0) for size in sizes]
    return [-min(over, 1.0) if over else 0.0 for over in excess]


def _sizes(completions: Sequence[str], completion_ids: Sequence[Sequence[int]], unit: Unit) -> list[int]:
    if unit == "tokens":
        return [len(ids) for ids in _tokens(completions, completion_ids)]
    if unit == "words":
        return [len(words(text)) for text in completions]
    if unit == "characters":
        return [len(text) for text in completions]
    raise ValueError(f"length unit {unit!r} is unknown; expected tokens, words or characters")


def _tokens(completions: Sequence[str], completion_ids: Sequence[Sequence[int]]) -> Sequence[Sequence[int]]:
    if len(completion_ids) != len(completions):
        raise ValueError(
            f"{len(completion_ids)} token lists for {len(completions)} completions; this reward counts tokens and "
            "needs the column completion_ids"
        )
    return completion_ids


def overlong_reward(
    completions: Sequence[str],
    *,
    limit: int,
    cache: int,
    completion_ids: Sequence[Sequence[int]] = (),
    **columns: Any,
) -> list[float | None]:
    """DAPO's soft punishment (arXiv 2503.14476, equation 13): 0 up to ``limit - cache`` tokens, -1 beyond ``limit``.

    Args:
        completions: What was written.
        limit: Most tokens of a completion.
        cache: Tokens before the limit over which the punishment grows in a straight line.
        completion_ids: Tokens of each completion.
        **columns: Not used.

    Examples:
        >>> overlong_reward(["x"], limit=100, cache=20, completion_ids=[[1] * 90])
        [-0.5]
    """
    sizes = [len(ids) for ids in _tokens(completions, completion_ids)]
    return [
        0.0 if size <= limit - cache else -1.0 if size > limit else (limit - cache - size) / cache for size in sizes
    ]


def cosine_length_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    options: Sequence[tuple[str, ...]],
    limit: int,
    right: Sequence[float] = (1.0, 0.5),
    wrong: Sequence[float] = (-1.0, -0.5),
    completion_ids: Sequence[Sequence[int]] = (),
    **columns: Any,
) -> list[float | None]:
    """Right answers earn more the shorter they are, wrong ones cost less the longer they are (arXiv 2502.03373, C.1).

    Args:
        completions: What was written.
        answer: References.
        kind: Forms of answer; None for reports.
        options: Options of choices.
        limit: Most tokens of a completion.
        right: Value of the shortest and the longest right answer.
        wrong: Value of the shortest and the longest wrong one.
        completion_ids: Tokens of each completion.
        **columns: Not used.
    """
    hits = accuracy_reward(completions, answer=answer, kind=kind, options=options)
    values: list[float | None] = []
    for hit, ids in zip(hits, _tokens(completions, completion_ids), strict=True):
        short, long = right if hit else wrong
        share = (1 + math.cos(min(len(ids) / limit, 1.0) * math.pi)) / 2
        values.append(None if hit is None else long + (short - long) * share)
    return values


def repetition_reward(
    completions: Sequence[str],
    *,
    size: int = 3,
    completion_ids: Sequence[Sequence[int]] = (),
    **columns: Any,
) -> list[float | None]:
    """Minus the share of token n-grams that were there before (arXiv 2502.03373, C.2); 0 where none is.

    Args:
        completions: What was written.
        size: Tokens of an n-gram.
        completion_ids: Tokens of each completion.
        **columns: Not used.

    Examples:
        >>> repetition_reward(["", ""], size=2, completion_ids=[[1, 2, 3, 4], [5, 5, 5, 5, 5]])
        [0.0, -0.75]
    """
    values: list[float | None] = []
    for ids in _tokens(completions, completion_ids):
        grams = [tuple(ids[start : start + size]) for start in range(len(ids) - size + 1)]
        values.append(len(set(grams)) / len(grams) - 1 if grams else 0.0)
    return values


def language_reward(completions: Sequence[str], *, script: str = "LATIN", **columns: Any) -> list[float | None]:
    """Minus the share of letters of another script, thoughts included; 0 where all are of the wanted one.

    DeepSeek-R1 (arXiv 2501.12948) rewards the share of words in the target language; this is that share minus one.

    Args:
        completions: What was written.
        script: As Unicode names begin: ``LATIN``, ``CJK``, ``CYRILLIC``, ``ARABIC``.
        **columns: Not used.

    Examples:
        >>> language_reward(["left lung", "左肺 is"]), language_reward(["左肺"], script="CJK")
        ([0.0, -0.5], [0.0])
    """
    values: list[float | None] = []
    for text in completions:
        letters = [letter for letter in text if letter.isalpha()]
        foreign = sum(not unicodedata.name(letter, "").startswith(script) for letter in letters)
        values.append(-foreign / len(letters) if foreign else 0.0)
    return values
