"""``python tools/bench/data.py``: from files to tensors, medvlm beside its peers on the same work.

Both sides run in turn in one process on one thread; medians of CPU time count, for wall time on a busy machine measures
the neighbours too. ``!`` marks a target that was missed, and then the exit status is 1. Needs the ``bench`` extra.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from importlib import import_module
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from tools.bench.data_rows import Row, table
from tools.bench.machine import describe, versions, write_json

PARTS = {
    "radiograph": "data_radiograph",
    "headers": "data_headers",
    "series": "data_series",
    "cache": "data_cache",
    "loader": "data_loader",
}
PACKAGES = ("torch", "numpy", "pydicom", "imagecodecs", "monai", "transformers")


def main(arguments: list[str] | None = None) -> int:
    """Measure the parts that are asked for, print a table, write the figures."""
    options = _parser().parse_args(arguments)
    if options.repeats < 1:
        raise SystemExit(f"--repeats {options.repeats}: at least one run of each side is timed.")
    _quiet()
    names = list(PARTS) if options.part == "all" else [options.part]
    rows: dict[str, list[Row]] = {}
    for name in names:
        rows[name] = import_module(f"tools.bench.{PARTS[name]}").measure(options.repeats)
        print(f"{name}\n{table(rows[name])}\n", flush=True)
    machine = describe() | versions(*PACKAGES)
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    if options.json is not None:
        figures = {name: [row.as_dict() for row in part] for name, part in rows.items()}
        write_json(options.json, {"parts": figures, "repeats": options.repeats, "machine": machine})
    return int(not all(row.reached for part in rows.values() for row in part))


def _quiet() -> None:
    import cv2

    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--part", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each side (default 5)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
