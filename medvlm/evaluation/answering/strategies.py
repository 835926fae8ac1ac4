"""The strategies by name, and how a batch of asks is answered by one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medvlm.evaluation.answerer import Answerer
from medvlm.evaluation.answering.answer import Answers, Job, Strategy
from medvlm.evaluation.answering.budget import budget
from medvlm.evaluation.answering.likelihood import check_options, greedy, letters, texts
from medvlm.evaluation.answering.orders import in_orders
from medvlm.evaluation.answering.refine import refine
from medvlm.evaluation.answering.settings import Answering
from medvlm.evaluation.answering.votes import passes, vote
from medvlm.generation.engine import Ask
from medvlm.study import Sample

STRATEGIES: Mapping[str, Strategy] = {
    "greedy": greedy,
    "letters": letters,
    "texts": texts,
    "vote": vote,
    "pass": passes,
    "refine": refine,
    "budget": budget,
}


def answer_asks(engine: Answerer, asks: Sequence[Ask], job: Job, *, most: int) -> Answers:
    """Answer questions as is stated.

    Args:
        engine: Answers.
        asks: What is asked; none gives none.
        job: How.
        most: Most questions in one ask.

    Returns:
        ``[ask][question]``.
    """
    if not asks:
        return []
    strategy = STRATEGIES[job.answering.strategy]
    if job.answering.orders == 1:
        return strategy(engine, asks, job)
    return in_orders(strategy, engine, asks, job, most)


def check_answering(engine: Answerer, samples: Sequence[Sample], answering: Answering) -> None:
    """Refuse what cannot be answered so, before the first question is asked.

    Args:
        engine: Says whether the model reasons between tags.
        samples: The questions.
        answering: How they are to be answered.

    Raises:
        SampleError: If a choice is to be answered by its letters, or under several orders, and has too few or too many.
        ValueError: If thoughts are to be as long as stated and the model has none.
    """
    if answering.strategy in ("letters", "texts") or answering.orders > 1:
        check_options(samples)
    if answering.strategy == "budget" and not engine.prompter.reasoning:
        raise ValueError("budget forcing needs a model that reasons between tags (reasoning: true); take greedy")
