"""What a report of a study is: sections, sentences, findings, the images it stands on, and where it comes from.

Writers turn it into JSON, HTML, DICOM SR, FHIR and more; it holds no name, date of birth, number or path of a patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from medvlm.study import SampleError

SCHEMA = "medvlm.report/2"
STATUS = "preliminary, unverified"
SECTIONS = ("technique", "comparison", "findings", "impression")

Presence = Literal["present", "absent", "uncertain", "unread"]
Side = Literal["left", "right", "bilateral", ""]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a section.

    Attributes:
        section: One of `SECTIONS`.
        text: Its words.
        confidence: Geometric mean probability of its tokens, 0 to 1, not calibrated; None where it was not generated.
    """

    section: str
    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding as a structured item.

    Attributes:
        name: In the words that were asked (``effusion``).
        presence: What the model says of it; ``unread`` where its answer could not be read.
        certainty: Probability of that answer, 0 to 1, not calibrated.
        side: Side of the patient, not of the picture; empty where none is said.
        size: In words (``small``); empty where none is said.
        size_mm: Largest extent in millimetres; None where it was not measured.
        box: ``(x0, y0, x1, y1)`` as shares of the width and height of the key image; None without one.
        sentence: Index of the sentence that says it; None where none does.
        agrees: Whether text and question say the same; None where only one of them speaks.
        question: What was asked.
        answer: What the model wrote.
    """

    name: str
    presence: Presence
    certainty: float
    side: Side = ""
    size: str = ""
    size_mm: float | None = None
    box: tuple[float, float, float, float] | None = None
    sentence: int | None = None
    agrees: bool | None = None
    question: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """A file that was shown: its SOP class (0008,0016) and instance UID (0008,0018)."""

    sop_class: str
    uid: str


@dataclass(frozen=True, slots=True)
class Used:
    """The image or volume that was shown.

    Attributes:
        what: In words (``DX AP``, ``CT series 2, 40 slices``).
        role: ``current`` or ``prior``.
        modality: DICOM modality (0008,0060).
        study_uid: StudyInstanceUID (0020,000D); empty where the file has none.
        series_uid: SeriesInstanceUID (0020,000E).
        instances: Exactly the files whose pixels were shown, in the order of the slices.
        key: Index of the instance that pictures and boxes refer to.
        recipe: Intensity recipe that made numbers of it.
        source: Hash of what was read.
    """

    what: str
    role: Literal["current", "prior"] = "current"
    modality: str = "OT"
    study_uid: str = ""
    series_uid: str = ""
    instances: tuple[Instance, ...] = ()
    key: int = 0
    recipe: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An image of the study that was not shown, and why."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a report comes from (MI-CLEAR-LLM, TRIPOD-LLM and CLAIM ask for these).

    Attributes:
        model: Name of the model.
        weights: First 12 hex digits of the SHA-256 of its weights.
        prompt: Hash of the prompt texts.
        decoding: Temperature, most tokens, seed, reasoning.
        version: Of medvlm.
        notes: Repairs and assumptions made while reading.
        warnings: What every reader must know.
    """

    model: str
    weights: str
    prompt: str
    decoding: Mapping[str, Any]
    version: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyReport:
    """The report of one study.

    Attributes:
        study: The study's id: 16 hex digits, no patient's number.
        run: Key of all that the text depends on besides the study: weights, prompts, recipes, settings.
        stamp: Changes when the study's files do.
        created: When the run began, in ISO 8601 with its zone.
        sections: Text by `SECTIONS`; a section without text is left out.
        sentences: The same, sentence by sentence.
        findings: As structured items.
        images: What was shown; the current study first.
        skipped: What was not shown.
        origin: Model, prompts, decoding.
        abstained: Why there is no report; empty where there is one.
        complete: Whether the model ended by itself.
        confidence: Geometric mean probability of the report's tokens.
        status: Always preliminary and unverified.
        disclaimer: Always there.
    """

    study: str
    run: str
    stamp: str
    created: str
    sections: Mapping[str, str]
    sentences: tuple[Sentence, ...]
    findings: tuple[Finding, ...]
    images: tuple[Used, ...]
    origin: Origin
    skipped: tuple[Skipped, ...] = ()
    abstained: str = ""
    complete: bool = True
    confidence: float = 0.0
    disclaimer: str = ""
    status: str = field(default=STATUS, init=False)

    @property
    def current(self) -> Used:
        """The image that is reported."""
        return self.images[0]

    @property
    def priors(self) -> tuple[Used, ...]:
        """What it was compared with."""
        return tuple(image for image in self.images if image.role == "prior")

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values, its schema first."""
        return {"schema": SCHEMA, **asdict(self)}


def report_from_json(values: Mapping[str, Any]) -> StudyReport:
    """A report of its JSON values.

    Args:
        values: What `StudyReport.to_json` gave.

    Raises:
        SampleError: If it is of another schema, or damaged.
    """
    if values.get("schema") != SCHEMA:
        raise SampleError(f"a report of schema {values.get('schema')!r}, expected {SCHEMA!r}: report the study again")
    own = {item.name for item in fields(StudyReport) if item.init}
    try:
        given = {name: value for name, value in values.items() if name in own}
        return StudyReport(
            **given
            | {
                "sentences": tuple(Sentence(**one) for one in values["sentences"]),
                "findings": tuple(_finding(one) for one in values["findings"]),
                "images": tuple(_used(one) for one in values["images"]),
                "skipped": tuple(Skipped(**one) for one in values["skipped"]),
                "origin": _origin(values["origin"]),
            }
        )
    except (KeyError, TypeError) as error:
        raise SampleError(f"a damaged report ({type(error).__name__}: {error}): report the study again") from None


def _finding(values: Mapping[str, Any]) -> Finding:
    box = values.get("box")
    return Finding(**{**values, "box": tuple(box) if box is not None else None})


def _used(values: Mapping[str, Any]) -> Used:
    return Used(**{**values, "instances": tuple(Instance(**one) for one in values["instances"])})


def _origin(values: Mapping[str, Any]) -> Origin:
    return Origin(**{**values, "notes": tuple(values["notes"]), "warnings": tuple(values["warnings"])})
