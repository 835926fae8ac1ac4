"""``medvlm convert sets [NAME]``: what each set is, who may have it, how many records it has, where to get it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medvlm.datamodules.sets import SetCard


def add(parsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb to a parser."""
    verb = parsers.add_parser("sets", help="list the sets: licence, access, counts")
    verb.add_argument("name", nargs="?", help="one set, with its paper, source and what to know of it; all without it")
    verb.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the cards; returns 0, or 2 for an unknown set."""
    from medvlm.datamodules.sets import SETS
    from medvlm.datamodules.sets.records import one_of

    try:
        names = [one_of("set", arguments.name, SETS)] if arguments.name else list(SETS)
    except ValueError as error:
        print(error)
        return 2
    cards = [SETS[name] for name in names]
    if arguments.json:
        print(json.dumps([_facts(card) for card in cards], indent=1))
    elif arguments.name:
        print("\n".join(_page(cards[0])))
    else:
        print("\n".join(_table(cards)))
    return 0


def _facts(card: SetCard) -> dict[str, Any]:
    """Return what a card says, without its loader."""
    facts = {key: value for key, value in asdict(card).items() if key != "load"}
    return {**facts, "counts": dict(card.counts)}


def _counts(card: SetCard) -> str:
    """Write the records of each split."""
    return " / ".join(f"{split} {count:,}" for split, count in card.counts.items()) or "not published"


def _page(card: SetCard) -> list[str]:
    """Write one card."""
    lines = [f"{card.name}: {card.title}"]
    lines += [f"  {key:9}{value}" for key, value in _facts(card).items() if isinstance(value, str) and value][2:]
    return [*lines, f"  kinds    {', '.join(card.kinds)}", f"  records  {_counts(card)}"]


def _table(cards: list[SetCard]) -> list[str]:
    """Write the cards as a table."""
    rows = [("set", "access", "kinds", "records", "licence")]
    rows += [(card.name, card.access, ", ".join(card.kinds), _counts(card), card.licence) for card in cards]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]]) for row in rows]
