"""Sampled completions with their rewards: what is kept on disk, and the numbers that tell health from collapse."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol

from medvlm.files import atomic_file
from medvlm.study import Sample

if TYPE_CHECKING:
    from medvlm.generation.sampling import Completion

_NORMAL = re.compile(r"\b(normal|unremarkable|no (acute|focal|significant)|clear)\b", re.IGNORECASE)
FEWEST_DISTINCT = 0.05
MOST_NORMAL = 0.95


class Sampled(Protocol):
    """What `health` looks at: a completion just sampled, or one read from a log."""

    @property
    def text(self) -> str:
        """What was written."""

    @property
    def length(self) -> int:
        """Its tokens."""

    @property
    def finished(self) -> bool:
        """Whether it ended by itself."""

    @property
    def parts(self) -> dict[str, float]:
        """Each reward; NaN where it does not apply."""

    @property
    def reward(self) -> float:
        """All of them together."""


@dataclass(slots=True)
class Rollout:
    """One sampled completion; the rewards and the advantage are filled in after sampling."""

    sample: Sample
    completion: Completion
    text: str
    parts: dict[str, float] = field(default_factory=dict)
    reward: float = math.nan
    advantage: float = 0.0

    @property
    def length(self) -> int:
        """Tokens of the completion."""
        return len(self.completion.tokens)

    @property
    def finished(self) -> bool:
        """Whether it ended by itself."""
        return self.completion.finished

    def record(self, step: int) -> dict[str, Any]:
        """What is kept on disk."""
        return {
            "step": step,
            "sample": self.sample.id,
            "images": [str(image.path) for image in self.sample.images],
            "kind": self.sample.kind,
            "question": self.sample.question,
            "options": list(self.sample.options),
            "answer": self.sample.answer,
            "completion": self.text,
            "tokens": self.length,
            "finished": self.finished,
            "logp": sum(self.completion.logps),
            "parts": {name: None if math.isnan(value) else value for name, value in self.parts.items()},
            "reward": None if math.isnan(self.reward) else self.reward,
            "advantage": self.advantage,
        }


class RolloutLog:
    """One JSON Lines file a step; a step that is repeated after a resume replaces its file.

    Args:
        folder: Made when the first step is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, step: int, rollouts: Sequence[Rollout]) -> Path:
        """Write a step by atomic rename and return its file."""
        path = self.folder / f"step-{step:06d}.jsonl"
        with atomic_file(path) as lines:
            for rollout in rollouts:
                lines.write(json.dumps(rollout.record(step), ensure_ascii=False).encode() + b"\n")
        return path


def health(rollouts: Sequence[Sampled], group: int, rewards: Sequence[str]) -> dict[str, float]:
    """Numbers of a step that show whether the policy learns or collapses.

    Args:
        rollouts: Groups contiguous.
        group: Completions a question.
        rewards: Names of the reward parts.

    Returns:
        Mean reward and parts, share of groups without variance (nothing to learn from) and, where there is an accuracy,
        of groups that are right or wrong throughout, completion length of finished answers, truncated share, share of
        distinct completions, share of completions that call the image normal, and ``alarm``: 1 where nearly all call
        it normal, or nearly all are alike and most groups are without variance (yes and no are few answers too).
    """
    values = [rollout.reward for rollout in rollouts if not math.isnan(rollout.reward)]
    groups = [rollouts[start : start + group] for start in range(0, len(rollouts), group)]
    finished = [float(rollout.length) for rollout in rollouts if rollout.finished]
    distinct = len({rollout.text for rollout in rollouts}) / len(rollouts)
    normal = fmean(bool(_NORMAL.search(rollout.text)) for rollout in rollouts)
    flat = fmean(_flat(part) for part in groups)
    return {
        "reward": fmean(values) if values else math.nan,
        **{f"reward/{name}": _mean([rollout.parts[name] for rollout in rollouts]) for name in rewards},
        "zero_variance": flat,
        **(_solved(groups) if "accuracy" in rewards else {}),
        "length": _mean(finished),
        "truncated": 1 - len(finished) / len(rollouts),
        "distinct": distinct,
        "normal": normal,
        "alarm": float((distinct < FEWEST_DISTINCT and flat > 0.5) or normal > MOST_NORMAL),
    }


def _flat(group: Sequence[Sampled]) -> bool:
    """Whether all rewards of a group are equal."""
    return len({rollout.reward for rollout in group if not math.isnan(rollout.reward)}) < 2


def _solved(groups: Sequence[Sequence[Sampled]]) -> dict[str, float]:
    """Shares of groups whose completions are all right, and all wrong; of groups to which accuracy applies."""
    each = [{rollout.parts["accuracy"] for rollout in group} for group in groups]
    known = [found for found in each if not any(math.isnan(value) for value in found)]
    return {
        "all_right": _mean([float(found == {1.0}) for found in known]),
        "all_wrong": _mean([float(found == {0.0}) for found in known]),
    }


def _mean(values: Sequence[float]) -> float:
    kept = [value for value in values if not math.isnan(value)]
    return fmean(kept) if kept else math.nan
