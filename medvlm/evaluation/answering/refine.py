"""Ensemble refinement (Med-PaLM 2, Singhal et al. 2023, arXiv 2305.09617): drafts are shown, then answered again.

Several answers are drawn to a question; a second pass shows them with the question and is answered several times; those
answers vote. The image is read once for both passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from medvlm.evaluation.answerer import Answerer
from medvlm.evaluation.answering.answer import Answers, Job
from medvlm.evaluation.answering.votes import draw, voted
from medvlm.generation.engine import Ask, Reply
from medvlm.study import Sample

SHOWN = "Here are {count} drafts of an answer by several readers; some may be wrong."
"""What stands over the drafts; it may only change with the name of the strategy, which is in the key of a run."""


def refine(engine: Answerer, asks: Sequence[Ask], job: Job) -> Answers:
    """A vote over answers that were given with several drafts in view."""
    with engine.held():
        drafts = draw(engine, asks, job, job.answering.draws)
        second = [
            replace(ask, questions=tuple(with_drafts(*pair) for pair in zip(ask.questions, found, strict=True)))
            for ask, found in zip(asks, drafts, strict=True)
        ]
        last = draw(engine, second, job, job.answering.votes)
    answers: Answers = []
    for ask, before, after in zip(asks, drafts, last, strict=True):
        found = [voted(question, replies) for question, replies in zip(ask.questions, after, strict=True)]
        first = [tuple(reply.text for reply in replies) for replies in before]
        answers.append(
            [replace(one, drafts=(*seen, *one.drafts), scores={}) for one, seen in zip(found, first, strict=True)]
        )
    return answers


def with_drafts(sample: Sample, drafts: Sequence[Reply]) -> Sample:
    r"""The question with drafts of its answer.

    Args:
        sample: The question.
        drafts: What was drawn.

    Examples:
        >>> asked = with_drafts(Sample("1", (), "Fluid?", "no", "closed"), [Reply("No.", (), (), True)])
        >>> asked.question.split("\n")[-1], asked.id
        ('Draft 1: No.', '1/refined')
    """
    lines = [f"Draft {number}: {' '.join(draft.text.split())}" for number, draft in enumerate(drafts, start=1)]
    question = "\n".join([sample.question, SHOWN.format(count=len(drafts)), *lines])
    return replace(sample, id=f"{sample.id}/refined", question=question)
