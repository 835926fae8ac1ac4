"""Which studies were being read when a run died, so that one that kills the process cannot stop all others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from medvlm.files import write_whole

PATIENCE = 3
"""After so many deaths of the process with it in hand, a study is given up."""


class Journal:
    """Notes the studies in hand; those that a dead run left noted are suspected.

    Args:
        folder: Of the reports.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".reading.json"
        self.deaths: Counter[str] = Counter(_read(self.path))
        self._hand: set[str] = set()

    def take(self, study: str) -> None:
        """Note a study before anything of it is decoded.

        Args:
            study: Its id.
        """
        self._hand.add(study)
        self._write()

    def release(self, study: str) -> None:
        """Strike a study whose outcome is known.

        Args:
            study: Its id.
        """
        self._hand.discard(study)
        self.deaths.pop(study, None)

    def close(self) -> None:
        """End in order: nothing is in hand; suspects that were not reached stay suspects."""
        self._hand.clear()
        if self.deaths:
            self._write()
        else:
            self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        write_whole(self.path, json.dumps({"hand": sorted(self._hand), "deaths": self.deaths}))


def _read(path: Path) -> Mapping[str, int]:
    """Deaths so far: those known before, and one more for each study that was in hand."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        return Counter(noted["deaths"]) + Counter(noted["hand"])
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError):  # edited by hand: nobody is suspected
        return {}
