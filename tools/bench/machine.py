"""What every bench shares: a description of the machine, a clock, peak memory, one JSON file."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

CPU_INFO, STATUS, CLEAR = Path("/proc/cpuinfo"), Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Spent:
    """What a piece of work cost.

    Attributes:
        cpu: Seconds of user and system time of all threads.
        wall: Seconds on the clock; on a busy machine they measure the neighbours too.
        peak: Most resident memory in bytes, what was there before included; None where the system does not say.
    """

    cpu: float
    wall: float
    peak: int | None


class Clock:
    """Starts when it is made."""

    def __init__(self) -> None:
        _forget_peak()
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def stop(self) -> Spent:
        """What was spent since the start."""
        return Spent(time.process_time() - self.cpu, time.perf_counter() - self.wall, _peak())


def medians(spent: Sequence[Spent]) -> dict[str, float]:
    """Median seconds, and the largest peak in GB where it is known."""
    peaks = [one.peak for one in spent if one.peak is not None]
    found = {"cpu_s": median(one.cpu for one in spent), "wall_s": median(one.wall for one in spent)}
    return found | ({"peak_gb": max(peaks) / 1e9} if peaks else {})


def describe() -> dict[str, Any]:
    """The machine, and how busy it is now."""
    import torch

    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vector": torch.backends.cpu.get_cpu_capability(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def versions(*packages: str) -> dict[str, str]:
    """Installed version of each package."""
    return {name: version(name) for name in packages}


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """Write the result of a bench as one readable object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _processor() -> str:
    lines = CPU_INFO.read_text(encoding="utf-8").splitlines() if CPU_INFO.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _forget_peak() -> None:
    """Let the peak of resident memory start anew (Linux: 5 written to ``clear_refs``)."""
    if os.access(CLEAR, os.W_OK):
        CLEAR.write_text("5", encoding="ascii")


def _peak() -> int | None:
    lines = STATUS.read_text(encoding="utf-8").splitlines() if STATUS.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)
