"""Scores of what a language model says of two reports: GREEN, CRIMSON, and the steps of RadRScore.

The model runs elsewhere; here its text or JSON is read and counted. What cannot be read is a failure: it counts 0, and
their number stands in the name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medvlm.evaluation.metrics import Metric
from medvlm.evaluation.steps import StepScores

_HEADING = re.compile(
    r"^\W*(clinically significant errors|clinically insignificant errors|matched findings)\W*?:", re.I | re.M
)
_KIND = re.compile(r"^\W{0,3}\(([a-f])\)(.*)$", re.I | re.M)
_NUMBER = re.compile(r"^\s*(\d+)\b")
_NONE = re.compile(r"^\W*(?:none|no\b.*|n/?a|zero)?\W*$", re.I | re.S)
_WEIGHTS = {"urgent": 1.0, "actionable_not_urgent": 0.5, "not_actionable_not_urgent": 0.25, "benign_expected": 0.0}
_ATTRIBUTES = {"significant": 0.5, "negligible": 0.0}


@dataclass(frozen=True, slots=True)
class Green:
    """What GREEN's model counted.

    Attributes:
        matched: Findings that both reports state.
        significant: Clinically significant errors by kind, ``a`` to ``f``.
    """

    matched: int
    significant: Mapping[str, int]

    @property
    def score(self) -> float:
        """Matched findings over these and the significant errors; 0 where nothing matched."""
        return self.matched / (self.matched + sum(self.significant.values())) if self.matched else 0.0


def read_green(text: str) -> Green | None:
    """Read the answer of GREEN's model (Ostmeier et al. 2024); None where a part or a number is not there.

    A number counts with and without the dot that follows it: the published parser takes "2 effusion" for no error.

    Args:
        text: With the headings Clinically Significant Errors and Matched Findings.
    """
    found = list(_HEADING.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)] * bool(found)
    parts = {match[1].lower(): text[match.end() : end] for match, end in zip(found, ends, strict=True)}
    if not {"clinically significant errors", "matched findings"} <= parts.keys():
        return None
    errors: dict[str, int] = {}
    for match in _KIND.finditer(parts["clinically significant errors"]):
        number = _count(match[2].partition(":")[2])
        if number is None:
            return None
        errors[match[1].lower()] = number
    matched = _count(parts["matched findings"])
    return None if matched is None or not errors else Green(matched, errors)


def _count(text: str) -> int | None:
    if number := _NUMBER.match(text):
        return int(number[1])
    return 0 if _NONE.match(text) else None


def green_scores(texts: Sequence[str]) -> list[Metric]:
    """Mean GREEN over the answers of its model, and the share that could not be read.

    Args:
        texts: One answer a pair of reports.

    Raises:
        ValueError: If there is none.
    """
    _some(texts)
    found = [read_green(text) for text in texts]
    value = sum(one.score if one else 0.0 for one in found) / len(found)
    failed = found.count(None)
    return [Metric(f"green[mean over reports|{failed} unread count 0]", value, len(found))]


def crimson(evaluation: Mapping[str, Any]) -> float:
    """CRIMSON of one pair of reports, above -1 and at most 1.

    A reference finding that is matched earns its weight w (urgent 1, actionable 0.5, else 0.25, benign 0), times
    w / (w + weights of its attribute errors, 0.5 each significant one); findings that are false cost theirs. The rest
    over the sum of reference weights is the score; below zero it is -x / (1 + x) of the excess x.

    Args:
        evaluation: The judge's: ``reference_findings`` and ``predicted_findings`` (``id``, ``clinical_significance``),
            ``matched_findings`` (``ref_id``), ``errors`` (``false_findings``, ``missing_findings``: ids;
            ``attribute_errors``: ``ref_id``, ``severity``).

    Raises:
        ValueError: If a field is missing, or an id or a word is unknown.

    Examples:
        >>> crimson({"reference_findings": [{"id": "R1", "clinical_significance": "urgent"}], "predicted_findings": [],
        ...          "matched_findings": [{"ref_id": "R1"}], "errors": {}})
        1.0
    """
    try:
        return _crimson(evaluation)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no evaluation by CRIMSON: {error!r} is missing or unknown") from error


def _crimson(evaluation: Mapping[str, Any]) -> float:
    wanted, given = (
        {item["id"]: _WEIGHTS[item["clinical_significance"]] for item in evaluation[f"{side}_findings"]}
        for side in ("reference", "predicted")
    )
    errors = evaluation["errors"]
    costs: defaultdict[str, float] = defaultdict(float)
    for item in errors.get("attribute_errors", []):
        costs[item["ref_id"]] += _ATTRIBUTES[item["severity"]]
    matched = {item["ref_id"] for item in evaluation["matched_findings"]}
    correct = sum(wanted[name] ** 2 / (wanted[name] + costs[name]) for name in matched if wanted[name])
    false = sum(given[name] for name in errors.get("false_findings", []))
    missing = sum(wanted[name] for name in errors.get("missing_findings", []))
    total = sum(wanted.values())
    if not total:
        return 1.0 if not false and not missing else -false / (1 + false)
    excess = false - correct
    return (correct - false) / total if excess <= 0 else -excess / (1 + excess)


def crimson_scores(evaluations: Sequence[Mapping[str, Any] | None]) -> list[Metric]:
    """Mean CRIMSON; an evaluation that failed (None) counts 0 and is counted, where the package drops it.

    Args:
        evaluations: One a pair of reports.

    Raises:
        ValueError: If there is none, or one is no evaluation.
    """
    _some(evaluations)
    value = sum(crimson(one) if one is not None else 0.0 for one in evaluations) / len(evaluations)
    failed = sum(one is None for one in evaluations)
    return [Metric(f"crimson[mean over reports|{failed} failed count 0|-1 to 1]", value, len(evaluations))]


def radrscore(steps: Sequence[StepScores | None], *, judge: str = "rule_chexpert") -> list[Metric]:
    """RadRScore over samples: factuality, completeness, effectiveness, and their mean; a failed sample counts 0.

    Args:
        steps: Of each sample what `medvlm.evaluation.steps.step_scores` gives, or another judge; None where it failed.
        judge: Who compared.

    Raises:
        ValueError: If there is none.
    """
    _some(steps)
    about = f"{judge}|mean over samples|{sum(one is None for one in steps)} failed count 0"
    values = [(one.factuality, one.completeness, one.effectiveness, one.mean) if one else (0.0,) * 4 for one in steps]
    names = ("factuality", "completeness", "effectiveness", "mean")
    return [
        Metric(f"radrscore_{name}[{about}]", sum(column) / len(steps), len(steps))
        for name, column in zip(names, zip(*values, strict=True), strict=True)
    ]


def _some(items: Sequence[Any]) -> None:
    if not items:
        raise ValueError("nothing to score; give what the judge said of at least one pair of reports")
