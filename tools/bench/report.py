"""``python tools/bench/report.py --part speed|kill``: reports for folders of studies, how fast, and through kills.

speed: ``medvlm.write_reports``, files and JSONs included, beside the same model in a loop of transformers: its own
   processor and ``model.generate``, greedy, KV cache on, as many new tokens, for the report and each question about a
   finding. The peer asks one image and one question a call, as users write it, and eight pairs a call, padded on the
   left; and decodes its images itself, or is given them decoded. One process, one thread; sides take turns, the first
   round warms up; medians of CPU seconds. All texts must be equal but for ties of less than 1e-4 between the two best
   words: exit status 1 otherwise. Then 1,000 studies in one process: its resident memory on the way.
kill: studies of which some are broken through ``tools/report.py``, while drivers and workers are killed by SIGKILL at
   moments that are drawn by a seed: nothing may be lost or done twice, and every file must be what an undisturbed run
   writes, byte for byte; exit status 1 otherwise.

Answers are all as long as the limit: random weights do not stop by themselves. What is saved is the reading of the
image and the prompt, so that the ratio falls with the length of answers (``--tokens``).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from tools.bench import report_kill, report_memory, report_speed, report_verdict
from tools.bench.evaluate_task import MODELS, SIZES
from tools.bench.machine import describe, versions, write_json


def main(arguments: list[str] | None = None) -> int:
    """Measure, compare, print and write."""
    options = _parser().parse_args(arguments)
    if options.rounds < 1:
        raise SystemExit(f"--rounds {options.rounds}: at least one round is timed.")
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        part = _speed if options.part == "speed" else _kill
        result = part(options, Path(folder)) | {"machine": describe(), "versions": versions("torch", "transformers")}
    print(", ".join(f"{name} {value}" for name, value in (result["machine"] | result["versions"]).items()))
    if options.json is not None:
        write_json(options.json, result)
    return int(not result["passed"])


def _speed(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    marks = [count for count in report_memory.MARKS if count <= options.memory]
    memory = report_memory.memory(marks, folder / "memory") if marks else {}
    size = SIZES[options.size]
    result = report_speed.measure(options.model, size, options.studies or 8, options.tokens, options.rounds, folder)
    result |= {"memory": memory, "passed": result["differ"] == result["ties"]}
    report_speed.show(result)
    if memory:
        report_memory.show(memory)
    return result


def _kill(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    count = options.studies or 300
    settings = report_kill.Settings(
        studies=count,
        broken=options.broken if options.broken is not None else max(1, count // 15),
        drivers=options.drivers,
        workers=options.workers,
        engine=options.engine,
        seed=options.seed,
    )
    result = report_kill.kill_and_check(settings, folder)
    report_verdict.show(result)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("speed", "kill"), required=True)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--studies", type=int, help="default 8 for speed, 300 for kill")
    speed = parser.add_argument_group("speed")
    speed.add_argument("--rounds", type=int, default=3, help="timed rounds a side (default 3)")
    speed.add_argument("--size", choices=sorted(SIZES), default="small")
    speed.add_argument("--tokens", type=int, default=16, help="of every answer (default 16)")
    speed.add_argument("--model", choices=sorted(MODELS), default="composed")
    speed.add_argument("--memory", type=int, default=1000, help="studies that memory is followed over (default 1000)")
    kill = parser.add_argument_group("kill")
    kill.add_argument("--broken", type=int, help="broken studies (default one of 15)")
    kill.add_argument("--drivers", type=int, default=5, help="kills of the driver (default 5)")
    kill.add_argument("--workers", type=int, default=2, help="kills of a worker (default 2)")
    kill.add_argument("--engine", choices=("pool", "ray"), default="pool")
    kill.add_argument("--seed", type=int, default=0, help="of the moments")
    return parser


if __name__ == "__main__":
    sys.exit(main())
