"""An answer as a strategy gives it, and the record that it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from medvlm.evaluation.answerer import Answerer
from medvlm.evaluation.answering.settings import Answering
from medvlm.evaluation.records import Record, grade
from medvlm.generation.engine import Ask, Reply
from medvlm.study import Sample


@dataclass(frozen=True, slots=True)
class Answer:
    """What a strategy makes of a question.

    Attributes:
        text: What is read and scored.
        logps: Log-probability of each token that was written; for an option that was chosen, its score.
        finished: Whether the text ended by itself.
        how: How it came about, where that is not plain; it stands behind how it was read.
        confidence: What the strategy has for it; None leaves the mean probability a token.
        probabilities: Of the options among themselves.
        drafts: All texts that it came of.
        scores: Further scores of the record.
        written: Whether tokens were written, or an option was chosen.
    """

    text: str
    logps: tuple[float, ...] = ()
    finished: bool = True
    how: str = ""
    confidence: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    drafts: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    written: bool = True

    @classmethod
    def of(cls, reply: Reply) -> Answer:
        """What the model wrote, as it stands."""
        return cls(reply.text, reply.logps, reply.finished)


@dataclass(frozen=True, slots=True)
class Job:
    """What a strategy needs to know.

    Attributes:
        answering: How questions are answered.
        max_new_tokens: Longest answer.
        seed: Of the draws.
    """

    answering: Answering
    max_new_tokens: int
    seed: int


Answers = list[list[Answer]]
"""``[ask][question]``."""
Strategy = Callable[[Answerer, Sequence[Ask], Job], Answers]


def to_record(sample: Sample, answer: Answer, *, run: str, cluster: str) -> Record:
    """The record of an answer.

    Args:
        sample: What was asked.
        answer: What a strategy made of it.
        run: Key of the run.
        cluster: What is resampled together with this sample.

    Raises:
        SampleError: If the reference cannot be read.
    """
    record = grade(sample, answer.text, run=run, cluster=cluster, logps=answer.logps, finished=answer.finished)
    return replace(
        record,
        how=f"{record.how}; {answer.how}" if answer.how else record.how,
        confidence=record.confidence if answer.confidence is None else answer.confidence,
        tokens=record.tokens if answer.written else 0,
        scores={**record.scores, **answer.scores},
        probabilities=dict(answer.probabilities),
        drafts=answer.drafts,
    )
