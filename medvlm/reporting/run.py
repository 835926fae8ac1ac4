"""Reports for a folder of studies: in batches, resumable, each study's outcome on the disk at once."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from medvlm.predictor import Predictor, load
from medvlm.reporting.content import make_report, run_key
from medvlm.reporting.find import Stray, Study, common_folder, find_studies, place_of
from medvlm.reporting.journal import PATIENCE, Journal
from medvlm.reporting.material import gather
from medvlm.reporting.progress import progress_bar
from medvlm.reporting.questions import samples_for
from medvlm.reporting.reader import Ready, read_study
from medvlm.reporting.records import Row, read_record, write_table
from medvlm.reporting.started import started
from medvlm.reporting.writers import WRITERS, check_forms, save_report
from medvlm.study import Repair

R = TypeVar("R")

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
) -> Summary:
    """Report every study in a folder: one JSON each, and ``studies.csv`` of what was done, skipped and failed.

    Run again, it does only what is missing: reports of the same study by the same model stay. Interrupted at any time,
    even killed, it loses at most the studies in hand. File names and contents name no patient.

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

    Raises:
        FileNotFoundError: If ``studies`` does not exist.
        WeightsError: If the model cannot be used.
        ValueError: If ``batch`` or ``limit`` is below 1, or a form is unknown.
        ImportError: If a form needs a package that is not installed.
    """
    check_forms(forms)
    for name, value in (("batch", batch), ("limit", limit)):
        if value is not None and value < 1:
            raise ValueError(f"{name}={value}: expected 1 or more.")
    roots = [Path(studies)] if isinstance(studies, str | Path) else [Path(one) for one in studies]
    folder = Path(out)
    found, strays = find_studies(roots, leave_out=folder)
    predictor = model if isinstance(model, Predictor) else load(model)
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(predictor, folder, repair, common_folder(roots) if paths else None, tuple(forms))
    run.note_strays(strays)
    todo = run.missing(found)[:limit]
    with progress_bar(len(todo), show=progress) as tick:
        run.work(todo, batch, tick)
    return run.summary()


class _Run:
    """The state of one call."""

    def __init__(
        self, predictor: Predictor, folder: Path, repair: Repair, root: Path | None, forms: tuple[str, ...]
    ) -> None:
        self.predictor, self.folder, self.repair, self.root, self.forms = predictor, folder, repair, root, forms
        self.rows: dict[str, Row] = {}
        self.done = self.kept = 0
        self.notices: list[str] = []
        self.key = run_key(predictor, repair)
        self.created = started(folder, self.key)
        self.journal = Journal(folder)
        self._written = time.monotonic()

    def note_strays(self, strays: Iterable[Stray]) -> None:
        for stray in strays:
            self.rows[stray.id] = Row(stray.id, stray.status, stray.reason, place=self._place(stray.path))

    def missing(self, studies: Sequence[Study]) -> list[Study]:
        """Studies without a report by this model; the others are taken into the table."""
        todo, other, changed = [], 0, 0
        for study in studies:
            record = read_record(self.folder, study.id) or {}
            if (record.get("run"), record.get("stamp")) == (self.key, study.stamp) and self._has_forms(study):
                self.kept += 1
                self.rows[study.id] = replace(self._row(study), status="done", modality=record["images"][0]["modality"])
                continue
            todo.append(study)
            other += bool(record) and record.get("run") != self.key
            changed += record.get("run") == self.key and record.get("stamp") != study.stamp
        if other:
            self._notice(f"{other} report(s) are of another model or other settings: they are written again.")
        if changed:
            self._notice(f"{changed} study(s) changed since they were reported: they are reported again.")
        return todo

    def _has_forms(self, study: Study) -> bool:
        """Whether every form that is asked for is there, or cannot be of this study."""
        wanted = [WRITERS[name] for name in self.forms if study.kind == "dicom" or not WRITERS[name].dicom]
        return all((self.folder / f"{study.id}{one.suffix}").is_file() for one in wanted if not one.optional)

    def work(self, todo: Sequence[Study], batch: int, tick: Callable[[], None]) -> None:
        """Report all, those that were in hand when an earlier run died last and alone."""
        suspects = [study for study in todo if study.id in self.journal.deaths]
        calm = [study for study in todo if study.id not in self.journal.deaths]
        if suspects:
            self._notice(f"{len(suspects)} study(s) were in hand when an earlier run died: they come last, one by one.")
        try:
            self._batches(calm, batch, 2 * batch, tick)
            self._batches(suspects, 1, 1, tick)
        finally:
            self.journal.close()
            write_table(self.folder, self.rows.values())

    def _batches(self, todo: Sequence[Study], batch: int, ahead: int, tick: Callable[[], None]) -> None:
        ready: list[Ready] = []
        with ThreadPoolExecutor(2, thread_name_prefix="medvlm-read") as pool:
            for outcome in _look_ahead(pool, self._read, todo, ahead, self.journal):
                if isinstance(outcome, Row):
                    self._settle(outcome, tick)
                    continue
                ready.append(outcome)
                if len(ready) == batch:
                    self._report(ready, tick)
                    ready = []
        if ready:
            self._report(ready, tick)

    def _read(self, study: Study) -> Ready | Row:
        row = self._row(study)
        deaths = self.journal.deaths.get(study.id, 0)
        if deaths >= PATIENCE:
            return replace(
                row, status="failed", reason=f"the process died {deaths} times while it was in hand; given up"
            )
        return read_study(study, self.predictor, row, repair=self.repair)

    def _report(self, ready: Sequence[Ready], tick: Callable[[], None]) -> None:
        asks = [((one.shown,), samples_for((one.shown,))) for one in ready]
        for one, answers in zip(ready, self.predictor.answer(asks), strict=True):
            report = make_report(one, answers, self.key, self.created)
            recipes = self.predictor.processor.image_processor.intensity_recipes
            dicom = one.study.kind == "dicom"
            material = gather(one.chosen, report.current.key, recipes, self.forms, dicom=dicom)
            save_report(self.folder, report, material, self.forms)
            self.done += 1
            row = self._row(one.study)
            self._settle(replace(row, status="done", modality=one.chosen.entries[0].modality), tick)

    def _settle(self, row: Row, tick: Callable[[], None]) -> None:
        self.rows[row.study] = row
        self.journal.release(row.study)
        if time.monotonic() - self._written > TABLE_SECONDS:
            write_table(self.folder, self.rows.values())
            self._written = time.monotonic()
        tick()

    def summary(self) -> Summary:
        counts = {name: sum(row.status == name for row in self.rows.values()) for name in ("skipped", "failed")}
        return Summary(self.done, counts["skipped"], counts["failed"], self.kept, tuple(self.notices))

    def _notice(self, text: str) -> None:
        self.notices.append(text)
        _log.warning(text)

    def _row(self, study: Study) -> Row:
        place = self._place(study.entries[0].path)
        return Row(study.id, "", study_uid=study.uid, files=len(study.entries), place=place)

    def _place(self, path: Path) -> str:
        return "" if self.root is None else place_of(path, self.root)


def _look_ahead(
    pool: ThreadPoolExecutor, function: Callable[[Study], R], items: Iterable[Study], window: int, journal: Journal
) -> Iterator[R]:
    """Results in order, while up to ``window`` more are being made; what was not begun is dropped on the way out."""
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            journal.take(item.id)
            running.append(pool.submit(function, item))
            if len(running) >= window:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
