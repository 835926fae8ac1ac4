"""Questions about one scene graph of Chest ImaGenome: located, yes or no, and how something changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .imagenome_graph import CHANGES, Change, Graph


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one image.

    Attributes:
        image: The image, and the earlier one before it where there is one.
        region: The region that is asked about.
        finding: What is asked for; empty where all is.
        text: The question.
        answer: The answer.
    """

    image: tuple[str, ...]
    region: str
    finding: str
    text: str
    answer: str


def questions(graph: Graph, kinds: Sequence[str]) -> Iterator[Question]:
    """Ask about one image.

    Args:
        graph: What is known of it.
        kinds: Which of ``box``, ``presence`` and ``comparison``.
    """
    there: dict[str, list[str]] = {}
    for (region, finding), states in graph.seen.items():
        if states == {True}:
            there.setdefault(region, []).append(finding)
        if "presence" in kinds and len(states) == 1:
            text = f"Does the {region} show this: {finding}?"
            yield Question((graph.image,), region, finding, text, "yes" if True in states else "no")
    for region, findings in there.items() if "box" in kinds else ():
        if region in graph.boxes:
            text = f"Locate the {region}, which shows {', '.join(sorted(findings))}."
            box = " ".join(map(str, graph.boxes[region]))
            yield Question((graph.image,), region, "", text, box)
    if "comparison" in kinds:
        yield from _changes(graph)


def _changes(graph: Graph) -> Iterator[Question]:
    """Ask how regions changed; where the report says several directions of one thing, there is no answer."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for change in graph.changes:
        for finding in change.findings or ("",):
            found.setdefault((change.before, change.region, finding), set()).update(_words(change))
    for (before, region, finding), words in found.items():
        if len(words) == 1:
            what = f"{finding} in the {region}" if finding else f"the {region}"
            text = f"The first image is the earlier one. How has {what} changed in the second?"
            yield Question((before, graph.image), region, finding, text, next(iter(words)))


def _words(change: Change) -> set[str]:
    """Return the directions of a change that are known."""
    return {CHANGES[word] for word in change.words if word in CHANGES}
