"""A run of reports whose drivers and workers are killed at random moments, against one that nobody disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from medvlm.intensity import IntensityRecipe
from medvlm.models import tiny_vlm, train_tokenizer
from tools.bench.report_studies import make_studies
from tools.bench.report_verdict import reports_in, verdict

ROOT = Path(__file__).resolve().parents[2]
EPOCH = "1767225600"
PATIENCE = 600.0
MARK = "MEDVLM_BENCH_MARK"
WORKER = {"pool": b"spawn_main", "ray": b"ray::_Actor"}
"""What the command line of a worker holds."""

Engine = Literal["pool", "ray"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Numbers of a run.

    Attributes:
        studies: All of them.
        broken: How many of these are broken.
        drivers: How often the driver is killed.
        workers: How often a worker is killed.
        engine: What runs the workers.
        batch: Studies of a chunk.
        tokens: Of an answer.
        seed: Of the moments.
    """

    studies: int = 300
    broken: int = 20
    drivers: int = 5
    workers: int = 2
    engine: Engine = "pool"
    batch: int = 4
    tokens: int = 2
    seed: int = 0


@dataclass(slots=True)
class Kills:
    """What is killed when: so many reports must be there, then a fraction of a second passes.

    Attributes:
        planned: Reports, seconds, and ``driver`` or ``worker``; the first one first.
        done: The same of those that happened, with the reports that were there.
        seen: When each report was written (ns), as far as it was there at a kill.
        again: Reports that were there at a kill and were written once more.
    """

    planned: list[tuple[int, float, str]]
    done: list[tuple[int, float, str]] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)

    def note(self, out: Path) -> None:
        """Compare what is there with what was there."""
        for path in reports_in(out):
            written = path.stat().st_mtime_ns
            if self.seen.setdefault(path.name, written) != written:
                self.again.add(path.name)


def kill_and_check(settings: Settings, folder: Path) -> dict[str, Any]:
    """Figures of both runs, and whether the killed one lost, repeated or changed anything.

    Args:
        settings: Numbers of the run.
        folder: For studies, model and reports.

    Raises:
        RuntimeError: If a run ended before everything was killed, or did not end.
    """
    made = make_studies(folder / "studies", settings.studies, settings.broken)
    _save_model(folder / "model")
    start = time.monotonic()
    _undisturbed(settings, folder)
    whole = time.monotonic() - start
    kills = plan(settings)
    while kills.planned:
        _disturbed(settings, folder, kills)
    kills.note(folder / "killed")
    return {
        "engine": settings.engine,
        "studies": settings.studies,
        "kinds": dict(made.kinds),
        "broken": len(made.broken),
        "kills": kills.done,
        "written_again": len(kills.again),
        "undisturbed_s": whole,
        "killed_s": time.monotonic() - start - whole,
    } | verdict(folder / "whole", folder / "killed", settings.studies, settings.broken)


def plan(settings: Settings) -> Kills:
    """Moments of all kills, drawn once: at least one report is there, and a tenth is missing.

    Args:
        settings: Numbers of the run.
    """
    draw = Random(settings.seed)
    victims = ["driver"] * settings.drivers + ["worker"] * settings.workers
    draw.shuffle(victims)
    last = max(1, int(0.9 * (settings.studies - settings.broken)) - settings.batch)
    moments = sorted(draw.randint(1, last) for _ in victims)
    return Kills([(moment, draw.uniform(0, 0.2), victim) for moment, victim in zip(moments, victims, strict=True)])


def _save_model(folder: Path) -> None:
    """A tiny model of random weights that takes radiographs, and volumes of whatever."""
    plain: dict[str, Any] = {"modalities": ("*",), "percentiles": (1.0, 99.0), "size": (32, 32)}
    recipes = [
        IntensityRecipe(name="film", axes=("yx",), **plain),
        IntensityRecipe(name="volume", axes=("zyx",), slices=8, **plain),
    ]
    words = "Is there a nodule effusion on the left right side ? Yes No"
    model, processor = tiny_vlm(train_tokenizer([words] * 4, 512), image_size=32, recipes=recipes)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _start(settings: Settings, folder: Path, out: str, *options: str) -> tuple[subprocess.Popen[bytes], bytes]:
    """The command, and what is in the environment of all its processes."""
    mark = uuid.uuid4().hex
    command = [sys.executable, str(ROOT / "tools/report.py"), str(folder / "studies"), "--out", str(folder / out)]
    command += ["--model", str(folder / "model"), "--quiet", "--batch", str(settings.batch)]
    command += ["--max-new-tokens", str(settings.tokens), *options]
    known = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    known |= {"SOURCE_DATE_EPOCH": EPOCH, "OMP_NUM_THREADS": "1", MARK: mark}
    known["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with (folder / "stderr.txt").open("wb") as said:  # a pipe that nobody reads meanwhile would fill
        process = subprocess.Popen(command, cwd=ROOT, env=known, stdout=subprocess.DEVNULL, stderr=said)
    return process, f"{MARK}={mark}".encode()


def _undisturbed(settings: Settings, folder: Path) -> None:
    process, _ = _start(settings, folder, "whole")
    _check_end(process.wait(PATIENCE), folder)


def _disturbed(settings: Settings, folder: Path, kills: Kills) -> None:
    """One driver, until it ends or is killed."""
    out = folder / "killed"
    process, mark = _start(settings, folder, "killed", "--workers", "2", "--engine", settings.engine)
    for _ in _while_running(process):
        if kills.planned and len(reports_in(out)) >= kills.planned[0][0]:
            victim = kills.planned[0][2]
            found = [process.pid] if victim == "driver" else workers(mark, WORKER[settings.engine])
            if found:
                _kill(found, kills, out)
            if found and victim == "driver":
                break
    status = process.wait(PATIENCE)
    if status != -signal.SIGKILL:
        _check_end(status, folder)
        if kills.planned:
            raise RuntimeError(f"the run ended before {len(kills.planned)} of the kills; give more studies")
    elif not kills.planned:  # the last one was a driver: another finishes what it left
        process, _ = _start(settings, folder, "killed", "--workers", "2", "--engine", settings.engine)
        _check_end(process.wait(PATIENCE), folder)


def _kill(found: Sequence[int], kills: Kills, out: Path) -> None:
    """Kill the first of these after the seconds that were drawn."""
    _, seconds, victim = kills.planned.pop(0)
    time.sleep(seconds)
    kills.note(out)
    kills.done.append((len(reports_in(out)), seconds, victim))
    os.kill(found[0], signal.SIGKILL)


def _while_running(process: subprocess.Popen[bytes]) -> Iterator[None]:
    start = time.monotonic()
    while process.poll() is None:
        if time.monotonic() - start > PATIENCE:
            process.kill()
            raise RuntimeError(f"a run did not end within {PATIENCE:.0f} s")
        yield
        time.sleep(0.005)


def _check_end(status: int, folder: Path) -> None:
    """A run with broken studies ends with 1, one without with 0."""
    said = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")
    if status not in (0, 1) or "Traceback" in said:
        raise RuntimeError(f"a run ended with {status}: {said[-2000:]}")


def workers(mark: bytes, named: bytes) -> list[int]:
    """Processes of a run that work for its driver, the youngest last.

    Args:
        mark: What is in the environment of all its processes.
        named: What is in their command line.
    """
    found = [path for path in Path("/proc").glob("[0-9]*") if named in _read(path / "cmdline")]
    return sorted(int(path.name) for path in found if mark in _read(path / "environ").split(b"\0"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or is another's
        return b""
