"""From what a model wrote to a chain of reasoning that is worth imitating, or the reason why it is not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, Literal

from medvlm.endpoint import Said
from medvlm.evaluation.parser import is_correct, parse_for
from medvlm.study import Sample

ChainFormat = Literal["think", "plain"]
SHORTEST, LONGEST = 8, 8000

_TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)
_DECLARED = re.compile(r"<answer>.*?</answer>\s*$|\\boxed\s*\{[^{}]*\}\.?\s*$", re.IGNORECASE | re.DOTALL)
_TOLD = re.compile(
    r"\b(?:hint|as (?:given|told|stated|known)|(?:known|given|provided|correct|right) answer)\b", re.IGNORECASE
)
_SPACE = re.compile(r"[ \t]*\n\s*\n\s*")


@dataclass(frozen=True, slots=True)
class Chain:
    """Reasoning that led to the right answer.

    Attributes:
        text: The reasoning, without tags and without the answer.
        hinted: Whether the right answer was told before (rationalisation).
    """

    text: str
    hinted: bool = False


def read_chain(sample: Sample, said: Said, *, hinted: bool = False) -> tuple[Chain | None, str]:
    """Read a chain and verify where it led.

    Args:
        sample: The question with its verified answer.
        said: What was written.
        hinted: Whether the answer was told; a chain that speaks of it is no reasoning.

    Returns:
        The chain and an empty text, or None and why it is rejected.

    Examples:
        >>> ask = Sample("1", (), "Is there fluid?", "yes", "closed")
        >>> good = "<think>The left angle is blunted, so there is.</think><answer>Yes</answer>"
        >>> read_chain(ask, Said(good))[0].text, read_chain(ask, Said(good.replace("Yes", "No")))
        ('The left angle is blunted, so there is.', (None, 'wrong answer'))
    """
    if not said.finished:
        return None, "cut at the limit"
    parsed = parse_for(sample, said.text)
    if parsed.value is None:
        return None, "no answer could be read"
    if not is_correct(parsed, sample):
        return None, "wrong answer"
    declared = _DECLARED.search(said.text)
    if declared is None:
        return None, "no answer between tags"
    text = said.text[: declared.start()].strip()
    inside = re.fullmatch(r"<think>(.*)</think>", text, re.IGNORECASE | re.DOTALL)
    text = _SPACE.sub("\n", (inside[1] if inside else text).strip())
    if _TAG.search(text):
        return None, "tags inside of the reasoning"
    if "\N{REPLACEMENT CHARACTER}" in text:
        return None, "broken characters"
    if not SHORTEST <= len(text) <= LONGEST:
        return None, "no reasoning" if len(text) < SHORTEST else "reasoning too long"
    if hinted and _TOLD.search(text):
        return None, "speaks of the hint"
    return Chain(text, hinted), ""


def chain_fields(sample: Sample, chain: str, form: ChainFormat) -> dict[str, Any]:
    """The fields of a ``jsonl`` record that carry a chain.

    ``think`` keeps it as ``rationale``: a recipe with ``reasoning: true`` imitates it between ``<think>`` tags, one
    without imitates the answer alone. ``plain`` is imitated as it stands: the reasoning in the open, then the answer.

    Args:
        sample: The question.
        chain: Its reasoning.
        form: Which of the two.
    """
    if form == "think":
        return {"rationale": chain}
    answer = ascii_uppercase[sample.options.index(sample.answer)] if sample.kind == "choice" else sample.answer
    return {"rationale": chain, "imitate": f"{chain}\nAnswer: {answer}"}
