"""Sentences of a report: where one ends, and how sure the model was of each."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence

_BREAK = re.compile(r"(?<=[.!?])\s+(?=[^\W\d_a-z]|\d+[.)]\s)|\n+")


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, as they stand; a number's point ends none.

    Args:
        text: A section of a report.

    Examples:
        >>> split_sentences("Tube 4.5 cm above the carina. No effusion.")
        ['Tube 4.5 cm above the carina.', 'No effusion.']
    """
    return [part.strip() for part in _BREAK.split(text) if part and part.strip()]


def sentence_confidences(
    sentences: Sequence[str], tokens: Sequence[int], logps: Sequence[float], decode: Callable[[Sequence[int]], str]
) -> list[float | None]:
    """Geometric mean probability of the tokens of each sentence; None for one that these tokens do not say.

    Args:
        sentences: In the order in which they were written.
        tokens: All that the model wrote.
        logps: Log-probability of each token.
        decode: Tokens to text.

    Examples:
        >>> words = ["A", " b.", " C."]
        >>> decode = lambda ids: "".join(words[index] for index in ids)
        >>> sentence_confidences(["A b.", "C.", "D."], [0, 1, 2], [0.0, 0.0, math.log(0.5)], decode)
        [1.0, 0.5, None]
    """
    found: list[float | None] = []
    text, place = decode(tokens), 0
    for sentence in sentences:
        start = text.find(sentence, place)
        if start < 0:
            found.append(None)
            continue
        place = start + len(sentence)
        first, last = (_tokens_upto(end, tokens, decode) for end in (start + 1, place))
        part = logps[first - 1 : last]
        found.append(math.exp(sum(part) / len(part)) if part else None)
    return found


def _tokens_upto(length: int, tokens: Sequence[int], decode: Callable[[Sequence[int]], str]) -> int:
    """How many tokens it takes to write so many characters."""
    return bisect_left(range(len(tokens)), length, key=lambda count: len(decode(tokens[:count])))
