"""Which rollouts of a run a page shows: a few steps from first to last, and of each the groups that say most."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from medvlm.evaluation.page_rollouts import RolloutCard, Try
from medvlm.training.rollout_files import Group, Kept, counted, read_step, step_files

STEPS, GROUPS = 6, 6
Look = Callable[[Group], NDArray[Any] | None]


def rollout_cards(folder: Path, look: Look, *, steps: int = STEPS, groups: int = GROUPS) -> Iterator[RolloutCard]:
    """Cards of a stage's rollouts; none where the stage kept none.

    Args:
        folder: ``STAGE/rollouts`` of a run.
        look: Small pixels of a group's image, None where there is none.
        steps: Most steps, spread evenly with the first and the last among them.
        groups: Most groups of a step.
    """
    files = step_files(folder)
    for number in spread(sorted(files), steps):
        step = read_step(files[number], folder.parent.name, number)
        for group in telling(step.groups, groups):
            yield card(group, look)


def spread(values: Sequence[int], most: int) -> list[int]:
    """At most so many values, evenly, first and last among them.

    Examples:
        >>> spread(range(50), 6), spread([3, 7], 6)
        ([0, 10, 20, 29, 39, 49], [3, 7])
    """
    if len(values) <= most:
        return list(values)
    return [values[round(index * (len(values) - 1) / (most - 1))] for index in range(most)]


def telling(groups: Sequence[Group], most: int) -> list[Group]:
    """The groups that say most: those that teach by the spread of their rewards, and one each of the flat kinds.

    Args:
        groups: Of a step.
        most: Groups wanted; one image is shown once where there are others.
    """
    flat = [group for group in groups if group.spread == 0]
    best = max(flat, key=lambda group: _known(group.reward), default=None)
    worst = min(flat, key=lambda group: _known(group.reward), default=None)
    kinds = [group for group in (best, worst) if group is not None]
    ordered = sorted((group for group in groups if group.spread), key=lambda group: -group.spread)
    seen: set[tuple[str, ...]] = set()
    first: list[Group] = []
    for group in ordered:
        if group.images not in seen or not group.images:
            first.append(group)
        seen.add(group.images)
    again = [group for group in ordered if not any(group is other for other in first)]
    chosen = (first + again)[: max(0, most - len({id(group) for group in kinds}))]
    return list({id(group): group for group in [*chosen, *kinds]}.values())[:most]


def _known(reward: float) -> float:
    return 0.0 if math.isnan(reward) else reward


def card(group: Group, look: Look) -> RolloutCard:
    """A group as the page shows it, equal completions once.

    Args:
        group: A group.
        look: See `rollout_cards`.
    """
    return RolloutCard(
        stage=group.stage,
        step=group.step,
        question=group.question,
        reference=group.answer,
        tries=tuple(_try(member, count) for member, count in counted(group.members)),
        options=group.options,
        image=look(group),
        caption=group.sample,
    )


def _try(member: Kept, count: int) -> Try:
    return Try(
        member.text, member.advantage, member.reward, member.parts, member.length, member.finished, count
    )  # fmt: skip
