r"""Sections of free-text radiology reports: which part is indication, comparison, findings, impression.

Two ways to read one report:

``official``
    What the parser that MIMIC-CXR's maintainers published finds, so that lists made with it (2,347 test reports with
    findings) come out the same. A heading is capitals, spaces and ``()/,-`` up to a colon, after a line break and one
    space; after a heading the rest of its line holds no other. Every heading ends a section; its name is looked up in
    a table of the forms that occur, then by the word that it holds, then by the view that it names ("PORTABLE CHEST"
    holds findings). Empty findings and impressions are none. Without either, the paragraphs after the first one of
    the last section are ``last_paragraph``.

``lenient``
    For reports of any hospital: a heading also stands at the start of a line with any indent and in any case if its
    name is known, right below another one too; ``FINAL REPORT``, ``WET READ`` rules of underscores and the
    electronic signature are no text; "FINDINGS AND IMPRESSION" serves as either where it is the only one.

Where a name occurs twice (an addendum before the report), the last one that holds text counts, in both ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Rule = Literal["official", "lenient"]

OFFICIAL = re.compile(r"\n ([A-Z ()/,-]+):\s")
LENIENT = re.compile(r"^[ \t]*([A-Za-z][A-Za-z ()/,&.-]{1,60}?)[ \t]*:(?=\s|$)", re.MULTILINE)
FINAL = re.compile(r"^[ \t]*FINAL (REPORT|ADDENDUM)[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)
RULES = re.compile(r"^[ \t]*_{5,}[ \t]*$", re.MULTILINE)
PARAGRAPH = "\n \n"
MAIN = ("impression", "findings", "history", "comparison", "addendum")
COMBINED = "findings and impression"
# Forms of headings that occur in MIMIC-CXR beside the name itself, and what they stand for.
FORMS = {
    "impression": (
        "conclusion findings-and-impression findings/impression findings/-impression ndication impresson imprression"
        " imoression impressoin imprssion impresion imperssion mpression impession"
    ),
    "findings": "finding findins findindgs findgings findngs findnings finidngs reference-findings chest,-two-views",
    "indication": "reason-for-examination reason-for-exam clinical-indication idication",
    "history": "clinical-history clinical-information patient-history pfi",
    "comparison": (
        "comparisons reference-exam comparison-exam comparison-film comparision comparsion comparrison comparisions"
    ),
    "examination": "exam type-of-examination",
    "recommendations": "recommendation(s) recommendation",
    "technique": "",
    "notification": "",
    "addendum": "",
    "date": "",
    "comment": "",
    "wet read": "wetread",
}
NAMES = {name: name for name in FORMS} | {
    form.replace("-", " "): name for name, forms in FORMS.items() for form in forms.split()
}
VIEWS = re.compile(
    "chest|portable|pa and lat|ap and lateral|lateral and (pa|ap)|frontal and|two views|one view"
    "|(frontal|pa|ap|lateral) view|bone window|frontal (semi-)?upright|ribs"
)
# Lenient only: what other hospitals write above the same things.
MORE_NAMES = {
    "history of present illness": "history",
    "hx": "history",
    "procedure": "examination",
    "study": "examination",
    "exam type": "examination",
    "opinion": "impression",
    "summary": "impression",
    "interpretation": "findings",
    "report": "findings",
    "prior": "comparison",
    "compared to": "comparison",
    "electronically signed by": "signature",
    "signed by": "signature",
    "dictated by": "signature",
}


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a report.

    Attributes:
        name: What it is: ``findings``, ``impression``, ``indication``, ..., ``preamble`` before the first heading,
            ``full report`` where there is none, ``last_paragraph``; else its heading in lower case.
        text: What it says, as written.
    """

    name: str
    text: str


def read_sections(report: str, rule: Rule = "official") -> tuple[Section, ...]:
    r"""Cut a report into its sections, in their order.

    Args:
        report: The whole text.
        rule: ``official`` or ``lenient``.

    Raises:
        ValueError: If the rule is neither.

    Examples:
        >>> [part.name for part in read_sections("FINAL REPORT\n HISTORY: Cough.\n \n FINDINGS: Clear.")]
        ['preamble', 'history', 'findings']
    """
    if rule not in ("official", "lenient"):
        raise ValueError(f"rule={rule!r}: expected 'official' (as published lists are made) or 'lenient'")
    official = rule == "official"
    parts = list(_official(report) if official else _lenient(report.replace("\r\n", "\n")))
    named = [part for part in parts if part.name not in ("findings", "impression") or part.text.strip()]
    if not official:
        return tuple(part for part in named if part.text.strip() and part.name != "signature")
    if {part.name for part in named}.isdisjoint(("findings", "impression")) and PARAGRAPH in named[-1].text:
        first, _, rest = named[-1].text.partition(PARAGRAPH)
        named[-1:] = [Section(named[-1].name, first), Section("last_paragraph", rest)]
    return tuple(named)


def section_texts(report: str, rule: Rule = "official") -> dict[str, str]:
    r"""Return the text of each section by its name, on one line, the last one of a name that holds text.

    Args:
        report: The whole text.
        rule: ``official`` or ``lenient``.

    Examples:
        >>> section_texts("x\n IMPRESSION: Old.\n \n IMPRESSION:  No\n pneumonia.")["impression"]
        'No pneumonia.'
    """
    texts = {part.name: " ".join(part.text.split()) for part in read_sections(report, rule) if part.text.strip()}
    if rule == "lenient" and COMBINED in texts and not {"findings", "impression"} <= texts.keys():
        for name in ("findings", "impression"):
            texts.setdefault(name, texts[COMBINED])
    return texts


def join_sections(texts: dict[str, str], wanted: Sequence[str]) -> str:
    r"""Write the wanted sections as one answer: one alone as it is, several each after its heading.

    Args:
        texts: Texts by section.
        wanted: Names of sections, in the order wanted; those that the report lacks are left out.

    Examples:
        >>> join_sections({"findings": "Clear.", "impression": "Normal."}, ("findings", "impression"))
        'FINDINGS: Clear.\nIMPRESSION: Normal.'
    """
    if len(wanted) == 1:
        return texts.get(wanted[0], "")
    found = dict.fromkeys(name for name in wanted if texts.get(name))
    if len(found) > 1 and len({texts[name] for name in found}) == 1:  # one text under a combined heading
        return f"{COMBINED.upper()}: {texts[next(iter(found))]}"
    return "\n".join(f"{heading(name)}: {texts[name]}" for name in found)


def heading(name: str) -> str:
    """Write the name of a section as reports do.

    Examples:
        >>> heading("clinical_history")
        'CLINICAL HISTORY'
    """
    return name.upper().replace("_", " ")


def _official(report: str) -> Iterator[Section]:
    """Cut at the headings of the published parser."""
    found = list(_official_headings(report))
    if not found:
        yield Section("full report", report)
        return
    yield Section("preamble", report[: found[0].start(1)])
    ends = [match.start() for match in found[1:]] + [len(report)]
    for match, end in zip(found, ends, strict=True):
        yield Section(official_name(match[1]), report[match.end() : end])


def _official_headings(report: str) -> Iterator[re.Match[str]]:
    """Find headings; what is left of the line after one is passed over, also where the heading took the line break."""
    found = OFFICIAL.search(report)
    while found:
        yield found
        found = OFFICIAL.search(report, max(report.find("\n", found.end()), found.end()))


def official_name(text: str) -> str:
    """Return what a heading stands for in the published parser.

    Examples:
        >>> official_name("PORTABLE AP CHEST"), official_name("FINDINGS AND IMPRESSION"), official_name("PFI")
        ('findings', 'impression', 'history')
    """
    name = text.lower().strip()
    if name in NAMES:
        return NAMES[name]
    for main in MAIN:
        if main in name:
            return main
    return "findings" if VIEWS.search(name) else name


def _lenient(report: str) -> Iterator[Section]:
    """Cut at every heading whose name is known, in any case, or that is written in capitals."""
    text = FINAL.sub(lambda found: "" if found[1].upper() == "REPORT" else f"ADDENDUM: {found[2]}", report)
    text = RULES.sub("", text)
    found = [match for match in LENIENT.finditer(text) if _is_heading(match[1])]
    if not found:
        yield Section("full report", text)
        return
    yield Section("preamble", text[: found[0].start()])
    ends = [match.start() for match in found[1:]] + [len(text)]
    for match, end in zip(found, ends, strict=True):
        yield Section(_lenient_name(match[1]), text[match.end() : end])


def _is_heading(text: str) -> bool:
    """Say whether what stands before a colon names a section: capitals do, other words only if they are known."""
    name = _plain(text)
    return text.isupper() or name in NAMES or name in MORE_NAMES or name == COMBINED


def _lenient_name(text: str) -> str:
    """Return what a heading stands for; findings and impression in one stay a section of their own."""
    name = _plain(text)
    if "finding" in name and ("impression" in name or "conclusion" in name):
        return COMBINED
    return MORE_NAMES.get(name) or official_name(name)


def _plain(text: str) -> str:
    """Write a heading in lower case with single spaces and ``and`` for ``&``."""
    return " ".join(text.lower().replace("&", " and ").split())
