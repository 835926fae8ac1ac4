"""What the metrics of a GRPO or preference stage say, in words: a line for each thing that looks wrong, or for none.

Pure: curves in, findings out. The start of a stage is the mean of its first tenth of steps, its end that of its last
tenth. The limits are rules of thumb, each said in the line that it makes; a finding is where to look, not a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

Curves = Mapping[str, Sequence[tuple[float, float]]]
"""``name -> [(step, value)]``, the names of `medvlm.training.rollouts.health` and of the objective."""

FLAT, EASY, HARD = 0.9, 0.95, 0.05
LONGER, SHORTER, CUT = 2.0, 0.5, 0.2
FEWEST_STEPS = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the metrics say.

    Attributes:
        name: Which check.
        level: ``alarm`` for what spoils a run, ``warning`` for what to look at, ``fine`` where nothing was found.
        text: In words, with the numbers.
    """

    name: str
    level: Literal["alarm", "warning", "fine"]
    text: str

    def __str__(self) -> str:
        return f"{'' if self.level == 'fine' else self.level + ': '}{self.text}"


class Course:
    """Curves with the mean of their first and of their last tenth.

    Args:
        curves: See `Curves`; values that are not finite are left out.
    """

    def __init__(self, curves: Curves) -> None:
        self._values = {
            name: [value for _, value in sorted(points) if math.isfinite(value)] for name, points in curves.items()
        }
        self.steps = max((len(points) for points in curves.values()), default=0)

    def values(self, name: str) -> list[float]:
        """The finite values of a curve, in order; empty for one that there is not."""
        return self._values.get(name, [])

    def start(self, name: str) -> float:
        """Mean of the first tenth; NaN without values."""
        return _mean(self.values(name)[: self._window(name)])

    def end(self, name: str) -> float:
        """Mean of the last tenth; NaN without values."""
        return _mean(self.values(name)[-self._window(name) :])

    def moved(self, name: str) -> bool:
        """Whether there are enough steps to tell an end from a start."""
        return len(self.values(name)) >= FEWEST_STEPS

    def _window(self, name: str) -> int:
        return max(1, len(self.values(name)) // 10)


def diagnose(curves: Curves) -> list[Finding]:
    """Every finding of a stage, alarms first; exactly one ``fine`` where there is none.

    Args:
        curves: What a stage logged.

    Examples:
        >>> still = {"reward": [(0, 0.5), (1, 0.5)], "zero_variance": [(0, 1.0), (1, 1.0)]}
        >>> [finding.name for finding in diagnose(still)]
        ['zero variance']
    """
    course = Course(curves)
    found = [finding for check in CHECKS for finding in check(course)]
    return sorted(found, key=lambda finding: finding.level != "alarm") or [_fine(course)]


def _fine(course: Course) -> Finding:
    if not course.values("reward") and not course.values("pair_accuracy"):
        return Finding("no rewards", "warning", "no step has a reward, so nothing can be said")
    said = [
        f"{name.removeprefix('reward/').replace('_', ' ')} {course.start(name):.2f} to {course.end(name):.2f}"
        for name in ("reward", "reward/accuracy", "entropy", "pair_accuracy", "margin")
        if course.values(name)
    ]
    return Finding("fine", "fine", f"nothing looks wrong in {course.steps} steps: {', '.join(said)}")


def _zero_variance(course: Course) -> Iterator[Finding]:
    flat = course.end("zero_variance")
    if flat >= FLAT:
        right = course.end("reward/accuracy")
        why = "; all are right" if right >= EASY else "; all are wrong" if right <= HARD else ""
        text = f"in {flat:.0%} of the last groups all completions earn the same, which teaches nothing{why}"
        yield Finding("zero variance", "alarm", f"{text}: filter by pass rate (medvlm probe), or raise the temperature")


def _difficulty(course: Course) -> Iterator[Finding]:
    rate = course.end("reward/accuracy")
    if rate >= EASY:
        yield Finding("too easy", "warning", f"pass rate {rate:.0%} at the end: take harder questions, or stop here")
    if rate <= HARD:
        yield Finding(
            "too hard", "alarm", f"pass rate {rate:.0%} at the end: start from supervised tuning or easier questions"
        )


def _length(course: Course) -> Iterator[Finding]:
    if not course.moved("length"):
        return
    start, end = course.start("length"), course.end("length")
    gain = course.end("reward") - course.start("reward")
    earned = f"while the reward changed by {gain:+.2f}"
    if end >= LONGER * start:
        text = f"answers grew from {start:.0f} to {end:.0f} tokens {earned}: limit them, or pay less for long ones"
        yield Finding("length runaway", "warning", text)
    if end <= SHORTER * start:
        text = f"answers shrank from {start:.0f} to {end:.0f} tokens {earned}: read some, the reasoning may be gone"
        yield Finding("length collapse", "warning", text)


def _truncation(course: Course) -> Iterator[Finding]:
    cut = course.end("truncated")
    if cut >= CUT:
        level: Literal["alarm", "warning"] = "alarm" if cut >= 0.5 else "warning"
        yield Finding("truncation", level, f"{cut:.0%} of the last answers are cut at the limit: raise max_new_tokens")


def _form_only(course: Course) -> Iterator[Finding]:
    if not (course.moved("reward/format") and course.moved("reward/accuracy")):
        return
    form = course.end("reward/format") - course.start("reward/format")
    right = course.end("reward/accuracy") - course.start("reward/accuracy")
    if form >= 0.1 and right < 0.02:
        text = (
            f"the format was learned ({form:+.2f}) but not the answers ({right:+.2f}): weigh accuracy more, or gate it"
        )
        yield Finding("format only", "warning", text)


def _entropy(course: Course) -> Iterator[Finding]:
    start, end = course.start("entropy"), course.end("entropy")
    if not course.moved("entropy"):
        return
    if end <= 0.1 * start:
        text = f"entropy fell from {start:.3g} to {end:.3g} a token: the policy explores no more (clip_high, lr)"
        yield Finding("entropy collapse", "alarm", text)
    if end >= 2 * start and end >= 1:
        text = f"entropy rose from {start:.3g} to {end:.3g} a token: the policy falls apart, lower the learning rate"
        yield Finding("entropy runaway", "alarm", text)


def _reward(course: Course) -> Iterator[Finding]:
    if not course.moved("reward"):
        return
    start, end = course.start("reward"), course.end("reward")
    if end < start - 0.05:
        yield Finding("reward fell", "alarm", f"the reward fell from {start:.2f} to {end:.2f}: lower the learning rate")
    elif end < start + 0.01 and not course.end("zero_variance") >= FLAT:
        yield Finding(
            "no progress", "warning", f"the reward stayed at {start:.2f} to {end:.2f} in {course.steps} steps"
        )


def _collapse(course: Course) -> Iterator[Finding]:
    normal, distinct = course.end("normal"), course.end("distinct")
    if normal > 0.95:
        yield Finding("everything normal", "alarm", f"{normal:.0%} of the last answers call the image normal")
    if distinct < 0.05 and course.end("zero_variance") > 0.5:
        yield Finding("one answer", "alarm", f"only {distinct:.1%} of the last answers of a step are distinct")


def _gap(course: Course) -> Iterator[Finding]:
    gap = course.end("sampler_gap")
    if gap > 0.1:
        text = f"sampler and trainer differ by up to {gap:.2g} a token (below 1e-4 in 32 bit, some 0.03 in 16 bit)"
        yield Finding("sampler gap", "alarm", f"{text}: use the importance correction, or look for a mistake")


def _skipped(course: Course) -> Iterator[Finding]:
    skipped = sum(course.values("skipped"))
    if skipped:
        level: Literal["alarm", "warning"] = "alarm" if skipped > 0.05 * course.steps else "warning"
        text = f"{skipped:.0f} of {course.steps} steps were skipped: their gradients were not finite"
        yield Finding("skipped steps", level, text)


def _idle(course: Course) -> Iterator[Finding]:
    idle = sum(value > 0 for value in course.values("idle"))
    if idle > 0.1 * course.steps:
        text = f"{idle} of {course.steps} steps had nothing to learn from: filter by pass rate, or resample flat groups"
        yield Finding("idle steps", "warning", text)


def _failed(course: Course) -> Iterator[Finding]:
    failed = sum(course.values("reward_failed"))
    if failed:
        yield Finding(
            "failed rewards", "warning", f"a reward failed for {failed:.0f} completions, which taught nothing"
        )


def _pairs(course: Course) -> Iterator[Finding]:
    right = course.end("pair_accuracy")
    if course.moved("pair_accuracy") and right <= 0.55:
        yield Finding("pairs", "warning", f"chosen answers gain on rejected ones in only {right:.0%} of the last pairs")
    if not course.moved("logp_chosen"):
        return
    chosen, rejected = (course.end(name) - course.start(name) for name in ("logp_chosen", "logp_rejected"))
    if chosen < 0 and chosen <= 0.1 * course.start("logp_chosen"):
        text = (
            f"chosen answers became less likely too ({chosen:+.1f} nats, rejected {rejected:+.1f}): add the NLL (rpo)"
        )
        yield Finding("likelihood", "warning", text)


def _clipped(course: Course) -> Iterator[Finding]:
    share = course.end("clipped_share")
    if share > 0.3:
        text = f"{share:.0%} of the last tokens are clipped: steps are too large, lower lr or mu"
        yield Finding("clipping", "warning", text)


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else math.nan


CHECKS: tuple[Callable[[Course], Iterator[Finding]], ...] = (
    _zero_variance,
    _difficulty,
    _length,
    _truncation,
    _form_only,
    _entropy,
    _reward,
    _collapse,
    _gap,
    _skipped,
    _idle,
    _failed,
    _clipped,
    _pairs,
)
