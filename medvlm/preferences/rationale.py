"""A rationale that follows its report into error: a chain that contradicts its report is told apart too easily."""

from __future__ import annotations

from medvlm.preferences.corrupt import FINDINGS, SIDE, SIZE, Corruption, clauses, opposite, resized, stated


def follow(rationale: str, how: Corruption, report: str, wrong: str) -> str:
    """The rationale with the error that was put into the report.

    Args:
        rationale: What goes before the report; left as it is where it does not name the finding.
        how: The corruption.
        report: The report as it was.
        wrong: The report with the error.

    Examples:
        >>> follow("effusion left; no nodule", "side", "Left effusion.", "Right effusion.")
        'effusion right; no nodule'
        >>> follow("effusion left; no nodule", "denied", "Left effusion.", "No effusion.")
        'no effusion; no nodule'
        >>> follow("effusion left; no nodule", "added", "Left effusion.", "Small right nodule. Left effusion.")
        'effusion left; nodule right small'
    """
    if not rationale or how == "other":
        return rationale
    labels = _changed(how, report, wrong)
    found = "".join(_clause(part, how, labels, wrong) for part in clauses(rationale))
    return found if how != "added" or labels <= stated(found) else f"{found.rstrip('.;')}; {_named(labels, wrong)}"


def _changed(how: Corruption, report: str, wrong: str) -> set[str]:
    """Findings in which two reports differ."""
    if how in ("added", "denied"):
        return stated(report) ^ stated(wrong)
    pairs = zip(clauses(report), clauses(wrong), strict=True)
    return {label for before, after in pairs if before != after for label in stated(before)}


def _clause(part: str, how: Corruption, labels: set[str], wrong: str) -> str:
    """A clause of the rationale, made wrong if it names one of the findings."""
    if how == "added":
        return _affirmed(part, wrong) if stated(part, "absent") & labels else part
    if not stated(part) & labels:
        return part
    if how == "side":
        return SIDE.sub(opposite, part)
    if how == "size":
        return SIZE.sub(resized, part)
    lead, end = part[: len(part) - len(part.lstrip())], part[-1] if part[-1] in ".;" else ""
    noun = _noun(part, next(iter(stated(part) & labels)))
    return f"{lead}no {noun}{end}"


def _affirmed(part: str, wrong: str) -> str:
    """A denial of one finding as a statement, with the words of side, zone and size that the report has."""
    label = next(iter(stated(part, "absent")))
    if len(stated(part, "absent")) > 1 or label not in FINDINGS:
        return part
    lead, end = part[: len(part) - len(part.lstrip())], part[-1] if part[-1] in ".;" else ""
    return f"{lead}{_noun(part, label)}{_attributes(label, wrong)}{end}"


def _named(labels: set[str], wrong: str) -> str:
    return "; ".join(f"{FINDINGS[label].noun}{_attributes(label, wrong)}" for label in sorted(labels))


def _attributes(label: str, wrong: str) -> str:
    """Side, zone and size of a finding in a report, each after a blank."""
    said = next(part for part in clauses(wrong) if label in stated(part)).lower()
    words = [match[0] for match in (SIDE.search(said),) if match]
    words += [zone for zone in ("upper", "lower") if zone in said]
    size = next(
        (
            word
            for word, sizes in (("small", ("small", "mild")), ("large", ("large", "severe")))
            if any(name in said for name in sizes)
        ),
        "",
    )
    return "".join(f" {word}" for word in filter(None, [*words, size]))


def _noun(part: str, label: str) -> str:
    """The finding as the rationale calls it."""
    noun = FINDINGS[label].noun if label in FINDINGS else label.lower()
    return noun if noun in part.lower() else noun.split()[-1]
