"""``medvlm convert shard SET OUT``: a set as a few large files that are read from shared storage."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from medvlm.set_argument import ARGUMENT, set_options, split_argument
from medvlm.study import MedvlmError


def add(parsers: argparse._SubParsersAction[Any]) -> None:
    """Describe the verb's arguments.

    Args:
        parsers: Where ``medvlm convert`` keeps its verbs.
    """
    parser = parsers.add_parser(
        "shard",
        help="write a set as shards for streaming",
        description="Writes tar files with the images as they are (nothing is de-identified) and the questions about "
        "them. Read them by data.set=shards data.root=OUT. Questions whose images are absent are left out and counted.",
    )
    parser.add_argument("set", metavar="SET", help=f"{ARGUMENT}; all splits without one")
    parser.add_argument("out", metavar="OUT", help="a folder that holds no shards yet")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME.KEY=VALUE", help="of the set: slake.languages=[en,zh]"
    )
    parser.add_argument("--mb", type=float, default=256, help="a shard is closed at this size (default 256)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Write the shards and say what was written.

    Args:
        arguments: What :func:`add` describes.

    Returns:
        0, or 2 if it could not be done.
    """
    from medvlm.datamodules.sets import LoadReport, load_set
    from medvlm.datamodules.shards import write_shards

    try:
        name, root, split = split_argument(arguments.set, "all")
        found = LoadReport()
        options = {"absent": "skip", **set_options(arguments.option).get(name, {})}
        samples = list(load_set(name, root, split, report=found, **options))
        with _progress(not arguments.quiet) as step:
            report = write_shards(samples, arguments.out, name=name, shard_bytes=int(arguments.mb * 1e6), progress=step)
    except (MedvlmError, OSError, ValueError, ImportError) as error:
        print(f"medvlm convert shard: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    size = sum(shard["bytes"] for shard in report.shards)
    splits = ", ".join(f"{n:,} {name}" for name, n in sorted(report.splits.items()))
    print(found.summary())
    print(f"{len(report.shards)} shards, {size / 1e6:,.1f} MB: {splits} questions on {report.images:,} images")
    print(f"train on them: data.set=shards data.root={arguments.out}")
    return 0


@contextmanager
def _progress(show: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Give a function that moves a bar on standard error."""
    if not show:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("writing shards")
        yield lambda done, number: progress.update(task, completed=done, total=number)
