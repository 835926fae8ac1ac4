"""Rewards for what a completion says on the way: steps of reasoning against a report, and words of change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
