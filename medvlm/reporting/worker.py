"""What one process does with chunks of studies: read, answer, write each report; the next chunk is read meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from medvlm.answer import Answer
from medvlm.generation.prompts import Prompter
from medvlm.predictor import Predictor
from medvlm.reporting.budget import batches
from medvlm.reporting.chunks import Chunk
from medvlm.reporting.content import make_report, run_key
from medvlm.reporting.find import Study, place_of
from medvlm.reporting.material import gather
from medvlm.reporting.reader import Ready, read_study, without_paths
from medvlm.reporting.records import Row
from medvlm.reporting.started import started
from medvlm.reporting.writers import no_objects, save_report
from medvlm.study import MedvlmError, Repair

_AHEAD = 2  # chunks that are read while another is answered


@dataclass(frozen=True, slots=True)
class Job:
    """What every process of a run must know.

    Attributes:
        folder: Of the reports.
        repair: Whether irregular series are resampled.
        forms: What is written beside the JSON.
        root: Where studies lie, for the table; None leaves their places out.
        max_new_tokens: Where an answer is cut; what its kind needs if None.
        min_confidence: Below it a report is withheld, and the reason said.
        budget: Most tokens of the contexts that are answered together.
    """

    folder: Path
    repair: Repair = False
    forms: tuple[str, ...] = ()
    root: Path | None = None
    max_new_tokens: int | None = None
    min_confidence: float = 0.0
    budget: int = 16384

    def row(self, study: Study) -> Row:
        """The line of the table of a study, without its outcome.

        Args:
            study: The study.
        """
        place = "" if self.root is None else place_of(study.entries[0].path, self.root)
        return Row(study.id, "", study_uid=study.uid, files=len(study.entries), place=place)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a chunk: a line of the table for each study that was wanted."""

    chunk: Chunk
    rows: tuple[Row, ...]


class Worker:
    """Reports chunks with a model.

    Args:
        predictor: The model.
        job: The run.
    """

    def __init__(self, predictor: Predictor, job: Job) -> None:
        self.predictor, self.job = predictor, job
        self.key = run_key(predictor, job.repair, job.max_new_tokens, job.min_confidence)
        self._prompter = Prompter(predictor.processor, reasoning=predictor.identity.reasoning)

    def outcomes(self, chunks: Iterable[Chunk | None]) -> Iterator[Outcome]:
        """What comes of each chunk, in order; its reports are on the disk when it is given.

        Args:
            chunks: Taken one by one, at most one ahead; None says that there is no further one yet.
        """
        running: deque[tuple[Chunk, list[Future[Ready | Row]]]] = deque()
        with ThreadPoolExecutor(2, thread_name_prefix="medvlm-read") as pool:
            try:
                for chunk in chunks:
                    if chunk is not None:
                        running.append((chunk, [pool.submit(self._read, study) for study in chunk.studies]))
                    while len(running) >= (1 if chunk is None else _AHEAD):
                        yield self._settle(*running.popleft())
                while running:
                    yield self._settle(*running.popleft())
            finally:
                for _, futures in running:
                    for future in futures:
                        future.cancel()

    @cached_property
    def _created(self) -> str:
        """When the run began; read once, for it is the same for every report."""
        return started(self.job.folder, self.key)

    def _read(self, study: Study) -> Ready | Row:
        return read_study(study, self.predictor, self.job.row(study), repair=self.job.repair)

    def _settle(self, chunk: Chunk, futures: list[Future[Ready | Row]]) -> Outcome:
        found = [future.result() for future in futures]
        ready = [one for one in found if isinstance(one, Ready)]
        rows = [one for one in found if isinstance(one, Row)]
        for group in batches(ready, self.job.budget, self._prompter):
            answers = self.predictor.answer([one.ask for one in group], max_new_tokens=self.job.max_new_tokens)
            for one, said in zip(group, answers, strict=True):
                if one.study.id in chunk.wanted:
                    rows.append(self._save(one, said))
        return Outcome(chunk, tuple(row for row in rows if row.study in chunk.wanted))

    def _save(self, ready: Ready, answers: Sequence[Answer]) -> Row:
        """Write the forms of a report; a file that cannot be read again, or made an object of, fails alone."""
        row = replace(self.job.row(ready.study), modality=ready.chosen.entries[0].modality)
        report = make_report(ready, answers, self.key, self._created, min_confidence=self.job.min_confidence)
        recipes = self.predictor.processor.image_processor.intensity_recipes
        dicom = ready.study.kind == "dicom"
        try:
            material = gather(ready.chosen, report.current.key, recipes, self.job.forms, dicom=dicom)
            save_report(self.job.folder, report, material, self.job.forms)
        except MedvlmError as error:
            files = [entry.path for entry in ready.study.entries]
            reason = without_paths(error, [*files, *(path.parent for path in files)])
            return replace(row, status="failed", reason=reason)
        return replace(row, status="done", reason=no_objects(self.job.forms, dicom, report.current))
