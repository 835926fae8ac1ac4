"""Released splits whose size is known: whether what was asked is one of them, whole and unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from medvlm.datamodules.splits import split_hash
from medvlm.study import Sample

State = Literal["verified", "counted", "other questions", "other count", "not known"]
MOST_UNUSABLE = 0.01
"""Share of a release that a loader may leave out as unusable while it still counts as the whole of it."""

PLACES = frozenset({"absent", "images", "reports", "tables"})
"""Options of loaders that say where files are, not which questions are made of them."""


@dataclass(frozen=True, slots=True)
class KnownSplit:
    """A split that others have scored.

    Attributes:
        split: ``train``, ``validate`` or ``test`` of the set; ``all`` where it has none of its own.
        what: What it is called: ``official test``.
        count: Questions in it.
        hash: `medvlm.datamodules.splits.split_hash` of its ids, from the released files; empty where they were not
            at hand.
        options: What the loader of the set must be told to give it.
    """

    split: str
    what: str
    count: int
    hash: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SplitCheck:
    """What came of looking a split up.

    Attributes:
        state: ``verified`` (count and ids), ``counted`` (the count; the ids are not known), ``other questions`` (the
            count, but other ids), ``other count``, or ``not known`` where no count is published.
        hash: Of the ids found.
        found: Questions found.
        unusable: Records that the loader left out as unusable and that the release counts.
        known: The split that it is; None where it is none.
        candidates: Every known split of that name.
    """

    state: State
    hash: str
    found: int
    unusable: int
    known: KnownSplit | None
    candidates: tuple[KnownSplit, ...]

    def expected(self, told: Mapping[str, Any], usual: Mapping[str, Any]) -> tuple[KnownSplit, ...]:
        """The known splits that should have been found, and were not; none where what was loaded has no known size.

        Args:
            told: What the loader was told.
            usual: What the protocol tells it.
        """
        if self.state != "other count":
            return ()
        chosen, own = ({key: value for key, value in each.items() if key not in PLACES} for each in (told, usual))
        same = (chosen, {}) if chosen == own else (chosen,)
        return tuple(known for known in self.candidates if known.options in same)

    def to_text(self) -> str:
        """What a header says after the word ``split``."""
        if self.known is None:
            return (
                self.hash if self.state == "not known" else f"{self.hash} (none that is published: {self.published()})"
            )
        unusable = f" less {self.unusable} unusable" if self.unusable else ""
        said = {
            "verified": "verified",
            "counted": f"{self.known.count:,} as published{unusable}, hash not known",
            "other questions": f"{self.known.count:,} as published, but other questions: {self.known.hash} expected",
        }
        return f"{self.hash} ({self.known.what}, {said[self.state]})"

    def published(self) -> str:
        """The known splits of that name in words."""
        return in_words(self.candidates)

    def to_json(self) -> dict[str, str | int]:
        """The same for a program, as it stands in ``score.json``."""
        facts: dict[str, str | int] = {"state": self.state, "hash": self.hash, "count": self.found}
        if self.known is not None:
            expected: dict[str, str | int] = {"published": self.known.count, "published_hash": self.known.hash}
            return facts | {"what": self.known.what} | expected | {"unusable": self.unusable}
        return facts | ({"published": self.published()} if self.candidates else {})

    def notes(self) -> tuple[str, ...]:
        """What a reader of the score must know."""
        if self.state == "other count":
            return (f"{self.found} questions are not the whole of a known split: {self.published()}",)
        if self.known is None or self.state == "verified":
            return ()
        if self.state == "other questions":
            return (
                f"{self.found} questions, as {self.known.what} has, but not the same ones: their ids give "
                f"{self.hash}, those of the release {self.known.hash}",
            )
        if self.unusable:
            return (
                f"{self.known.what}: {self.unusable} of {self.known.count} records are unusable and were not asked",
            )
        return ()


def in_words(splits: Sequence[KnownSplit]) -> str:
    """Splits as ``451 (official test)``, one after the other.

    Args:
        splits: Any.
    """
    return ", ".join(f"{known.count} ({known.what})" for known in splits)


def check_split(samples: Sequence[Sample], splits: Sequence[KnownSplit], *, unusable: int = 0) -> SplitCheck:
    """Look samples up among the known splits of their name.

    Args:
        samples: What is asked.
        splits: Those of a protocol.
        unusable: Records that the loader left out, at most `MOST_UNUSABLE` of the whole.

    Examples:
        >>> check_split([Sample("1", (), "?", "yes", "closed", split="test")], [KnownSplit("test", "all", 2)]).state
        'other count'
    """
    names, count, digest = {sample.split for sample in samples}, len(samples), split_hash(samples)
    wanted = names | {"all"} if len(names) == 1 else {"all"}
    near = tuple(known for known in splits if known.split in wanted)
    if same := [known for known in near if known.count == count]:
        exact = next((known for known in same if known.hash == digest), None)
        unknown = next((known for known in same if not known.hash), None)
        state: State = "verified" if exact else "counted" if unknown else "other questions"
        return SplitCheck(state, digest, count, 0, exact or unknown or same[0], near)
    for known in near:
        if not known.hash and 0 < unusable == known.count - count <= MOST_UNUSABLE * known.count:
            return SplitCheck("counted", digest, count, unusable, known, near)
    return SplitCheck("other count" if near else "not known", digest, count, 0, None, near)
