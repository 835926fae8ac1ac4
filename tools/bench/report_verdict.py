"""Whether a run that was killed left what an undisturbed one leaves."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def verdict(whole: Path, killed: Path, studies: int, broken: int) -> dict[str, Any]:
    """What is in the folder of the killed run, beside that of the undisturbed one.

    Args:
        whole: Reports that nobody disturbed.
        killed: Reports of drivers and workers that were killed.
        studies: How many there are.
        broken: How many of these are broken.
    """
    rows = list(csv.DictReader((killed / "studies.csv").open(newline="", encoding="utf-8")))
    reasons = [row for row in rows if row["status"] != "done" and row["reason"]]
    names = [row["study"] for row in rows]
    wanted, found = contents(whole), contents(killed)
    told = {path.stem for path in reports_in(killed)}
    result = {
        "reports": len(told),
        "reasons": len(reasons),
        "lost": studies - len(told | {row["study"] for row in reasons}),
        "twice": len(names) - len(set(names)) + len(told & {row["study"] for row in reasons}),
        "files": len(found),
        "files_apart": sorted(name for name in wanted | found if wanted.get(name) != found.get(name)),
    }
    good = studies - broken
    expected = {"reports": good, "reasons": broken, "lost": 0, "twice": 0, "files_apart": []}
    return result | {"passed": expected.items() <= {name: result[name] for name in expected}.items()}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that a run leaves by its name; hidden ones are its own notes."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def reports_in(folder: Path) -> list[Path]:
    """The reports of a run; none where it has not begun."""
    return list(folder.glob("[0-9a-f]*.json"))


def show(result: Mapping[str, Any]) -> None:
    """Print what was killed when, and the verdict."""
    kinds = ", ".join(f"{count} {name}" for name, count in result["kinds"].items())
    print(f"{result['studies']} phantom studies ({kinds}; {result['broken']} broken), engine {result['engine']}")
    for there, seconds, victim in result["kills"]:
        print(f"  {victim} killed with {there} reports on disk, {seconds:.2f} s after its moment came")
    print(
        f"{result['reports']} reports, {result['reasons']} named reasons, {result['lost']} lost, {result['twice']} "
        f"twice, {result['written_again']} of those on disk at a kill written again"
    )
    apart = result["files_apart"]
    print(f"{result['files']} files, {len(apart)} not byte-equal to an undisturbed run {' '.join(apart[:5])}")
    print(f"undisturbed {result['undisturbed_s']:.0f} s in one process, killed {result['killed_s']:.0f} s")
    print("passed" if result["passed"] else "FAILED")
