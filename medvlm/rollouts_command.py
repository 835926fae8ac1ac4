"""``medvlm rollouts RUN``: what a GRPO stage sampled, in a terminal: health by step, and groups with their rewards."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from medvlm.training.rollout_files import Group, Kept, Step

SHOWN = ("reward", "zero_variance", "length", "truncated", "distinct", "normal")
MOST_CHARS = 1200
MOST_LINES = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Print health and groups.

    Args:
        argv: Arguments; those of the process without it.

    Returns:
        0.

    Raises:
        FileNotFoundError: If the run, the stage, the step or the question is not there.
    """
    options = _parser().parse_args(argv)
    from rich.console import Console

    from medvlm.training.rollout_files import read_step, read_steps, rollout_folder, step_files

    console = Console(highlight=False)
    folder = rollout_folder(options.run, options.stage)
    stage, files = folder.parent.name, step_files(folder)
    if options.sample is not None:
        groups = [group for step in read_steps(folder) for group in step.groups if group.sample == options.sample]
        if not groups:
            raise FileNotFoundError(f"{folder}: no rollout of a question {options.sample!r} in {len(files)} steps.")
        return _print(console, groups)
    number = max(files) if options.step is None else options.step
    if number not in files:
        raise FileNotFoundError(f"{folder} has no step {number}; it has {min(files)} to {max(files)}.")
    if options.step is None:
        steps = list(read_steps(folder))
        console.print(health_table(stage, steps, None if options.all else MOST_LINES))
        for line in diagnosis(options.run, stage, steps):
            console.print(f"{stage}: {line}", style="bold", markup=False)
    step = read_step(files[number], stage, number)
    for line in step.damaged:
        console.print(f"left out: {line}", style="yellow", markup=False)
    return _print(console, chosen(step, options)[: options.groups])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medvlm rollouts",
        description="Print the completions that a GRPO stage sampled: a line of health a step, then groups of one step "
        "with reward parts and advantages (green: better than its group, red: worse).",
    )
    parser.add_argument("run", type=Path, help="folder of a run (checkpoints/NAME)")
    parser.add_argument("--stage", help="a stage of it; the one written last without it")
    parser.add_argument("--step", type=int, help="one step, without the table of all; the last one if not given")
    order = parser.add_mutually_exclusive_group()
    order.add_argument("--worst", action="store_true", help="the groups with the lowest mean reward first")
    order.add_argument("--best", action="store_true", help="the groups with the highest mean reward first")
    parser.add_argument("--sample", metavar="ID", help="one question, in every step in which it was drawn")
    parser.add_argument("--all", action="store_true", help="the health of every step, not of some only")
    parser.add_argument("--groups", type=int, default=3, help="most groups printed (default 3)")
    return parser


def chosen(step: Step, options: argparse.Namespace) -> list[Group]:
    """The groups of a step in the order that is asked for; without one, those that teach most come first.

    Args:
        step: A step.
        options: ``worst`` and ``best``.
    """
    known = [group for group in step.groups if not math.isnan(group.reward)]
    unknown = [group for group in step.groups if math.isnan(group.reward)]
    if options.worst or options.best:
        return sorted(known, key=lambda group: group.reward, reverse=options.best) + unknown
    return sorted(known, key=lambda group: -group.spread) + unknown


def health_table(stage: str, steps: Sequence[Step], most: int | None = None) -> RenderableType:
    """One line a step; a step whose alarm rings is red.

    Args:
        stage: Name of the stage.
        steps: Its steps.
        most: Lines; steps between them are left out, those with an alarm never.
    """
    from rich.table import Table

    found = [(step.number, step.health) for step in steps if step.groups]
    every = max(1, math.ceil(len(found) / (most or len(found) or 1)))
    parts = [name for name in (found[-1][1] if found else {}) if name.startswith("reward/")]
    columns = (SHOWN[0], *parts, *SHOWN[1:])
    table = Table(title=f"{stage}: health of {len(found)} steps", title_justify="left")
    for name in ("step", *columns):
        table.add_column(name.removeprefix("reward/").replace("_", " "), justify="right")
    for index, (number, values) in enumerate(found):
        if (len(found) - 1 - index) % every and not values["alarm"]:
            continue
        style = "bold red" if values["alarm"] else None
        table.add_row(str(number), *(_short(values.get(name, math.nan)) for name in columns), style=style)
    return table


def diagnosis(run: Path, stage: str, steps: Sequence[Step]) -> list[str]:
    """What looks wrong, in words: as the run's summary has it, and before there is one from its rollouts alone.

    Args:
        run: Folder of the run.
        stage: Name of the stage.
        steps: Its steps.
    """
    from medvlm.training.diagnosis import diagnose

    try:
        said = json.loads((run / "summary.json").read_text(encoding="utf-8"))[stage]["diagnosis"]
        return [str(line) for line in said]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        curves: dict[str, list[tuple[float, float]]] = {}
        for step in steps:
            for name, value in step.health.items():
                curves.setdefault(name, []).append((step.number, value))
        return [str(finding) for finding in diagnose(curves)]


def _print(console: Console, groups: Sequence[Group]) -> int:
    for group in groups:
        console.print(*panel(group), sep="\n")
    return 0


def panel(group: Group) -> Iterator[RenderableType]:
    """A group as blocks to print: a rule, the question, and each distinct completion once.

    Args:
        group: A group.
    """
    from rich.rule import Rule
    from rich.table import Table
    from rich.text import Text

    from medvlm.training.rollout_files import counted

    spread = "no variance, nothing to learn" if group.spread == 0 else f"mean reward {group.reward:.2f}"
    yield Rule(Text(f"{group.stage} step {group.step} · {_plain(group.sample)} · {spread}"), align="left")
    yield Text(_plain(group.question), style="bold")
    for index, option in enumerate(group.options):
        yield Text(f"  {chr(65 + index)}) {_plain(option)}", style="dim")
    yield Text(f"gold: {_plain(group.answer)}", style="cyan")
    grid = Table.grid(padding=(0, 1))
    for member, count in counted(group.members):
        advantage = Text(f" {member.advantage:+.2f} ", style=tint(member.advantage))
        words = Text(_plain(member.text) or "(nothing)")
        words.append(f"\n{_earned(member)}", style="dim")
        grid.add_row(advantage, Text(f"x{count}" if count > 1 else "", style="dim"), words)
    yield grid
    yield Text("")


def tint(advantage: float) -> str:
    """The colours of an advantage, as rich names them.

    Examples:
        >>> tint(1.2), tint(-0.4), tint(0.0)
        ('black on green', 'white on red', 'dim')
    """
    return "dim" if advantage == 0 else "black on green" if advantage > 0 else "white on red"


def _earned(member: Kept) -> str:
    """Reward parts, their sum, and the length."""
    parts = ", ".join(f"{name} {_short(value)}" for name, value in member.parts.items())
    cut = "" if member.finished else ", cut at the limit"
    return f"{parts} = {_short(member.reward)} · {member.length} tokens{cut}"


def _short(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}" if abs(value) >= 10 else f"{value:.2f}"


def _plain(text: str) -> str:
    """Words of a model as a terminal may show them: no control characters, and not without end."""
    shown = "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)
    return shown if len(shown) <= MOST_CHARS else f"{shown[:MOST_CHARS]} ... ({len(shown)} characters)"
