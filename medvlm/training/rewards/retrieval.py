"""The reward of Med-RwR for answers that look things up: ``<think>``, ``<query>``, ``<retrieve>``, then ``<answer>``.

Its published numbers: accuracy 5 for letter and text, 4 for one of them; form 3 with a look-up, 1 without; -1 for a
length outside 512 to 3072 characters, what was retrieved not counted. Left out: its semantic part (needs UMLS), the
image similarity (BiomedCLIP) and the gain of confidence. The size of its penalties for empty tags and runs of line ends
was not found: here either loses the credit for form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from medvlm.study import AnswerKind
from medvlm.training.rewards.answers import accuracy_reward, option_text_reward
from medvlm.training.rewards.reading import said

PARTS = ("accuracy", "form", "length")
SHORTEST, LONGEST = 512, 3072

_BLOCK = re.compile(r"\s*<(think|query|retrieve|answer)>(.*?)</\1>\s*", re.DOTALL)
_ORDER = re.compile(r"t((?:qr)(?:t?qr)*t?)?a")
_TAG = re.compile(r"</?(?:think|query|retrieve|answer)>")
_LETTER = re.compile(r"\(?[A-Z]\)?[).:]?\s+\S")


def retrieval_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    options: Sequence[tuple[str, ...]],
    parts: Sequence[str] = PARTS,
    **columns: Any,
) -> list[float | None]:
    """Sum of accuracy (0, 4, 5), form (0, 1, 3) and length (0, -1); None where no option was asked for.

    Args:
        completions: What was written, the retrieved text between ``<retrieve>`` tags.
        answer: References.
        kind: Forms of answer.
        options: Options of choices.
        parts: Which of the three are summed.
        **columns: Not used.

    Raises:
        ValueError: If a part is none of the three.
    """
    if not parts or not set(parts) <= set(PARTS):
        raise ValueError(f"retrieval: parts {list(parts)} must be some of {', '.join(PARTS)}")
    asked: dict[str, Any] = {"answer": answer, "kind": kind, "options": options}
    right, named = accuracy_reward(completions, **asked), option_text_reward(completions, **asked)
    values: list[float | None] = []
    for text, form, hit, option in zip(completions, kind, right, named, strict=True):
        both = option and _LETTER.match(said(text))
        scores = {"accuracy": (5.0 if both else 4.0) if hit else 0.0, "form": _form(text), "length": _length(text)}
        values.append(sum(scores[part] for part in parts) if form == "choice" else None)
    return values


def _form(text: str) -> float:
    """3 for blocks in order with a look-up, 1 without, 0 for anything else between, before or after them."""
    blocks, place = [], 0
    while match := _BLOCK.match(text, place):
        blocks.append((match[1], match[2]))
        place = match.end()
    good = place == len(text) and all(inner.strip() and not _TAG.search(inner) for _, inner in blocks)
    if not good or re.search(r"\n\s*\n\s*\n", text):
        return 0.0
    order = _ORDER.fullmatch("".join(tag[0] for tag, _ in blocks))
    return 0.0 if order is None else 3.0 if order[1] else 1.0


def _length(text: str) -> float:
    own = re.sub(r"<retrieve>.*?</retrieve>", "", text, flags=re.DOTALL)
    return 0.0 if SHORTEST <= len(own) <= LONGEST else -1.0
