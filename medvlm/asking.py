"""A question as the engine takes it: the images as the model sees them, the kind of answer, and how long it may be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from medvlm.study import AnswerKind, ImageRef, Sample

if TYPE_CHECKING:
    import torch

NEW_TOKENS = {"report": 256}
"""Most tokens of an answer, where its kind needs more than ``SHORT_ANSWER``."""
SHORT_ANSWER, THOUGHT = 48, 128

_CLOSED = re.compile(
    r"(?:is|are|was|were|does|do|did|has|have|had|can|could|will|would|should|isn't|aren't|doesn't)\b", re.IGNORECASE
)
_REPORT = re.compile(r"(?:please\s+)?(?:describe|report|write|dictate|generate|summari[sz]e)\b", re.IGNORECASE)
_BOX = re.compile(r"\b(?:bounding )?box(?:es)?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shown:
    """An image as the model sees it.

    Attributes:
        pixels: ``(3, H, W)``, or ``(S, 3, H, W)`` for a volume or a film.
        source: What it came from, as a hash.
        recipe: The intensity recipe that made numbers of it.
        notes: Repairs and assumptions.
    """

    pixels: torch.Tensor
    source: str
    recipe: str
    notes: tuple[str, ...]

    @property
    def reference(self) -> ImageRef:
        """The placeholder that a prompt needs for it."""
        return ImageRef(Path(self.recipe), volume=self.pixels.ndim == 4)


def question_kind(question: str) -> AnswerKind:
    """The form of answer that a question without options asks for, by how it starts.

    Args:
        question: Its words.

    Examples:
        >>> [question_kind(text) for text in ("Is there fluid?", "Which side?", "Describe the findings.")]
        ['closed', 'open', 'report']
    """
    text = question.strip()
    if _CLOSED.match(text):
        return "closed"
    if _BOX.search(text):
        return "box"
    return "report" if _REPORT.match(text) else "open"


def make_sample(
    shown: Sequence[Shown], question: str, *, options: Sequence[str] | None = None, kind: AnswerKind | None = None
) -> Sample:
    """A question as the engine takes it.

    Args:
        shown: The images it is about.
        question: Its words.
        options: What to choose from.
        kind: Form of the answer; inferred if None.

    Raises:
        ValueError: If the question is empty, the kind unknown, or options and kind do not go together.
    """
    if not question.strip():
        raise ValueError("The question is empty; ask something, for example 'Is there a pleural effusion?'.")
    if kind is not None and kind not in get_args(AnswerKind):
        raise ValueError(f"kind={kind!r} is unknown; expected one of {', '.join(get_args(AnswerKind))}.")
    form = kind or ("choice" if options else question_kind(question))
    if (form == "choice") != bool(options):
        raise ValueError(f"kind={form!r} with {len(options or ())} options; a choice, and only a choice, has options.")
    return Sample(
        id=question,
        images=tuple(one.reference for one in shown),
        question=question.strip(),
        answer="",
        kind=form,
        options=tuple(options or ()),
    )


def token_limit(samples: Sequence[Sample], *, reasoning: bool) -> int:
    """Most tokens that the longest of these answers needs.

    Args:
        samples: The questions.
        reasoning: Whether reasoning comes first.
    """
    longest = max((NEW_TOKENS.get(sample.kind, SHORT_ANSWER) for sample in samples), default=SHORT_ANSWER)
    return longest + THOUGHT * reasoning
