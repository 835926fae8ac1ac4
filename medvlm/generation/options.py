"""Options beside an answer: which tokens they are, and where in a written answer they could have stood."""

from __future__ import annotations

from collections.abc import Sequence

from medvlm.generation.prompts import Prompter

Texts = Sequence[Sequence[Sequence[str]]]
"""``[ask][question][option]``."""
Tokens = Sequence[Sequence[Sequence[int]]]
"""``[ask][question][token]``."""
OPENING = "<answer>"


def watched(prompter: Prompter, options: Texts) -> list[list[int]] | None:
    """The token of every option, one list a question; None where one takes several, which no single step decides.

    Args:
        prompter: Tokenises.
        options: Texts.
    """
    tokens = [[prompter.completion(text)[:-1] for text in texts] for questions in options for texts in questions]
    if any(len(option) != 1 for texts in tokens for option in texts):
        return None
    return [[option[0] for option in texts] for texts in tokens]


def answer_start(prompter: Prompter, tokens: Sequence[int], begun: Sequence[int] = ()) -> int | None:
    """How many tokens stand before the answer itself: none, or where it is given between tags, those up to its tag.

    Args:
        prompter: Says whether answers stand between tags.
        tokens: What was written.
        begun: With what it began; an answer that opens in there has no place in what was written.

    Returns:
        The count; None if no tag opens an answer, or one token closes the tag and goes on.
    """
    if not prompter.reasoning:
        return 0
    whole = [*begun, *tokens]
    if OPENING not in prompter.decode(whole):
        return None
    low, high = 0, len(whole)
    while low < high:  # the tag is there from one count of tokens on
        middle = (low + high) // 2
        low, high = (low, middle) if OPENING in prompter.decode(whole[:middle]) else (middle + 1, high)
    place = low - len(begun)
    clean = prompter.decode(whole[:low]).endswith(OPENING)
    return place if clean and 0 <= place < len(tokens) else None
