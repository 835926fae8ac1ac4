"""``medvlm convert audit TRAIN... --against TEST...``: what training sets and test sets share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from medvlm.set_argument import ARGUMENT, set_options, split_argument
from medvlm.study import MedvlmError

if TYPE_CHECKING:
    from medvlm.datamodules.audit import Source

T = TypeVar("T")


def add(parsers: argparse._SubParsersAction[Any]) -> None:
    """Describe the verb's arguments.

    Args:
        parsers: Where ``medvlm convert`` keeps its verbs.
    """
    parser = parsers.add_parser(
        "audit",
        help="find what training and test sets share",
        description="Finds images of test sets in training sets: by reference, bytes, looks and patient, and "
        "questions by their words. Exit status: 0 nothing is shared, 1 leaks, 2 it could not be done.",
    )
    parser.add_argument("train", nargs="+", metavar="TRAIN", help=f"{ARGUMENT}; split train without one")
    parser.add_argument("--against", nargs="+", required=True, metavar="TEST", help="the same; split test without one")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME.KEY=VALUE", help="of a set: slake.languages=[en,zh]"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    parser.add_argument("--no-pixels", action="store_true", help="read no image: by reference, group and words only")
    parser.add_argument(
        "--shared-names", action="store_true", help="group names mean the same patient in sets of different names"
    )
    parser.add_argument("--workers", type=int, default=2, help="threads that read images (default 2)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Compare, print the table, write the JSON.

    Args:
        arguments: What :func:`add` describes.

    Returns:
        0 if nothing is shared, 1 for leaks, 2 if it could not be done.
    """
    try:
        return _audit(arguments)
    except (MedvlmError, OSError, ValueError, ImportError) as error:
        print(f"medvlm convert audit: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _audit(arguments: argparse.Namespace) -> int:
    from medvlm.datamodules.audit import audit
    from medvlm.files import write_whole

    options = set_options(arguments.option)
    train = [load_source(text, "train", options) for text in arguments.train]
    test = [load_source(text, "test", options) for text in arguments.against]
    result = audit(
        train,
        test,
        pixels=not arguments.no_pixels,
        shared_names=arguments.shared_names,
        workers=max(1, arguments.workers),
        watch=_unwatched if arguments.quiet else _watch,
    )
    print("\n".join(result.lines()))
    if arguments.json is not None:
        write_whole(arguments.json, json.dumps(result.as_dict(), indent=1, ensure_ascii=False) + "\n")
    return int(result.leaks)


def load_source(text: str, split: str, options: dict[str, dict[str, Any]]) -> Source:
    """Load the set that an argument names.

    Args:
        text: ``NAME:ROOT[:SPLIT]`` or a ``.jsonl`` file.
        split: Where the argument has none; of a ``.jsonl`` file, all.
        options: What each set takes, by its name.

    Raises:
        ValueError: If the argument has another form, or names no set.
    """
    from medvlm.datamodules.audit import Source
    from medvlm.datamodules.sets import load_set

    name, root, split = split_argument(text, split)
    return Source(f"{name}:{Path(root).name}:{split}", name, list(load_set(name, root, split, **options.get(name, {}))))


def _unwatched(items: Iterable[T], number: int, label: str) -> Iterable[T]:
    return items


def _watch(items: Iterable[T], number: int, label: str) -> Iterable[T]:
    from rich.console import Console
    from rich.progress import track

    return track(items, label, number, console=Console(stderr=True), transient=True)
