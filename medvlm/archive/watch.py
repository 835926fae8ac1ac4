"""The loop of a watch: studies that are complete are reported, what was written goes back, one after the other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medvlm.archive.audit import Audit
from medvlm.archive.inbox import Inbox, Waiting
from medvlm.archive.orthanc import Poller
from medvlm.archive.send import Sender, Sent
from medvlm.archive.web import ArchiveAway, ArchiveError
from medvlm.predictor import Predictor
from medvlm.reporting import Summary, write_reports
from medvlm.reporting.writers import WRITERS
from medvlm.study import MedvlmError, Repair

TICK = 0.5
"""Seconds between two looks at the inbox."""
PATIENCE = 3
"""After so many failures, of which the archive is not the cause, a study is given up."""
_SOON, _LATEST = 10.0, 300.0


@dataclass(frozen=True, slots=True)
class Reporter:
    """Reports one study and sends what was written.

    Attributes:
        model: Writes the reports.
        out: A folder of reports for each study is made in it, so that each has its own date.
        forms: What is written beside the JSON; what of it is DICOM is sent.
        sender: Where to; None keeps everything here.
        audit: Is told of each study.
        repair: See ``medvlm.write_reports``.
    """

    model: Predictor
    out: Path
    forms: Sequence[str]
    sender: Sender | None
    audit: Audit
    repair: Repair = False

    def report(self, waiting: Waiting) -> str:
        """Report a study that is complete; done before, nothing is written or sent again.

        Args:
            waiting: The study.

        Returns:
            What became of it, in words that name no patient.

        Raises:
            ArchiveAway: If the reports are written and cannot be sent now.
            MedvlmError: If the reports cannot be written.
            OSError: If the disk is full.
        """
        folder = self.out / waiting.study
        summary = write_reports(waiting.folder, folder, model=self.model, forms=self.forms, repair=self.repair)
        sent = Sent()
        if self.sender is not None and summary.done + summary.kept:
            sent = self.sender.send(self._objects(folder, waiting.study))
        self.audit.note(
            "reported" if summary.done + summary.kept else "not-reported",
            study=waiting.study,
            counts={"instances": len(waiting.names), "sent": sent.sent, "refused": sent.refused},
        )
        return _words(summary, sent)

    def _objects(self, folder: Path, study: str) -> list[Path]:
        files = [folder / f"{study}{WRITERS[form].suffix}" for form in self.forms]
        return [file for file in files if file.suffix == ".dcm" and file.is_file()]


class Watch:
    """Goes round: asks the archive, looks at the inbox, reports what is complete.

    Args:
        inbox: Where studies come from.
        report: Reports one of them and says what became of it.
        say: Is given a line for each study, and for each trouble.
        audit: Is told of trouble.
        poller: Fills the inbox; None where a node does.
        stop: Set to end after the study in hand.
    """

    def __init__(
        self,
        inbox: Inbox,
        report: Callable[[Waiting], str],
        say: Callable[[str], None],
        audit: Audit,
        *,
        poller: Poller | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._inbox, self._report, self._say, self._audit, self._poller = inbox, report, say, audit, poller
        self.stop = stop or threading.Event()
        self._pauses: dict[str, float] = {}
        self._tries: Counter[str] = Counter()
        self._polled = False

    def run(self, *, every: float = TICK, once: bool = False) -> int:
        """Watch until stopped.

        Args:
            every: Seconds between two rounds without work.
            once: Whether to end when all that came was reported: with a node after the first study, else after the
                changes that the archive has.

        Returns:
            How many studies were left for a later start.

        Raises:
            ArchiveError: If the first answer shows that the archive is none that can be polled.
        """
        settled = troubled = 0
        while not self.stop.is_set():
            more, reachable = self._poll()
            for waiting in self._inbox.due():
                if self.stop.is_set():
                    break
                good = self._handle(waiting)
                settled, troubled = settled + good, troubled + (not good)
            if once and (troubled or not reachable):
                return max(1, troubled)
            came = self._poller is not None or settled > 0
            if once and came and not more and self._inbox.empty:
                return 0
            if not more:
                self.stop.wait(every if reachable else self._pause("archive"))
        return 0

    def _poll(self) -> tuple[bool, bool]:
        """One round with the archive: whether there is more at once, and whether it could be reached."""
        if self._poller is None:
            return False, True
        try:
            more = self._poller.poll(self.stop.is_set)
        except ArchiveError as error:
            if not self._polled:
                raise
            return self._trouble("archive", error)
        except (ArchiveAway, OSError) as error:
            return self._trouble("archive", error)
        self._polled = True
        self._pauses.pop("archive", None)
        return more, True

    def _handle(self, waiting: Waiting) -> bool:
        """Report one study; what cannot be finished now is tried again later, at growing intervals."""
        from medvlm.datamodules.readers.common import READ_ERRORS

        try:
            words = self._report(waiting)
        except (ArchiveAway, OSError) as error:
            return self._later(waiting, error)
        except (MedvlmError, *READ_ERRORS) as error:  # writers stumble over headers as readers do over pixels
            self._tries[waiting.study] += 1
            if self._tries[waiting.study] < PATIENCE:
                return self._later(waiting, error)
            words = f"given up after {PATIENCE} attempts ({type(error).__name__})"
            self._audit.note("given-up", study=waiting.study, code=type(error).__name__)
        self._pauses.pop(waiting.study, None)
        self._tries.pop(waiting.study, None)
        self._inbox.done(waiting)
        self._say(f"study {waiting.study} ({len(waiting.names)} instances): {words}")
        return True

    def _later(self, waiting: Waiting, error: Exception) -> bool:
        self._trouble(waiting.study, error)
        self._inbox.defer(waiting, self._pause(waiting.study))
        return False

    def _trouble(self, what: str, error: Exception) -> tuple[bool, bool]:
        """Say what went wrong: messages of ours name no patient, those of others may."""
        system = error.strerror if isinstance(error, OSError) else None
        words = str(error) if isinstance(error, MedvlmError) else system or type(error).__name__
        self._say(f"{what if what == 'archive' else f'study {what}'}: {' '.join(words.split())}; tried again later")
        self._audit.note("trouble", study="" if what == "archive" else what, code=type(error).__name__)
        return False, False

    def _pause(self, what: str) -> float:
        """Seconds until the next attempt; twice as many after each."""
        self._pauses[what] = min(_LATEST, 2 * self._pauses.get(what, _SOON / 2))
        return self._pauses[what]


def _words(summary: Summary, sent: Sent) -> str:
    if summary.done + summary.kept == 0:
        return f"{'failed' if summary.failed else 'skipped'}; studies.csv in its folder says why"
    words = "reported" if summary.done else "reported before"
    parts = [(sent.sent, "sent"), (sent.before, "sent before"), (sent.refused, "refused by the archive")]
    return "; ".join([words, *(f"{count} object(s) {what}" for count, what in parts if count)])
