"""One row of the data bench: the same work by medvlm and by a peer, taken in turn in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from tools.bench.machine import Clock, Spent


@dataclass(frozen=True, slots=True)
class Row:
    """What one piece of work cost on both sides.

    Attributes:
        name: What was done, on which data.
        ours_cpu: CPU seconds of medvlm, a median.
        peer_cpu: CPU seconds of the peer, a median.
        ours_wall: Seconds on the clock of medvlm, a median.
        peer_wall: Seconds on the clock of the peer, a median.
        peer: The peer's name and version.
        difference: Largest deviation between the two results in units of the result; None where they cannot be
            compared number by number (the row's name then says what was checked).
        target: Ratio that is asked for; None where there is none.
        remark: What a reader of the row must know: rules, tolerances, memory.
    """

    name: str
    ours_cpu: float
    peer_cpu: float
    ours_wall: float
    peer_wall: float
    peer: str
    difference: float | None = None
    target: float | None = None
    remark: str = ""

    @property
    def ratio_cpu(self) -> float:
        """CPU seconds of the peer over ours."""
        return self.peer_cpu / self.ours_cpu

    @property
    def reached(self) -> bool:
        """Whether the ratio is at least the target; True where there is none."""
        return self.target is None or self.ratio_cpu >= self.target

    def as_dict(self) -> dict[str, Any]:
        """The row with its ratio, as JSON takes it."""
        return asdict(self) | {"ratio_cpu": self.ratio_cpu, "reached": self.reached}


def compare(
    name: str,
    ours: Callable[[], Any],
    peer: Callable[[], Any],
    *,
    peer_name: str,
    repeats: int,
    difference: Callable[[Any, Any], float] | None = None,
    target: float | None = None,
    remark: str = "",
) -> Row:
    """Run both sides in turn, A B A B; the first run of each side warms up and is compared, not timed.

    Args:
        name: What is done.
        ours: medvlm's way; called without arguments, its result goes to ``difference``.
        peer: The peer's way, to the same result.
        peer_name: The peer's name and version.
        repeats: Timed runs of each side.
        difference: Largest deviation between the two results.
        target: Ratio of CPU seconds that is asked for.
        remark: What a reader of the row must know.
    """
    apart = None
    if difference is None:
        ours(), peer()
    else:
        apart = difference(ours(), peer())
    spent: tuple[list[Spent], list[Spent]] = ([], [])
    for _ in range(repeats):
        for side, work in zip(spent, (ours, peer), strict=True):
            clock = Clock()
            work()
            side.append(clock.stop())
    cpu = [median(one.cpu for one in side) for side in spent]
    wall = [median(one.wall for one in side) for side in spent]
    return Row(name, cpu[0], cpu[1], wall[0], wall[1], peer_name, apart, target, remark)


def table(rows: Sequence[Row]) -> str:
    """Rows as text, milliseconds."""
    width = max([len(row.name) for row in rows] + [4])
    peers = max([len(row.peer) for row in rows] + [4])
    head = f"{'work':{width}}  {'peer':{peers}}  {'ours ms':>9}  {'peer ms':>9}  {'ratio':>6}  {'target':>6}  apart"
    lines = [head]
    for row in rows:
        target = "" if row.target is None else f"{row.target:g}x" + ("" if row.reached else " !")
        apart = "" if row.difference is None else f"{row.difference:.2g}"
        lines.append(
            f"{row.name:{width}}  {row.peer:{peers}}  {row.ours_cpu * 1e3:9.2f}  {row.peer_cpu * 1e3:9.2f}  "
            f"{row.ratio_cpu:6.1f}  {target:>6}  {apart}"
        )
    remarks = [f"  {row.name} / {row.peer}: {row.remark}" for row in rows if row.remark]
    return "\n".join(lines + remarks)
