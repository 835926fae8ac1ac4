"""``python tools/bench/compression.py``: what each volume compressor costs, and with ``--accuracy`` what it keeps.

Cost: one small composed model a compressor reads volumes of 32 to 512 slices, forward and backward, fp32, one thread,
beside ``slices_keep``, which gives every token to the decoder. Memory is what a step adds to what was resident before;
its exponent over slices says how it grows (1 is linear).

Accuracy (``--accuracy``, about half an hour of one core): a small model learns the CT phantom with every token
(16 slices of 16), then goes on from there once a compressor and budget, and once more with every token; all else is
equal. It says whether some compressor keeps 95 % of keep-everything's accuracy at a tenth of its tokens; exit status 1
if none does. ``--patch 6 --budgets 64 96 128 256 512`` is the grid up to 1024 tokens (16 slices of 64), and hours.
A run that was interrupted goes on, for what is trained lies in ``--work``.

``--page FILE`` draws the curves.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from tools.bench.compression_accuracy import Training, keeping, measure_accuracy, share_of, verdict
from tools.bench.compression_cost import KINDS, SIZES, measure_cost
from tools.bench.compression_page import write_curves
from tools.bench.machine import describe, versions, write_json


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if sys.platform != "linux":
        parser.error("memory is read from /proc: run this bench on Linux")
    if unknown := sorted({*options.kinds} - {*KINDS}):
        parser.error(f"--kinds {' '.join(unknown)}: known are {', '.join(KINDS)}")
    if min([options.repeats, *options.slices, *options.budgets]) < 1:
        parser.error("--repeats, --slices and --budgets must be at least 1")
    torch.set_num_threads(1)
    result: dict[str, Any] = {"cost": measure_cost(SIZES[options.size], options.kinds, options.slices, options.repeats)}
    show_cost(result["cost"])
    status = 0
    if options.accuracy:
        numbers = (options.patch, options.patients, options.first, options.every, options.steps, options.images)
        training = Training(options.work, *numbers, options.limit, options.seed)
        result["accuracy"] = measure_accuracy(training, options.kinds, options.budgets)
        result["verdict"] = verdict(result["accuracy"])
        show_accuracy(result["accuracy"], result["verdict"])
        status = int(not result["verdict"]["kept"])
    result |= {"size": options.size, "machine": describe(), "versions": versions("torch", "transformers")}
    print(", ".join(f"{name} {value}" for name, value in (result["machine"] | result["versions"]).items()))
    if options.json is not None:
        write_json(options.json, result)
    if options.page is not None:
        print(f"Page: {write_curves(options.page, result)}")
    return status


def show_cost(cost: dict[str, Any]) -> None:
    """Print a line for each compressor and number of slices, and how memory grows."""
    print(f"{'a step':18}{'slices':>8}{'tokens':>8}{'cpu_s':>9}{'added_mb':>10}{'keep/this cpu':>15}{'memory':>8}")
    for kind, rows in cost["kinds"].items():
        for row in rows:
            ratios = f"{row['ratio_cpu']:15.2f}{row['ratio_memory']:8.2f}" if "ratio_cpu" in row else ""
            print(f"{kind:18}{row['slices']:8}{row['tokens']:8}{row['cpu_s']:9.3f}{row['added_mb']:10.1f}{ratios}")
    growth = ", ".join(f"{kind} {value:.2f}" for kind, value in cost["memory_exponent"].items())
    print(f"memory grows with slices to the power of: {growth}" if growth else "one number of slices: no growth")


def show_accuracy(rows: Sequence[dict[str, Any]], verdict: dict[str, Any]) -> None:
    """Print accuracy against tokens, and whether enough is kept at a tenth of them."""
    every = keeping(rows)
    print(
        f"{'trained on CT':18}{'tokens':>8}{'accuracy':>10}{'95 % interval':>18}{'of everything':>15}"
        f"{'finding F1':>12}{'cpu_s':>8}"
    )
    for row in rows:
        ends = f"{row['low']:.3f} to {row['high']:.3f}"
        print(
            f"{row['kind']:18}{row['tokens']:8}{row['accuracy']:10.3f}{ends:>18}{share_of(row, every):15.1%}"
            f"{row['finding_f1']:12.3f}{row['cpu_seconds']:8.0f}"
        )
    print(verdict["words"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write an HTML page with the curves there")
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), metavar="KIND", help="compressors (default all)")
    parser.add_argument("--slices", nargs="+", type=int, default=[32, 64, 128, 256, 512], metavar="N")
    parser.add_argument("--repeats", type=int, default=3, help="timed steps after a first one (default 3)")
    parser.add_argument("--accuracy", action="store_true", help="also train once a compressor and budget")
    parser.add_argument("--budgets", nargs="+", type=int, default=[24, 64], metavar="TOKENS")
    parser.add_argument("--patch", type=int, choices=(6, 8, 12, 16), default=12, help="pixels a side (default 12)")
    parser.add_argument("--patients", type=int, default=1200, help="of the CT phantom (default 1200)")
    parser.add_argument("--first", type=int, default=210, help="steps that teach to see, averaged (default 210)")
    parser.add_argument("--every", type=int, default=100, help="steps from there with every token (default 100)")
    parser.add_argument("--steps", type=int, default=100, help="steps of each run from there (default 100)")
    parser.add_argument("--images", type=int, default=32, help="volumes a step (default 32)")
    parser.add_argument("--limit", type=int, metavar="N", help="most held-out volumes (default all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--work", type=Path, default=Path("checkpoints/bench_compression"), metavar="FOLDER", help="data and runs"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
