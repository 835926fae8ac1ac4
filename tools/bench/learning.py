"""``python tools/bench/learning.py --part a|b|c|d --seeds 0 1 2 --work FOLDER``: what post-training teaches, measured.

=== ==================================================================================================================
a   GRPO from the SFT start against SFT continued for the same compute, in domain and out of domain
b   each reward family moves its own metric
c   DPO lowers the share of named findings that are not there
d   GRPO on CT volumes: the summaries of finished runs, or of ``configs/ct_r1.yaml`` run here
=== ==================================================================================================================

Every part trains shipped recipes with the overrides that its file names. What is finished (a stage, the answers of a
model) is kept in the folder and not done again, so the same command goes on after a stop. It prints a table and leaves
it as ``learning_PART.md`` and ``learning_PART.json``. Intervals resample patients; seeds stand beside them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.bench import learning_ct, learning_domains, learning_dpo, learning_rewards
from tools.bench.learning_runs import Bench
from tools.bench.machine import describe, versions, write_json

PACKAGES = ("torch", "transformers", "lightning")
PARTS: Mapping[str, Callable[[Bench, Sequence[int]], dict[str, Any]]] = {
    "a": learning_domains.measure,
    "b": learning_rewards.measure,
    "c": learning_dpo.measure,
    "d": learning_ct.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is not trained, answer what is not answered, print and write the table."""
    options = _parser().parse_args(arguments)
    if options.runs and options.part != "d":
        raise SystemExit("--runs collects finished runs of part d; the other parts make theirs.")
    bench = Bench(options.work.resolve(), quick=options.quick)
    seeds = sorted(set(options.seeds))
    found = learning_ct.collect(options.runs) if options.runs else PARTS[options.part](bench, seeds)
    result = _plain(found) | {"part": options.part, "seeds": seeds, "quick": options.quick}
    write_json(bench.work / f"learning_{options.part}.json", result | {"machine": describe(), **versions(*PACKAGES)})
    text = f"{found['table']}\n\n{found['said']}\n"
    (bench.work / f"learning_{options.part}.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def _plain(value: Any) -> Any:
    """Estimates as JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and value != value else value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=tuple(PARTS), required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, required=True, help="folder for runs, answers and tables")
    parser.add_argument(
        "--quick", action="store_true", help="tiny models, one step: for tests, the numbers mean nothing"
    )
    parser.add_argument("--runs", type=Path, nargs="+", help="part d: folders of finished runs, one a seed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
