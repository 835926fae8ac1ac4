"""Reports a minute: medvlm's run over a folder, and a loop of transformers over the same questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from medvlm.generation.prompts import Prompter
from medvlm.predictor import Predictor, load
from medvlm.reporting import write_reports
from medvlm.reporting.find import find_studies
from medvlm.reporting.questions import samples_for, sections
from medvlm.reporting.records import read_record
from tools.bench.evaluate_task import MODELS, Size
from tools.bench.machine import Clock, Spent, medians
from tools.bench.report_loop import Asked, Loop, decode, write_pictures

PAIRS = 8
PEERS: Mapping[str, tuple[int, bool]] = {
    "one pair a call, decodes": (1, True),
    "one pair a call, decoded": (1, False),
    f"{PAIRS} pairs a call, decodes": (PAIRS, True),
    f"{PAIRS} pairs a call, decoded": (PAIRS, False),
}
"""Pairs a call, and whether images are decoded within the measured time."""


def measure(name: str, size: Size, studies: int, tokens: int, rounds: int, folder: Path) -> dict[str, Any]:
    """CPU seconds of both sides in turn, and whether they say the same.

    Args:
        name: One of ``MODELS``.
        size: Its numbers.
        studies: Pictures, each a study.
        tokens: Of an answer.
        rounds: Timed ones.
        folder: For model, pictures and reports.
    """
    torch.manual_seed(0)
    model, _, native = MODELS[name](size)
    model.save_pretrained(folder / "model")
    native.save_pretrained(folder / "model")
    predictor = load(folder / "model", device="cpu")
    pictures = write_pictures(folder / "pictures", studies, size.image)
    asked = list(_questions(predictor, pictures))
    loop = Loop(predictor.model, native, Prompter(predictor.processor), tokens)
    ready = {path: decode(path) for path in pictures}
    spent: dict[str, list[Spent]] = {side: [] for side in ("medvlm", *PEERS)}
    texts: dict[str, list[str]] = {}
    for number in range(rounds + 1):
        for side, (pairs, decodes) in PEERS.items():
            clock = Clock()
            texts[side] = loop.answers(asked, pairs, decode if decodes else ready.__getitem__)
            spent[side].append(clock.stop())
        clock = Clock()
        write_reports(pictures, folder / f"out{number}", model=predictor, max_new_tokens=tokens)
        spent["medvlm"].append(clock.stop())
    ours = list(_written(pictures, folder / "out0"))
    apart = {side: _apart(loop, asked, ours, said) for side, said in texts.items()}
    sides = {side: medians(times[1:]) for side, times in spent.items()}
    return {
        "model": name,
        "studies": studies,
        "tokens": tokens,
        "rounds": rounds,
        "answers": len(asked),
        "sides": {side: row | {"reports_a_minute": 60 * studies / row["cpu_s"]} for side, row in sides.items()},
        "ratios": {side: sides[side]["cpu_s"] / sides["medvlm"]["cpu_s"] for side in PEERS},
        "apart": apart,
        "differ": sum(one["differ"] for one in apart.values()),
        "ties": sum(one["ties"] for one in apart.values()),
    }


def _apart(loop: Loop, asked: Sequence[Asked], ours: Sequence[str], theirs: Sequence[str]) -> dict[str, int]:
    said = [_whole(text) if one.sample.kind == "report" else text for one, text in zip(asked, theirs, strict=True)]
    differ = sum(one != other for one, other in zip(ours, said, strict=True))
    return {"differ": differ, "ties": loop.ties(asked, ours, said)}


def _questions(predictor: Predictor, pictures: Sequence[Path]) -> Iterator[Asked]:
    """What a report asks about each picture."""
    for path in pictures:
        for sample in samples_for((predictor.show(path),)):
            yield Asked(path, sample)


def _written(pictures: Sequence[Path], out: Path) -> Iterator[str]:
    """The texts in the reports, picture by picture: the report, then the answer about each finding.

    Raises:
        RuntimeError: If a report is missing.
    """
    studies, _ = find_studies(pictures)
    names = {study.entries[0].path: study.id for study in studies}
    for path in pictures:
        record = read_record(out, names[path])
        if record is None:
            raise RuntimeError(f"there is no report of {path.name} in {out}")
        yield " ".join(record["sections"].get(name, "") for name in ("findings", "impression")).strip()
        yield from (finding["answer"] for finding in record["findings"])


def _whole(text: str) -> str:
    return " ".join(sections(text)).strip()


def show(result: Mapping[str, Any]) -> None:
    """Print all figures of both sides."""
    print(f"{'':28}{'CPU s':>8}{'reports a minute':>18}{'ratio':>7}   {result['answers']} answers")
    for side, row in result["sides"].items():
        line = f"{side:28}{row['cpu_s']:8.2f}{row['reports_a_minute']:18.1f}"
        if side in result["ratios"]:
            told = result["apart"][side]
            text = f"{told['differ']} differ, {told['ties']} at ties" if told["differ"] else "all equal"
            line += f"{result['ratios'][side]:7.2f}   {text}"
        print(line)
    print(
        f"{result['model']}, {result['studies']} studies of a report and {result['answers'] // result['studies'] - 1} "
        f"questions, {result['tokens']} tokens each, medians of {result['rounds']}"
    )
