"""MEDEC's own files (arXiv 2412.19260; the task MEDIQA-CORR 2024): a run, its references, and its scores.

Read on the released test references and on the baseline run that the task gives beside its script.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping

from medvlm.evaluation.probes.verdicts import UNREAD, Scored, Verdict, score_verdicts
from medvlm.study import SampleError

_COLUMNS = ("Text ID", "Error Flag", "Error Sentence ID", "Error Sentence", "Corrected Sentence")


def read_run(text: str, *, name: str = "run") -> dict[str, Verdict]:
    """The verdicts of a run in the form of MEDIQA-CORR 2024, by text id.

    One line a text: its id, 1 or 0, the index of the wrong sentence or -1, the corrected sentence (quoted or not) or
    NA. What stands behind a flag of 0 does not count, as in the task's own script; unlike there, a line that cannot be
    read and a second line of an id are refused.

    Args:
        text: What the file holds.
        name: What it is called in an error.

    Raises:
        SampleError: If a line is none of these.

    Examples:
        >>> read_run('t-1 0 -1 NA')["t-1"].flag
        False
    """
    found: dict[str, Verdict] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = re.fullmatch(r"(\S+)\s+([01])\s+(-?\d+)\s+(.+)", line.strip())
        if match is None or match[1] in found:
            what = "is no line `ID 0|1 SENTENCE|-1 CORRECTION|NA`" if match is None else f"gives {match[1]!r} again"
            raise SampleError(f"{name}:{number} {what}: {line.strip()[:80]!r}; one line a text is expected")
        sentence, correction = (int(match[3]), match[4].strip().strip('"')) if match[2] == "1" else (-1, "")
        found[match[1]] = Verdict(match[2] == "1", sentence, "" if correction == "NA" else correction)
    return found


def read_references(text: str, *, name: str = "references") -> dict[str, tuple[Verdict, str]]:
    """The truth of each text and its wrong sentence, by text id.

    Args:
        text: What the released CSV holds.
        name: What it is called in an error.

    Raises:
        SampleError: If a column is absent, a flag or an index cannot be read, or an id occurs twice.
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    if missing := [column for column in _COLUMNS if column not in (rows.fieldnames or ())]:
        raise SampleError(f"{name}: no column {', '.join(missing)}; expected MEDEC's CSV with ground truth")
    found: dict[str, tuple[Verdict, str]] = {}
    for row in rows:
        key, flag, place, wrong, right = (str(row[column] or "").strip() for column in _COLUMNS)
        if flag not in ("0", "1") or not re.fullmatch(r"-?\d+", place) or key in found:
            raise SampleError(
                f"{name}: text {key!r} has flag {flag!r} and sentence {place!r}; expected 0 or 1, an index or -1, and "
                "each id once"
            )
        found[key] = (Verdict(True, int(place), right), wrong) if flag == "1" else (Verdict(False), "")
    return found


def score_run(run: Mapping[str, Verdict], references: Mapping[str, tuple[Verdict, str]]) -> tuple[Scored, ...]:
    """Detection, extraction and correction of a run; a text without a line counts as wrong, as in the task's script.

    Its ROUGE, BERTScore and BLEURT composites are not computed: corrections are compared exactly, and by findings.

    Args:
        run: What `read_run` gave.
        references: What `read_references` gave.

    Raises:
        SampleError: If the run has texts that the references have not, or those have none.
    """
    if unknown := sorted(run.keys() - references.keys()):
        raise SampleError(
            f"{len(unknown)} texts of the run have no reference, first {unknown[0]!r}; is it another split?"
        )
    if not references:
        raise SampleError("the references have no text; download the CSV with ground truth again")
    truths = [truth for truth, _ in references.values()]
    given = [run.get(key, UNREAD) for key in references]
    return score_verdicts(truths, given, list(references), wrong=[wrong for _, wrong in references.values()])
