"""Reasoning as steps, each compared with what a report states: the three shares of RadRScore, by the rule labeler.

ChestX-Reasoner (Fan et al. 2025) asks GPT-4o for each; here steps are sentences, and what they state is what
`medvlm.evaluation.labeler.label_report` reads of them. A sentence that states no finding is a step without support.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from medvlm.evaluation.labeler import State, label_report
from medvlm.evaluation.text import clean

Statement = tuple[str, State]

_STEP = re.compile(r"(?<=[.!?;])\s+|\n+")
_THOUGHT = re.compile(r"<think>(.*?)(?:</think>|$)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StepScores:
    """How well reasoning is supported.

    Attributes:
        factuality: Share of the stated findings that the report states alike.
        completeness: Share of what the report states that a step states alike.
        effectiveness: Share of steps that add a supported statement which none before made.
    """

    factuality: float
    completeness: float
    effectiveness: float

    @property
    def mean(self) -> float:
        """The plain mean of the three."""
        return (self.factuality + self.completeness + self.effectiveness) / 3


def steps_of(text: str) -> list[str]:
    """The sentences of the thoughts of a completion; questions are no steps.

    Args:
        text: A completion; only what stands between ``<think>`` tags is reasoning.

    Examples:
        >>> steps_of("<think>Fluid on the left? Left effusion. Heart is normal.</think><answer>B</answer>")
        ['Left effusion.', 'Heart is normal.']
    """
    thoughts = " ".join(_THOUGHT.findall(clean(text)))
    return [step for part in _STEP.split(thoughts) if (step := part.strip()) and not step.endswith("?")]


def statements(text: str) -> set[Statement]:
    """What a text states of findings, each with its state.

    Args:
        text: A sentence or a report.

    Examples:
        >>> sorted(statements("Left effusion, no nodule."))
        [('Lung Lesion', 'absent'), ('Pleural Effusion', 'present')]
    """
    return {(label, state) for label, state in label_report(text).items() if label != "No Finding"}


def step_scores(steps: list[str], report: str) -> StepScores:
    """Compare steps with a report.

    Args:
        steps: What `steps_of` gives.
        report: The reference.

    Examples:
        >>> step_scores(["Large effusion.", "Let me think.", "No nodule."], "Large effusion. Edema.")
        StepScores(factuality=0.5, completeness=0.5, effectiveness=0.3333333333333333)
    """
    meant, said = statements(report), set[Statement]()
    useful = 0
    for step in steps:
        fresh = statements(step) - said
        useful += bool(fresh & meant)
        said |= fresh
    return StepScores(
        len(said & meant) / len(said) if said else 0.0,
        len(said & meant) / len(meant) if meant else 0.0,
        useful / len(steps) if steps else 0.0,
    )


def step_labels(steps: list[str], report: str) -> list[bool]:
    """Whether each step states something, and nothing that the report does not state alike.

    Args:
        steps: What `steps_of` gives.
        report: The reference.

    Examples:
        >>> step_labels(["Large effusion.", "Effusion and nodule.", "Let me think."], "Large effusion. No nodule.")
        [True, False, False]
    """
    meant = statements(report)
    return [bool(said) and said <= meant for said in map(statements, steps)]
