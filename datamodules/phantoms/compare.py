"""Questions about two studies of one patient: the prior is shown first, the follow-up second.

PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medvlm.study import ImageRef, Sample

from .report import NOUNS, SYNONYMS

CHANGES = ("increased", "decreased", "unchanged", "resolved", "new")
"""What can have happened to a finding between two studies."""


def mine_change(report: str, kind: str) -> str:
    """The change word of the sentence that names a finding; ``unchanged`` where the report has none.

    Args:
        report: Text of the follow-up's report.
        kind: Kind of finding.

    Examples:
        >>> mine_change("FINDINGS: The left pleural effusion has resolved. IMPRESSION: Normal.", "effusion")
        'resolved'
    """
    for sentence in report.lower().split("."):
        if NOUNS[kind] in sentence or SYNONYMS[kind] in sentence:
            found = [word for word in CHANGES if word in sentence]
            if found:
                return found[0]
    return "unchanged"


def comparison(record: Mapping[str, Any], images: Sequence[ImageRef], split: str, *, exact: bool) -> Sample | None:
    """Ask how one finding of a follow-up changed, or return None where neither study has a finding.

    Args:
        record: The follow-up's line of the manifest.
        images: Prior and follow-up.
        split: Split of the patient.
        exact: Whether ``weak_answer`` is the truth rather than mined.
    """
    changed = [*record["findings"], *record["resolved"]]
    if not changed:
        return None
    rng = np.random.default_rng([record["seed"], record["index"], record["number"], 6])
    finding = changed[int(rng.integers(len(changed)))]
    answer, kind = str(finding["change"]), str(finding["kind"])
    mined = answer if exact else mine_change(record["report"], kind)
    others = [word for word in CHANGES if word not in (answer, mined)]
    options = [*dict.fromkeys((answer, mined)), *rng.permutation(others)][:4]
    return Sample(
        id=f"{record['patient']}/{record['study']}/comparison",
        images=tuple(images),
        question=f"How has the {kind} changed?",
        answer=answer,
        kind="choice",
        options=tuple(str(options[place]) for place in rng.permutation(4)),
        group=record["patient"],
        split=split,
        categories={"task": "comparison", "template": "comparison", "pool": record["pool"], "organ": "CHEST"},
        rationale=f"{kind} {answer}",
        weak_answer=mined,
        extra={"weak_rationale": f"{kind} {mined}", "finding": kind},
    )
