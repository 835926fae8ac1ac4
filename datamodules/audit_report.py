"""What an audit found, as rows, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of finding between a training and a test set.

    Attributes:
        kind: See :mod:`.audit`.
        train: Title of the training set.
        test: Title of the test set.
        found: Distinct images, groups or samples of the test set that the training set has too.
        of: How many of them were compared.
        leak: Whether what was found is a leak.
        examples: Some, as ``test = training``.
    """

    kind: str
    train: str
    test: str
    found: int
    of: int
    leak: bool
    examples: tuple[str, ...] = ()


@dataclass
class Audit:
    """What was found.

    Attributes:
        rows: Findings, also those of nothing.
        absent: Images whose files are not there, by title of the set: compared by reference and group only.
        unread: Images that cannot be read, and why: not compared by looks.
        flat: Images without any structure: not compared by looks.
    """

    rows: list[Row] = field(default_factory=list)
    absent: dict[str, int] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    flat: list[str] = field(default_factory=list)

    @property
    def leaks(self) -> bool:
        """Whether anything found is a leak."""
        return any(row.leak and row.found for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self) | {"leaks": self.leaks}

    def lines(self) -> list[str]:
        """The findings as a table, and what could not be compared."""
        titles = max([len(f"{row.test} in {row.train}") for row in self.rows] + [4])
        lines = [f"{'kind':10} {'test in training':{titles}} {'found':>7} {'of':>7}"]
        for row in self.rows:
            mark = "  LEAK" if row.leak and row.found else ""
            lines.append(f"{row.kind:10} {f'{row.test} in {row.train}':{titles}} {row.found:7,} {row.of:7,}{mark}")
            lines += [f"{'':13}{example}" for example in row.examples if row.leak]
        lines += [
            f"{title}: {n:,} images are not there: compared by reference only" for title, n in self.absent.items()
        ]
        lines += [f"not compared by looks: {name}: {why}" for name, why in list(self.unread.items())[:EXAMPLES]]
        if len(self.unread) > EXAMPLES:
            lines.append(f"not compared by looks: {len(self.unread) - EXAMPLES:,} more that cannot be read")
        if self.flat:
            lines.append(f"not compared by looks: {len(self.flat):,} images without structure, {self.flat[0]} first")
        return lines
