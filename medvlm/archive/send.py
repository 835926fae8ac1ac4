"""Reports back into an archive: each object once, and what the archive said of it noted before the next is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medvlm.archive.audit import Audit
from medvlm.archive.destinations import Destination, Outcome
from medvlm.archive.ledger import Ledger
from medvlm.archive.web import ATTEMPTS, ArchiveAway

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True, slots=True)
class Sent:
    """How many objects were sent now, had been settled before, and were refused for good."""

    sent: int = 0
    before: int = 0
    refused: int = 0


class Sender:
    """Sends files, each object once.

    Args:
        target: Where to.
        ledger: What was sent.
        audit: Is told of refusals.
        wait: Lets seconds pass between attempts.
    """

    def __init__(
        self, target: Destination, ledger: Ledger, audit: Audit, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self.target, self._ledger, self._audit, self._wait = target, ledger, audit, wait

    def send(self, files: Sequence[Path]) -> Sent:
        """Send what was not sent yet.

        Args:
            files: DICOM files of ours.

        Raises:
            ArchiveAway: If the archive takes none now, after some attempts; those that it took are noted.
            OSError: If a file cannot be read, or the ledger not written.
        """
        from pydicom import dcmread

        objects = [dcmread(file) for file in files]
        open_ = [one for one in objects if not self._ledger.outcome(str(one.SOPInstanceUID), self.target.name)]
        counts = {"sent": 0, "refused": 0}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                for one in self._attempt(open_):
                    counts[one.outcome] += 1
                break
            except ArchiveAway:
                if attempt == ATTEMPTS:
                    raise
                self._wait(0.5 * 2**attempt)
        return Sent(counts["sent"], len(objects) - len(open_), counts["refused"])

    def _attempt(self, objects: Sequence[Dataset]) -> Iterator[Outcome]:
        left = [one for one in objects if not self._ledger.outcome(str(one.SOPInstanceUID), self.target.name)]
        for one in left:
            self._ledger.claim(str(one.SOPInstanceUID))
        for outcome in self.target.send(left) if left else ():
            self._ledger.note(outcome.uid, self.target.name, outcome.outcome, outcome.code)
            if outcome.outcome == "refused":
                self._audit.note("send-refused", code=outcome.code)
            yield outcome
