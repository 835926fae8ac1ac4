"""A report as DICOM Basic Text SR (PS3.3 A.35.1, TID 2000 in its simplest form): what every archive can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medvlm.reporting.report import SECTIONS, StudyReport
from medvlm.reporting.uids import make_uid
from medvlm.reporting.writers import packages
from medvlm.reporting.writers.codes import HEADINGS, concept
from medvlm.reporting.writers.dicom import MANUFACTURER, WARNING, finish, identity, lines_of

if TYPE_CHECKING:
    from medvlm.reporting.writers import Material

BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
_TITLE = ("18748-4", "LN", "Diagnostic imaging report")
_LONGEST = 60_000


def write_text_sr(report: StudyReport, material: Material) -> bytes:
    """The report as Basic Text SR: preliminary (0040,A496), unverified (0040,A493), in UTF-8.

    Args:
        report: The report.
        material: Headers of the files that were shown; they say which patient and study it belongs to.

    Raises:
        ImportError: If highdicom is not installed.
    """
    highdicom = packages.highdicom()
    root = _tree(report, highdicom.sr)
    made = highdicom.sr.EnhancedSR(
        evidence=list(material.headers),
        content=root,
        is_complete=report.complete and not report.abstained,
        is_final=False,
        is_verified=False,
        **identity(report, "sr"),
    )
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = BASIC_TEXT_SR
    return finish(made, report, "report")


def _tree(report: StudyReport, sr: Any) -> Any:
    """The tree of content items."""
    contains = sr.RelationshipTypeValues.CONTAINS
    root = sr.ContainerContentItem(name=concept(_TITLE), template_id="2000")
    items = [*_context(report, sr), _text(sr, ("121106", "DCM", "Comment"), WARNING)]
    if report.abstained:
        items.append(_text(sr, ("121106", "DCM", "Comment"), f"No report was made: {report.abstained}"))
    for name in SECTIONS:
        if text := report.sections.get(name):
            heading, element = HEADINGS[name]
            section = sr.ContainerContentItem(name=concept(heading), relationship_type=contains)
            section.ContentSequence = sr.ContentSequence([_text(sr, element, text)])
            items.append(section)
    items += _key_image(report, sr)
    items.append(_text(sr, ("111001", "DCM", "Algorithm Name"), report.origin.model))
    items.append(_text(sr, ("111003", "DCM", "Algorithm Version"), f"medvlm {report.origin.version}"))
    items += [_text(sr, ("111002", "DCM", "Algorithm Parameters"), line) for line in lines_of(report)]
    root.ContentSequence = sr.ContentSequence(items)
    return root


def _text(sr: Any, name: tuple[str, str, str], text: str) -> Any:
    """A text; what is beyond the longest that readers are known to take is left out, and said."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} [cut: {len(text)} characters]"
    return sr.TextContentItem(name=concept(name), value=cut, relationship_type=sr.RelationshipTypeValues.CONTAINS)


def _context(report: StudyReport, sr: Any) -> list[Any]:
    """In which language (TID 1204) and who observed: a device (TID 1004), named by its weights."""
    context = sr.RelationshipTypeValues.HAS_OBS_CONTEXT
    device = make_uid(report.origin.model, report.origin.weights)
    return [
        sr.CodeContentItem(
            name=concept(("121049", "DCM", "Language of Content Item and Descendants")),
            value=concept(("en", "RFC5646", "English")),
            relationship_type=sr.RelationshipTypeValues.HAS_CONCEPT_MOD,
        ),
        sr.CodeContentItem(
            name=concept(("121005", "DCM", "Observer Type")),
            value=concept(("121007", "DCM", "Device")),
            relationship_type=context,
        ),
        sr.UIDRefContentItem(
            name=concept(("121012", "DCM", "Device Observer UID")), value=device, relationship_type=context
        ),
        *(
            sr.TextContentItem(name=concept(code), value=value, relationship_type=context)
            for code, value in (
                (("121013", "DCM", "Device Observer Name"), report.origin.model),
                (("121014", "DCM", "Device Observer Manufacturer"), MANUFACTURER),
            )
        ),
    ]


def _key_image(report: StudyReport, sr: Any) -> list[Any]:
    """The image that pictures and boxes refer to."""
    used = report.current
    if not used.instances:
        return []
    key = used.instances[min(used.key, len(used.instances) - 1)]
    section = sr.ContainerContentItem(
        name=concept(("121180", "DCM", "Key Images")), relationship_type=sr.RelationshipTypeValues.CONTAINS
    )
    image = sr.ImageContentItem(
        name=concept(("121080", "DCM", "Best illustration of finding")),
        referenced_sop_class_uid=key.sop_class,
        referenced_sop_instance_uid=key.uid,
        relationship_type=sr.RelationshipTypeValues.CONTAINS,
    )
    section.ContentSequence = sr.ContentSequence([image])
    return [section]
