"""MIMIC-CXR and MIMIC-CXR-JPG (Johnson et al. 2019): 227,835 chest X-ray studies with reports; credentialed.

Layout: see ``mimic_files``. The DICOM release has no split and view tables and the JPG release no reports: give the
other one's as ``tables`` (folder) and ``reports`` (zip or folder), or put them beside.

A sample is a study: its images in the order PA, AP, LATERAL, others, its report cut by ``sections``. Published test
results are on 2,347 reports: the official test studies whose findings the official section rule finds, which is what
``split="test"`` without options gives. ``ask="list"`` and ``"closed"`` ask for the CheXpert labels instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medvlm.study import AnswerKind, ImageRef, Sample

from .cards import SetCard
from .labels import LIST_QUESTION, closed_questions, list_answer
from .mimic_files import (
    Reports,
    Study,
    find_reports,
    find_table,
    order_views,
    read_states,
    read_studies,
    read_views,
)
from .records import SPLITS, Absent, LoadReport, UnusableRecordError, check_options, collect, inside, one_of
from .sections import Rule, section_texts
from .writing import Writing

Ask = Literal["report", "list", "closed"]
TEST_REPORTS = 2347
KINDS: dict[Ask, AnswerKind] = {"report": "report", "list": "open", "closed": "closed"}


@dataclass(frozen=True)
class _Reading:
    """How studies become samples."""

    files: Path
    suffix: str
    writing: Writing
    rule: Rule
    ask: Ask
    reports: Reports
    chosen: tuple[str, ...] | None
    max_images: int | None
    views: dict[str, str] = field(default_factory=dict)
    states: dict[str, dict[str, str]] = field(default_factory=dict)

    def items(self, studies: Iterator[Study | UnusableRecordError]) -> Iterator[Any]:
        """Give the studies, each once, or once for every label that can be asked for."""
        for study in studies:
            if isinstance(study, UnusableRecordError):
                yield study
            elif self.ask != "closed":
                yield study, None
            else:
                yield from ((study, asked) for asked in closed_questions(self.states.get(study.study, {})))

    def sample(self, item: tuple[Study, tuple[str, str, str] | None]) -> Sample:
        """Make a sample of a study."""
        study, asked = item
        images, states = self.images(study), self.states.get(study.study, {})
        extra: dict[str, Any] = {
            "subject_id": study.patient,
            "study_id": study.study,
            "dicom_ids": images,
            "views": [self.views.get(image, "") for image in images],
            "labels": states,
        }
        categories = {"view": self.views.get(images[0]) or "unknown"}
        name, kind, question, answer = study.name, KINDS[self.ask], LIST_QUESTION, list_answer(states)
        if self.ask == "report":
            texts = self.texts(study)
            extra["sections"] = texts
            question, answer = self.writing.question(texts), self.writing.answer(texts, name)
        elif asked:
            name, categories["label"] = f"{name}-{asked[0].replace(' ', '_')}", asked[0]
            _, question, answer = asked
        elif not states:
            raise UnusableRecordError(name, "the study has no labels")
        refs = tuple(ImageRef(inside(self.files / study.folder, image + self.suffix, name)) for image in images)
        return Sample(name, refs, question, answer, kind, (), study.patient, study.split, categories, extra=extra)

    def images(self, study: Study) -> list[str]:
        """Choose and order the images of a study."""
        images = order_views(study.images, self.views)
        if self.chosen is not None:
            rank = {view: place for place, view in enumerate(self.chosen)}
            images = sorted((i for i in images if self.views.get(i, "") in rank), key=lambda i: rank[self.views[i]])
        if not images:
            raise UnusableRecordError(study.name, "no image of the views asked for")
        return images[: self.max_images]

    def texts(self, study: Study) -> dict[str, str]:
        """Read the sections of the report of a study."""
        text = self.reports.text(study)
        if text is None:
            raise UnusableRecordError(study.name, "report absent (set reports to mimic-cxr-reports.zip or its folder)")
        return section_texts(text, self.rule)


def load_mimic_cxr_jpg(
    root: Path | str,
    split: str,
    *,
    sections: Sequence[str] = ("findings",),
    context: Sequence[str] = (),
    rule: Rule = "official",
    ask: Ask = "report",
    views: Sequence[str] | None = None,
    max_images: int | None = None,
    reports: Path | str | None = None,
    tables: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
    suffix: str = ".jpg",
) -> Iterator[Sample]:
    """Give the studies of MIMIC-CXR-JPG, in the order of the split table.

    Args:
        root: Folder that holds ``files/`` and the tables.
        split: ``train``, ``validate``, ``test`` or ``all``.
        sections: Sections of the report to write: ``findings``, ``impression``, both, ``last_paragraph``.
        context: Sections that are shown before the question, such as ``indication``.
        rule: How reports are cut: ``official`` or ``lenient``, see ``sections``.
        ask: ``report``; ``list``, one question a study for its positive labels; ``closed``, one for each certain label.
        views: Only images of these views, in this order, such as ``("PA", "AP")``; None takes all.
        max_images: Most images of a study; None takes all.
        reports: ``mimic-cxr-reports.zip`` or its folder; without it, what is in the root.
        tables: Folder of the ``mimic-cxr-2.0.0-*.csv.gz``; without it, the root.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).
        suffix: ``.jpg``, or ``.dcm`` for the DICOM release.

    Raises:
        FileNotFoundError: If the folder, a table that is needed or the given reports are absent.
        ValueError: If an option is unknown.
    """
    title = "MIMIC-CXR-JPG" if suffix == ".jpg" else "MIMIC-CXR"
    one_of("split", split, SPLITS)
    one_of("ask", ask, ("report", "list", "closed"))
    one_of("rule", rule, ("official", "lenient"))
    if max_images is not None and max_images < 1:
        raise ValueError(f"max_images={max_images}: expected 1 or more, or None")
    writing, report = Writing(sections, context), LoadReport() if report is None else report
    table = find_table(root, "split", tables, title)
    view_table = _optional(root, "metadata", tables, title, needed=views is not None)
    label_table = _optional(root, "chexpert", tables, title, needed=ask != "report")
    texts, chosen = find_reports(root, reports), None if views is None else tuple(views)

    def read() -> Iterator[Sample]:
        reading = _Reading(
            files=Path(root) / "files",
            suffix=suffix,
            writing=writing,
            rule=rule,
            ask=ask,
            reports=texts,
            chosen=chosen,
            max_images=max_images,
            views=read_views(view_table) if view_table else {},
            states=read_states(label_table) if label_table else {},
        )
        items = reading.items(read_studies(table, split))
        yield from collect(items, reading.sample, name=f"{title} {split}", report=report, absent=absent)

    published = split == "test" and ask == "report" and tuple(sections) == ("findings",) and rule == "official"
    return _say_list(read(), title, report) if published and views is None else read()


def _optional(root: Path | str, name: str, tables: Path | str | None, title: str, *, needed: bool) -> Path | None:
    """Find a table that may be missing unless an option needs it."""
    try:
        return find_table(root, name, tables, title)
    except FileNotFoundError:
        if needed:
            raise
        return None


def _say_list(samples: Iterator[Sample], title: str, report: LoadReport) -> Iterator[Sample]:
    """Pass samples on and say if they are not as many as published results are on."""
    before = report.kept
    yield from samples
    if (found := report.kept - before) != TEST_REPORTS:
        report.notes.append(f"{title}: {found:,} test reports with findings, published results are on {TEST_REPORTS:,}")


def load_mimic_cxr(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep", **options: Any
) -> Iterator[Sample]:
    """Give the studies of MIMIC-CXR (DICOM); everything else as ``load_mimic_cxr_jpg``.

    Args:
        root: Folder that holds ``files/``, the reports and the tables of MIMIC-CXR-JPG (or give ``tables``).
        split: ``train``, ``validate``, ``test`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).
        options: Options of ``load_mimic_cxr_jpg``.

    Raises:
        ValueError: If an option is unknown.
    """
    check_options("mimic_cxr", load_mimic_cxr_jpg, options)
    return load_mimic_cxr_jpg(root, split, report=report, absent=absent, **{"suffix": ".dcm", **options})


COUNTS = {"train": 222758, "validate": 1808, "test": 3269}
CARD = SetCard(
    name="mimic_cxr",
    title="MIMIC-CXR",
    paper="Johnson et al. 2019, doi 10.1038/s41597-019-0322-0",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    access="credentialed",
    source="physionet.org/content/mimic-cxr (images, reports); splits and views: physionet.org/content/mimic-cxr-jpg",
    kinds=("report", "open", "closed"),
    load=load_mimic_cxr,
    counts=COUNTS,
    note="counts are studies; published test results are on the 2,347 test reports with findings",
)
JPG_CARD = SetCard(
    name="mimic_cxr_jpg",
    title="MIMIC-CXR-JPG",
    paper="Johnson et al. 2019, arXiv 1901.07042",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    access="credentialed",
    source="physionet.org/content/mimic-cxr-jpg; reports: mimic-cxr-reports.zip of physionet.org/content/mimic-cxr",
    kinds=("report", "open", "closed"),
    load=load_mimic_cxr_jpg,
    counts=COUNTS,
    note="counts are studies; published test results are on the 2,347 test reports with findings",
)
