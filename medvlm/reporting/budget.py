"""Studies that are answered together, cut so that a batch of volumes takes no more memory than one of radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from medvlm.reporting.reader import Ready

if TYPE_CHECKING:
    from medvlm.generation.prompts import Prompter

T = TypeVar("T")


def batches(ready: Sequence[Ready], budget: int, prompter: Prompter) -> list[list[Ready]]:
    """Groups of neighbours whose padded contexts stay below a budget of tokens.

    Contexts of one batch are padded to the longest of them: a group of n studies costs n times its longest one. Groups
    follow from the studies alone, in the given order, so that a run that goes on forms the same ones; a study that is
    beyond the budget by itself is a group by itself.

    Args:
        ready: Studies, in a stable order.
        budget: Most tokens of a group, padding counted.
        prompter: Makes tokens of a prompt, as the engine does: ``Prompter(predictor.processor, reasoning=...)``.

    Returns:
        All of them, in the same order.

    Raises:
        ValueError: If the budget is below 1.
    """
    if budget < 1:
        raise ValueError(f"budget={budget}: expected 1 token or more.")
    return split([context_tokens(one, prompter) for one in ready], ready, budget)


def split(costs: Sequence[int], items: Sequence[T], budget: int) -> list[list[T]]:
    """The cut by itself, see `batches`.

    Args:
        costs: Tokens of each item.
        items: As many.
        budget: Most tokens of a group, padding counted.

    Examples:
        >>> split([10, 10, 10, 30, 10, 99], "abcdef", 60)
        [['a', 'b', 'c'], ['d', 'e'], ['f']]
    """
    groups: list[list[T]] = []
    longest = 0
    for cost, item in zip(costs, items, strict=True):
        longest = max(longest, cost)
        if groups and (len(groups[-1]) + 1) * longest <= budget:
            groups[-1].append(item)
        else:
            groups.append([item])
            longest = cost
    return groups


def context_tokens(ready: Ready, prompter: Prompter) -> int:
    """Tokens that are read of a study: what its questions share once, and each question.

    Args:
        ready: What is shown and asked.
        prompter: See `batches`.
    """
    from medvlm.generation.engine import Ask, ask_tree

    images, samples = ready.ask
    pixels, layout = tuple(image.pixels for image in images), prompter.processor.layout
    alone = layout is not None and layout.ahead == "prompt"  # each question is read with the image again
    asked = [[sample] for sample in samples] if alone else [samples]
    trees = [ask_tree(prompter, Ask(pixels, tuple(some))) for some in asked]
    return sum(len(segment.tokens) for tree in trees for segment in tree.segments)
