"""Rewards for what a completion says on the way: steps of reasoning against a report, and words of change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from medvlm.evaluation.metrics import f1
from medvlm.evaluation.steps import statements, step_scores, steps_of
from medvlm.evaluation.temporal import changes
from medvlm.study import AnswerKind
from medvlm.training.rewards.reading import report_of

PARTS = ("factuality", "completeness", "effectiveness")


def process_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    rationale: Sequence[str] = (),
    extra: Sequence[Mapping[str, Any]] = (),
    parts: Sequence[str] = PARTS,
    **columns: Any,
) -> list[float | None]:
    """Mean of factuality, completeness and effectiveness of the thoughts: ChestX-Reasoner's process reward.

    The report is ``extra["report"]``, else the rationale, else the answer where that is a report; None without one that
    states a finding. It does not look at the answer: gate it by one that does (``gate: accuracy``).

    Args:
        completions: What was written.
        answer: References.
        kind: Forms of answer.
        rationale: Reference reasoning.
        extra: Other fields of the samples.
        parts: Which of the three are averaged.
        **columns: Not used.

    Raises:
        ValueError: If a part is none of the three.

    Examples:
        >>> process_reward(["<think>Large effusion.</think>"], answer=["yes"], kind=["closed"], rationale=["Effusion."])
        [1.0]
    """
    if not parts or not set(parts) <= set(PARTS):
        raise ValueError(f"process: parts {list(parts)} must be some of {', '.join(PARTS)}")
    values: list[float | None] = []
    for place, text in enumerate(completions):
        written = extra[place].get("report", "") if extra else ""
        report = (
            written or (rationale[place] if rationale else "") or (answer[place] if kind[place] == "report" else "")
        )
        scores = step_scores(steps_of(text), report) if statements(report) else None
        values.append(None if scores is None else sum(getattr(scores, part) for part in parts) / len(parts))
    return values


def temporal_reward(
    completions: Sequence[str], *, answer: Sequence[str], kind: Sequence[AnswerKind], **columns: Any
) -> list[float | None]:
    """F1 over stated changes (which finding, which direction) of two reports; None where no report was asked for.

    Where the reference compares with nothing, a report that does invents a prior study, and earns -1.

    Examples:
        >>> ask = {"answer": ["Effusion is unchanged."] * 2, "kind": ["report"] * 2}
        >>> temporal_reward(["Stable effusion.", "New effusion."], **ask)
        [1.0, 0.0]
    """
    values: list[float | None] = []
    for text, reference, form in zip(completions, answer, kind, strict=True):
        said, meant = changes(report_of(text)), changes(reference)
        shared = [len(said & meant), len(said - meant), len(meant - said)]
        values.append(None if form != "report" else f1(shared) if meant else -1.0 if said else 0.0)
    return values


def step_model_reward(
    completions: Sequence[str],
    *,
    folder: str,
    question: Sequence[str] = (),
    reduce: Literal["least", "mean", "last"] = "least",
    device: str = "cpu",
    **columns: Any,
) -> list[float | None]:
    """What a learned step head thinks of the steps of thoughts: 0 to 1; 0 without a step (Med-PRM's idea).

    It is a model and can be gamed like one: gate it by a rule (``gate: accuracy``).

    Args:
        completions: What was written.
        folder: Of a model with a step head (`medvlm.step_head`).
        question: What was asked.
        reduce: A chain is worth its ``least`` probable step, the ``mean`` of all, or the ``last``.
        device: Where it computes.
        **columns: Not used.

    Raises:
        ValueError: If ``reduce`` is none of the three.
        WeightsError: If the folder has no step head.
    """
    from medvlm.step_head import Reasoning, step_probabilities

    if reduce not in ("least", "mean", "last"):
        raise ValueError(f"step_model: reduce={reduce!r}; expected least, mean or last")
    model, tokenizer, head = _step_model(folder, device)
    steps = [steps_of(text) for text in completions]
    places = [place for place, some in enumerate(steps) if some]
    asked = [Reasoning(question[place] if question else "", tuple(steps[place])) for place in places]
    values: list[float | None] = [0.0] * len(completions)
    for place, each in zip(places, step_probabilities(head, model, tokenizer, asked), strict=True):
        values[place] = {"least": min(each), "mean": sum(each) / len(each), "last": each[-1]}[reduce]
    return values


@lru_cache(maxsize=1)
def _step_model(folder: str, device: str) -> tuple[Any, Any, Any]:
    """A model with its tokenizer and its step head."""
    from medvlm.models import load_vlm
    from medvlm.step_head import load_step_head

    model, processor = load_vlm(folder, device=device)
    return model, processor.tokenizer, load_step_head(folder, model).to(device)
