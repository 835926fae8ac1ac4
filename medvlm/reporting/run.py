"""Reports for a folder of studies: in chunks, resumable, each study's outcome on the disk at once.

Chunks are reported in this process, by worker processes (`medvlm.reporting.pool`) or by Ray's actors
(`medvlm.reporting.ray_pool`); the driver only hands them out, notes what was in hand when a worker died, and keeps the
table.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from medvlm.predictor import Predictor, default_model, load
from medvlm.reporting.chunks import PATIENCE, Chunk, Queue, cut, shard, spread
from medvlm.reporting.find import Stray, Study, common_folder, find_studies, place_of
from medvlm.reporting.headers import uncited
from medvlm.reporting.journal import Journal
from medvlm.reporting.pool import Lost, Pool
from medvlm.reporting.progress import progress_bar
from medvlm.reporting.records import Row, read_record, write_table
from medvlm.reporting.started import started
from medvlm.reporting.summary_page import write_summary
from medvlm.reporting.worker import Job, Outcome, Worker
from medvlm.reporting.writers import WRITERS, check_forms, no_objects
from medvlm.study import Repair

Engine = Literal["here", "pool", "ray"]
Events = Callable[[Queue], Iterator[Outcome | Lost]]

TABLE_SECONDS = 10.0
"""How often the table is written while a run goes on; the JSONs are written at once."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes:
        done: Reports written now.
        skipped: Studies without an image that the model takes, and files that are no image.
        failed: Studies that could not be read.
        kept: Reports that were there already.
        notices: What a user should know, one line each.
    """

    done: int
    skipped: int
    failed: int
    kept: int = 0
    notices: tuple[str, ...] = ()


def write_reports(
    studies: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    model: Predictor | str | Path | None = None,
    limit: int | None = None,
    batch: int = 8,
    repair: Repair = False,
    paths: bool = False,
    progress: bool = False,
    forms: Sequence[str] = (),
    devices: Sequence[str] = (),
    engine: Engine | None = None,
    part: tuple[int, int] = (1, 1),
    max_new_tokens: int | None = None,
    min_confidence: float = 0.0,
    priors: bool = True,
    budget: int = 16384,
) -> Summary:
    """Report every study in a folder: one JSON each, ``studies.csv`` of what was done, skipped and failed, and a page.

    Run again, it does only what is missing: reports of the same study by the same model stay. Interrupted at any time,
    even killed, it loses at most the studies in hand, and what it writes then is what it would have written, byte for
    byte. File names and contents name no patient.

    Args:
        studies: Folder that is searched, or a file, or a list of these.
        out: Folder of the reports; made if absent.
        model: A predictor, or what ``medvlm.load`` takes.
        limit: Most studies that are reported now.
        batch: Studies that the model answers together.
        repair: Whether series with gaps or tilt are resampled (and marked so) instead of failing.
        paths: Whether the table says where each study lies; folders are often named after patients.
        progress: Whether a bar is shown.
        forms: What is written beside the JSON: names of ``medvlm.reporting.writers.WRITERS``.
        devices: One worker process each (``cuda:0``, ``cuda:1``, ``cpu``); none reports in this process.
        engine: ``here``, ``pool`` or ``ray``; by ``devices`` if None.
        part: ``(i, n)``: report the i-th of n parts of the studies, as jobs of an array do side by side.
        max_new_tokens: Where an answer is cut; what its kind needs if None.
        min_confidence: Reports of which the model was less sure are withheld, and the reason said; 0 to 1.
        priors: Whether the nearest earlier study of a patient among the studies is its prior.
        budget: Most tokens of the contexts that are answered together.

    Raises:
        FileNotFoundError: If ``studies`` does not exist.
        WeightsError: If the model cannot be used.
        ValueError: If a number is below 1, a form is unknown, or a part is none of its count.
        ImportError: If a form needs a package that is not installed.
    """
    check_forms(forms)
    _check_numbers(min_confidence, batch=batch, limit=limit, max_new_tokens=max_new_tokens, budget=budget)
    shard([], *part)
    roots = [Path(studies)] if isinstance(studies, str | Path) else [Path(one) for one in studies]
    folder = Path(out)
    found, strays = find_studies(roots, leave_out=folder, priors=priors)
    folder.mkdir(parents=True, exist_ok=True)
    root = common_folder(roots) if paths else None
    job = Job(folder, repair, tuple(forms), root, max_new_tokens, min_confidence, budget)
    driver = _Driver(job, "" if part == (1, 1) else f"-{part[0]}-of-{part[1]}", progress)
    driver.note_strays(strays if part[0] == 1 else ())
    driver.report(shard(found, *part), limit, batch, model, devices, engine or ("pool" if devices else "here"))
    write_summary(folder, driver.part)
    return driver.summary()


def _check_numbers(min_confidence: float, **counts: int | None) -> None:
    for name, value in counts.items():
        if value is not None and value < 1:
            raise ValueError(f"{name}={value}: expected 1 or more.")
    if not 0 <= min_confidence <= 1:
        raise ValueError(f"min_confidence={min_confidence}: expected 0 to 1.")


class _Driver:
    """The state of one call."""

    def __init__(self, job: Job, part: str, progress: bool) -> None:
        self.job, self.part, self.progress = job, part, progress
        self.rows: dict[str, Row] = {}
        self.done = self.kept = 0
        self.notices: list[str] = []
        self.journal = Journal(job.folder, part)
        self.key = ""
        self._written = time.monotonic()

    def note_strays(self, strays: Iterable[Stray]) -> None:
        for stray in strays:
            place = "" if self.job.root is None else place_of(stray.path, self.job.root)
            self.rows[stray.id] = Row(stray.id, stray.status, stray.reason, place=place)

    def report(
        self,
        studies: Sequence[Study],
        limit: int | None,
        batch: int,
        model: Predictor | str | Path | None,
        devices: Sequence[str],
        engine: Engine,
    ) -> None:
        """Report all that is missing, by the engine that was named."""
        if engine == "here":
            worker = Worker(model if isinstance(model, Predictor) else load(model), self.job)
            self._drive(worker.key, studies, limit, batch, worker.outcomes)
            return
        if isinstance(model, Predictor):
            raise ValueError(f"engine={engine!r} loads the model in every worker: give its folder, not a predictor")
        source = str(default_model() if model is None else model)
        if engine == "ray":
            from medvlm.reporting.ray_pool import RayPool

            with RayPool(source, devices or ("auto",), self.job) as pool:
                self._drive(pool.key, studies, limit, batch, pool.events)
            return
        with Pool(source, devices or ("auto",), self.job) as workers:
            self._drive(workers.key, studies, limit, batch, workers.events)

    def _drive(self, key: str, studies: Sequence[Study], limit: int | None, batch: int, events: Events) -> None:
        self.key = key
        started(self.job.folder, key)
        wanted = [study.id for study in self._missing(studies)][:limit]
        queue = self._patient(list(spread(cut(studies, set(wanted), batch), self.journal.deaths)))
        try:
            with progress_bar(len(wanted), show=self.progress) as tick:
                self._settle_all(queue, events, tick)
        finally:
            self.journal.close()
            self._write_table()

    def _missing(self, studies: Sequence[Study]) -> list[Study]:
        """Studies without a report by this model; the others are taken into the table."""
        todo, other, changed = [], 0, 0
        for study in studies:
            record = read_record(self.job.folder, study.id) or {}
            if (record.get("run"), record.get("stamp")) == (self.key, study.stamp) and self._has_forms(study, record):
                self.kept += 1
                used = record["images"][0]
                reason = no_objects(self.job.forms, study.kind == "dicom", used)
                row = self.job.row(study)
                self.rows[study.id] = replace(row, status="done", modality=used["modality"], reason=reason)
                continue
            todo.append(study)
            other += bool(record) and record.get("run") != self.key
            changed += record.get("run") == self.key and record.get("stamp") != study.stamp
        if other:
            self._notice(f"{other} report(s) are of another model or other settings: they are written again.")
        if changed:
            self._notice(f"{changed} study(s) changed since they were reported: they are reported again.")
        return todo

    def _has_forms(self, study: Study, record: Mapping[str, Any]) -> bool:
        """Whether every form that is asked for is there, or cannot be of this study."""
        cited = study.kind == "dicom" and not uncited(record["images"][0])
        wanted = [WRITERS[name] for name in self.job.forms if cited or not WRITERS[name].dicom]
        return all((self.job.folder / f"{study.id}{one.suffix}").is_file() for one in wanted if not one.optional)

    def _patient(self, queue: list[Chunk]) -> list[Chunk]:
        """The queue without the studies with which the process died too often; they are given up, and said."""
        for chunk in queue:
            for study in chunk.studies:
                if study.id in chunk.wanted and self.journal.deaths.get(study.id, 0) >= PATIENCE:
                    deaths = self.journal.deaths[study.id]
                    reason = f"the process died {deaths} times while it was in hand; given up"
                    self.rows[study.id] = replace(self.job.row(study), status="failed", reason=reason)
        return [chunk for chunk in queue if not all(name in self.rows for name in chunk.wanted)]

    def _settle_all(self, queue: list[Chunk], events: Events, tick: Callable[[], None]) -> None:
        noted = Queue(queue, lambda chunk: self.journal.take(chunk.ids))
        for event in events(noted):
            if isinstance(event, Outcome):
                self._settle(event, tick)
                continue
            self.journal.died(name for chunk in event.chunks for name in chunk.ids)
            self._notice(f"a worker died ({event.why}): what it had in hand is tried again")
            noted.put(self._patient(list(spread(event.chunks, self.journal.deaths))))

    def _settle(self, outcome: Outcome, tick: Callable[[], None]) -> None:
        for row in outcome.rows:
            self.rows[row.study] = row
            self.done += row.status == "done"
            tick()
        self.journal.release(outcome.chunk.ids)
        if time.monotonic() - self._written > TABLE_SECONDS:
            self._write_table()

    def _write_table(self) -> None:
        write_table(self.job.folder, self.rows.values(), self.part)
        self._written = time.monotonic()

    def summary(self) -> Summary:
        counts = {name: sum(row.status == name for row in self.rows.values()) for name in ("skipped", "failed")}
        return Summary(self.done, counts["skipped"], counts["failed"], self.kept, tuple(self.notices))

    def _notice(self, text: str) -> None:
        self.notices.append(text)
        _log.warning(text)
