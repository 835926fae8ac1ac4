"""``python tools/bench/evaluate.py``: evaluation with all questions of an image in one read, beside transformers.

a. The same model answers the same questions greedily by medvlm's examination (graded, every record on disk) and by
   ``model.generate`` over question-image pairs: one pair a row, all in one batch, padded on the left, KV cache on, its
   own processor; images are decoded before, for both. Texts must be equal, but for ties of less than 1e-4 between the
   two best words: exit status 1 otherwise. Sides alternate, the first round warms up; medians of CPU seconds.
b. An evaluation is killed by SIGKILL in the middle and goes on: what is on disk is not asked again, and the records
   are those of an undisturbed run, byte for byte; exit status 1 otherwise.
c. 10,000 bootstrap resamples of 10,000 answers in 2,000 clusters, beside ``scipy.stats.bootstrap``.

Answers are short, as in VQA, and all as long as the limit: random weights do not stop by themselves. The share of
prompt and image in the work, and with it the ratio, falls with the length of answers (``--tokens``).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from tools.bench import evaluate_statistics
from tools.bench.evaluate_resume import kill_and_resume
from tools.bench.evaluate_sides import race
from tools.bench.evaluate_task import MODELS, SIZES, Size, build_task
from tools.bench.machine import describe, medians, versions, write_json

QUESTIONS = (1, 5, 10)


def main(arguments: list[str] | None = None) -> int:
    """Measure, compare, print and write."""
    options = _parser().parse_args(arguments)
    if options.rounds < 1:
        raise SystemExit(f"--rounds {options.rounds}: at least one round is timed.")
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    size = SIZES[options.size]
    if options.tokens is not None:
        size = replace(size, answer=options.tokens)
    numbers = (10_000, 2_000, 10_000) if options.size == "small" else (200, 50, 200)
    with tempfile.TemporaryDirectory() as folder:
        result: dict[str, Any] = {
            "answers": [
                answers(name, size, count, options.rounds, Path(folder))
                for name in options.models
                for count in options.questions
            ],
            "resume": kill_and_resume(build_task("composed", replace(size, images=6), 3), Path(folder)),
        }
    result |= {"statistics": evaluate_statistics.measure(*numbers, rounds=options.rounds)}
    result |= {"size": options.size, "rounds": options.rounds, "tokens": size.answer}
    result |= {"machine": describe(), "versions": versions("torch", "transformers", "scipy")}
    show(result)
    if options.json is not None:
        write_json(options.json, result)
    return int(not agrees(result))


def answers(name: str, size: Size, count: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Figures of both sides for a model and a number of questions an image."""
    place = folder / name
    place.mkdir(exist_ok=True)
    found = race(build_task(name, size, count), count, rounds, place)
    sides = {side: medians(times) for side, times in found.pop("spent").items()}
    speed = {f"{side}_a_second": found["answers"] / numbers["cpu_s"] for side, numbers in sides.items()}
    ratio = sides["theirs"]["cpu_s"] / sides["ours"]["cpu_s"]
    return {"model": name, "questions": count, **sides, **speed, "ratio_cpu": ratio, **found}


def agrees(result: dict[str, Any]) -> bool:
    """Whether answers are the same but for ties, and a killed run lost nothing and asked nothing twice."""
    same = all(row["differ"] == row["ties"] for row in result["answers"])
    resumed = result["resume"]
    return same and resumed["byte_equal"] and not (resumed["asked_again"] or resumed["recorded_twice"])


def show(result: dict[str, Any]) -> None:
    """Print every part and what it was measured on."""
    head = f"{'model':10}{'questions an image':>20}{'generate, CPU s':>17}{'medvlm, CPU s':>15}{'ratio':>7}"
    print(f"{head}{'answers a CPU s':>19}   answers")
    for row in result["answers"]:
        text = f"{row['answers']}: all equal" if not row["differ"] else f"{row['answers']}: {row['differ']} differ"
        text += f", {row['ties']} at ties" if row["differ"] else ""
        print(
            f"{row['model']:10}{row['questions']:20}{row['theirs']['cpu_s']:17.2f}{row['ours']['cpu_s']:15.2f}"
            f"{row['ratio_cpu']:7.2f}{row['theirs_a_second']:9.1f} {row['ours_a_second']:9.1f}   {text}"
        )
    resumed = result["resume"]
    print(
        f"killed by signal {resumed['killed_by']} with {resumed['on_disk_when_killed']} of {resumed['questions']} "
        f"answers on disk: {resumed['asked_after']} asked after, {resumed['asked_again']} of them again, "
        f"{resumed['recorded_twice']} recorded twice, records byte-equal: {resumed['byte_equal']}"
    )
    numbers = result["statistics"]
    print(f"{numbers['resamples']:,} resamples of {numbers['answers']:,} answers in {numbers['clusters']:,} clusters:")
    for name in ("mean", "difference"):
        row = numbers[name]
        print(
            f"  {name:12} medvlm {row['ours']['cpu_s']:.2f} CPU s, scipy {row['scipy']['cpu_s']:.2f}, "
            f"ratio {row['ratio_cpu']:.2f}; ends apart by {row['ends_apart']:.1e}"
        )
    print(f"medians of {result['rounds']}, answers of {result['tokens']} tokens")
    print(", ".join(f"{name} {value}" for name, value in (result["machine"] | result["versions"]).items()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds a side (default 3)")
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--tokens", type=int, help="tokens of an answer (default: 8 in the small size)")
    parser.add_argument("--models", nargs="+", choices=sorted(MODELS), default=list(MODELS))
    parser.add_argument("--questions", nargs="+", type=int, default=list(QUESTIONS), help="an image (1 5 10)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
