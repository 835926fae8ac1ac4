"""Which studies were being read when a run died, so that one that kills the process cannot stop all others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from medvlm.files import write_whole


class Journal:
    """Notes the studies in hand; those that a dead run left noted are suspected.

    Args:
        folder: Of the reports.
        part: Name of the part of the studies that this run does; empty for all.
    """

    def __init__(self, folder: Path, part: str = "") -> None:
        self.path = folder / f".reading{part}.json"
        self.deaths: Counter[str] = Counter(_read(self.path))
        self._hand: set[str] = set()

    def take(self, studies: Iterable[str]) -> None:
        """Note studies before anything of them is decoded.

        Args:
            studies: Their ids.
        """
        self._hand.update(studies)
        self._write()

    def release(self, studies: Iterable[str]) -> None:
        """Strike studies whose outcome is known.

        Args:
            studies: Their ids.
        """
        for study in studies:
            self._hand.discard(study)
            self.deaths.pop(study, None)

    def died(self, studies: Iterable[str]) -> None:
        """Note that a process died with these in hand.

        Args:
            studies: Their ids.
        """
        for study in studies:
            self._hand.discard(study)
            self.deaths[study] += 1
        self._write()

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
