"""Groups of sampled completions as the page shows them: advantages in colour, filters by stage, step and outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from medvlm.evaluation.png import png

MOST_CHARS = 4000
STRONGEST, WEAKEST = 60, 12
"""Percent of the colour under the largest advantage of the page, and under the smallest."""
OUTCOMES = {"mixed": "mixed", "right": "all right", "wrong": "all wrong", "equal": "equal rewards"}


@dataclass(frozen=True, slots=True)
class Try:
    """One completion, or several equal ones.

    Attributes:
        text: What was written.
        advantage: How it compares with its group.
        reward: What it earned; NaN where no reward applies.
        parts: Each reward by name; NaN where it does not apply.
        length: Tokens.
        finished: Whether it ended by itself.
        count: How many of the group are equal.
    """

    text: str
    advantage: float
    reward: float
    parts: Mapping[str, float]
    length: int
    finished: bool = True
    count: int = 1


@dataclass(frozen=True, slots=True)
class RolloutCard:
    """The completions of one question in one step.

    Attributes:
        stage: Name of the stage.
        step: Which step.
        question: The question.
        reference: The answer wanted.
        tries: The completions, best first.
        options: Of a choice.
        image: Small pixels, see `medvlm.evaluation.png.png`; None without an image.
        caption: A few words of it, the question's id for example.
    """

    stage: str
    step: int
    question: str
    reference: str
    tries: tuple[Try, ...]
    options: tuple[str, ...] = ()
    image: NDArray[Any] | None = None
    caption: str = ""

    @property
    def outcome(self) -> str:
        """``mixed``, or why nothing is learned: ``right`` or ``wrong`` throughout, or ``equal`` rewards."""
        if len({one.reward for one in self.tries if not math.isnan(one.reward)}) > 1:
            return "mixed"
        right = {one.parts.get("accuracy", math.nan) for one in self.tries}
        return "right" if right == {1.0} else "wrong" if right == {0.0} else "equal"


def rollout_view(cards: Sequence[RolloutCard]) -> dict[str, Any]:
    """What the template needs.

    Args:
        cards: Groups, in the order in which they are shown.

    Returns:
        ``groups``, the ``rows`` of the filter, and all of their ``choices`` that hide something.
    """
    places = sorted({(card.stage, card.step) for card in cards}, key=lambda place: _order(cards, place))
    stages = list(dict.fromkeys(stage for stage, _ in places))
    rows: list[dict[str, Any]] = []
    steps = [_choice("at-all", "all")]
    for stage, step in places:
        label = f"{stage} {step}" if len(stages) > 1 else str(step)
        steps.append(_choice(f"at-{stages.index(stage)}-{step}", label))
    steps[-1]["first"] = True
    rows.append({"legend": "Step", "name": "at", "choices": steps})
    present = [name for name in OUTCOMES if any(card.outcome == name for card in cards)]
    outcomes = [_choice("is-all", "all", first=True), *(_choice(f"is-{name}", OUTCOMES[name]) for name in present)]
    rows.append({"legend": "Groups", "name": "is", "choices": outcomes})
    most = max((abs(one.advantage) for card in cards for one in card.tries), default=0.0)
    return {
        "groups": [_group(card, stages, most) for card in cards],
        "rows": rows,
        "choices": [choice for row in rows for choice in row["choices"] if not choice["id"].endswith("-all")],
    }


def _order(cards: Sequence[RolloutCard], place: tuple[str, int]) -> int:
    """Where a step first stands among the cards."""
    return next(index for index, card in enumerate(cards) if (card.stage, card.step) == place)


def _choice(name: str, label: str, *, first: bool = False) -> dict[str, Any]:
    return {"id": name, "label": label, "first": first}


def _group(card: RolloutCard, stages: Sequence[str], most: float) -> dict[str, Any]:
    known = [one.reward for one in card.tries for _ in range(one.count) if not math.isnan(one.reward)]
    mean = f"mean reward {sum(known) / len(known):.2f}" if known else "no reward applies"
    return {
        "card": card,
        "image": None if card.image is None else png(card.image),
        "classes": f"at-{stages.index(card.stage)}-{card.step} is-{card.outcome}",
        "verdict": mean if card.outcome == "mixed" else f"{OUTCOMES[card.outcome]}, {mean}",
        "tries": [_try(one, most) for one in card.tries],
    }


def _try(one: Try, most: float) -> dict[str, Any]:
    text = one.text if len(one.text) <= MOST_CHARS else f"{one.text[:MOST_CHARS]} ... ({len(one.text)} characters)"
    thought, closed, rest = text.partition("</think>")
    parts = [f"{name} {_short(value)}" for name, value in one.parts.items()]
    return {
        "tone": "even" if one.advantage == 0 else "better" if one.advantage > 0 else "worse",
        "much": max(WEAKEST, round(STRONGEST * abs(one.advantage) / most)) if one.advantage else WEAKEST,
        "advantage": f"{one.advantage:+.2f}" if one.advantage else "0",
        "times": f"x{one.count}" if one.count > 1 else "",
        "thought": thought + closed if closed else "",
        "rest": rest if closed else text,
        "cut": not one.finished,
        "parts": ", ".join(parts) + f" · {one.length} tok",
    }


def _short(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}".rstrip("0").rstrip(".")
