"""The rollouts of a run, read from its folder: runs, stages, steps, groups. Nothing here needs torch."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from medvlm.training.rollouts import health

_STEP = re.compile(r"step-(\d+)")


@dataclass(frozen=True, slots=True)
class Kept:
    """One completion as it was written down; see `medvlm.training.rollouts.Rollout`."""

    text: str
    length: int
    finished: bool
    parts: dict[str, float]
    reward: float
    advantage: float


@dataclass(frozen=True, slots=True)
class Group:
    """The completions of one question in one step.

    Attributes:
        stage: Name of the stage.
        step: Batch of the stage.
        sample: Id of the question.
        question: Its words.
        answer: The reference.
        kind: Form of the answer.
        options: Of a choice.
        images: Paths of its images.
        members: The completions.
    """

    stage: str
    step: int
    sample: str
    question: str
    answer: str
    kind: str
    options: tuple[str, ...]
    images: tuple[str, ...]
    members: tuple[Kept, ...]

    @property
    def reward(self) -> float:
        """Mean reward of its completions; NaN where none has one."""
        found = [member.reward for member in self.members if not math.isnan(member.reward)]
        return sum(found) / len(found) if found else math.nan

    @property
    def spread(self) -> float:
        """Largest less smallest reward: 0 teaches nothing."""
        found = [member.reward for member in self.members if not math.isnan(member.reward)]
        return max(found) - min(found) if found else 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """The groups of one step.

    Attributes:
        stage: Name of the stage.
        number: Which step.
        groups: In the order in which they were written.
        damaged: Lines that are no rollout; a killed run or a full disk may leave one.
    """

    stage: str
    number: int
    groups: tuple[Group, ...]
    damaged: tuple[str, ...] = field(default=())

    @property
    def health(self) -> dict[str, float]:
        """The numbers of `medvlm.training.rollouts.health`; empty for a step without a group."""
        members = [member for group in self.groups for member in group.members]
        if not members:
            return {}
        names = [name for name in members[0].parts if all(name in member.parts for member in members)]
        return health(members, len(self.groups[0].members), names)


def stages_with_rollouts(run: Path) -> list[str]:
    """Names of the stages of a run that kept rollouts, the one written last at the end.

    Args:
        run: Folder of a run.

    Raises:
        FileNotFoundError: If there is no such folder, or no stage in it kept any.
    """
    if not run.is_dir():
        raise FileNotFoundError(f"There is no run at {run}; give the folder that holds its stages (checkpoints/NAME).")
    found = {path.parent.parent for path in run.glob("*/rollouts/step-*.jsonl")}
    if not found:
        stages = ", ".join(sorted(path.parent.name for path in run.glob("*/logs"))) or "none"
        raise FileNotFoundError(f"{run} holds no rollouts; only GRPO stages keep them. Stages there: {stages}.")
    return [path.name for path in sorted(found, key=lambda path: (_newest(path / "rollouts"), path.name))]


def rollout_folder(run: Path, stage: str | None = None) -> Path:
    """The rollouts of a stage.

    Args:
        run: Folder of a run.
        stage: Its name; the one written last without it.

    Raises:
        FileNotFoundError: If the run, the stage or its rollouts are not there; the message names the stages that are.
    """
    names = stages_with_rollouts(run)
    if stage is not None and stage not in names:
        raise FileNotFoundError(f"{run} has no rollouts of a stage {stage!r}; it has some of {', '.join(names)}.")
    return run / (stage or names[-1]) / "rollouts"


def _newest(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.glob("step-*.jsonl"))


def step_files(folder: Path) -> dict[int, list[Path]]:
    """The files of each step of a folder of rollouts, in order; several processes may have written one each."""
    found: dict[int, list[Path]] = {}
    for path in sorted(folder.glob("step-*.jsonl")):
        if match := _STEP.match(path.name):
            found.setdefault(int(match[1]), []).append(path)
    return dict(sorted(found.items()))


def read_step(files: Sequence[Path], stage: str, number: int) -> Step:
    """Read one step.

    Args:
        files: Its files.
        stage: Name of the stage.
        number: Which step.
    """
    records: list[Mapping[str, Any]] = []
    damaged: list[str] = []
    for file in files:
        for line, text in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            record = _record(text)
            if record is None:
                damaged.append(f"{file.name} line {line} is no rollout")
            else:
                records.append(record)
    return Step(stage, number, tuple(_groups(records, stage, number)), tuple(damaged))


def read_steps(folder: Path) -> Iterator[Step]:
    """Read every step of a folder of rollouts, one at a time.

    Args:
        folder: ``STAGE/rollouts`` of a run.
    """
    for number, files in step_files(folder).items():
        yield read_step(files, folder.parent.name, number)


def counted(members: Sequence[Kept]) -> list[tuple[Kept, int]]:
    """Equal completions once with their number, best first.

    Args:
        members: Of a group.
    """
    counts: dict[tuple[str, bool, str], int] = {}
    first: dict[tuple[str, bool, str], Kept] = {}
    for member in members:
        key = (member.text, member.finished, str(member.reward))
        counts[key] = counts.get(key, 0) + 1
        first.setdefault(key, member)
    return sorted(((first[key], count) for key, count in counts.items()), key=lambda item: -item[0].advantage)


def _record(text: str) -> Mapping[str, Any] | None:
    """A rollout of a line, None for any other line."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(found, dict) and isinstance(found.get("parts"), dict) and {"sample", "completion"} <= set(found)
    return found if whole else None


def _groups(records: Sequence[Mapping[str, Any]], stage: str, number: int) -> Iterator[Group]:
    """Completions of one question that follow each other; a question drawn twice in a step makes two groups."""
    runs = [list(run) for _, run in groupby(records, key=lambda record: record["sample"])]
    if not runs:
        return
    size = Counter(map(len, runs)).most_common(1)[0][0]
    for run in runs:
        for start in range(0, len(run), size):
            yield _group(run[start : start + size], stage, number)


def _group(records: Sequence[Mapping[str, Any]], stage: str, number: int) -> Group:
    first = records[0]
    return Group(
        stage=stage,
        step=number,
        sample=str(first["sample"]),
        question=str(first.get("question", "")),
        answer=str(first.get("answer", "")),
        kind=str(first.get("kind", "open")),
        options=tuple(map(str, first.get("options") or ())),
        images=tuple(map(str, first.get("images") or ())),
        members=tuple(_kept(record) for record in records),
    )


def _kept(record: Mapping[str, Any]) -> Kept:
    parts = {name: _number(value) for name, value in record["parts"].items()}
    reward, advantage = _number(record.get("reward")), _number(record.get("advantage"))
    length = record.get("tokens")
    return Kept(
        text=str(record["completion"]),
        length=length if isinstance(length, int) else 0,
        finished=bool(record.get("finished", True)),
        parts=parts,
        reward=reward,
        advantage=0.0 if math.isnan(advantage) else advantage,
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
