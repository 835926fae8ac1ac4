"""CT-RATE (Hamamci et al. 2024): 50,188 chest CT volumes of 21,304 patients with reports; CC BY-NC-SA, gated.

::

    dataset/{train,valid}_fixed/train_1/train_1_a/train_1_a_1.nii.gz       # or {train,valid}/, the first files
    dataset/radiology_text_reports/{train,validation}_reports.csv
    dataset/metadata/{train,validation}_metadata.csv
    dataset/multi_abnormality_labels/{train,valid}_predicted_labels.csv

(``root`` is the folder above ``dataset/``, or ``dataset/`` itself.) A name is patient, scan (a, b, ...) and
reconstruction (1, 2, ...); reconstructions share a report, a patient is a group.

The first files hold stored numbers without a scaling, those of ``_fixed`` hold HU. Slope and intercept are in the
metadata table (-1024, or -8192 for Siemens); they go with the image as ``rescale`` and are applied where needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medvlm.study import AnswerKind, ImageRef, Sample

from .cards import SetCard
from .ct_rate_tables import (
    BAD,
    LABELS,
    SECTIONS,
    SPLITS,
    TITLE,
    Volume,
    find_table,
    read_labels,
    read_metadata,
    read_name,
    read_rescale,
    read_state,
    volume_path,
)
from .records import Absent, LoadReport, UnusableRecordError, collect, one_of
from .row import Row, known_split, rows_of
from .table import read_table
from .writing import Writing

Ask = Literal["report", "list", "closed"]
KINDS: dict[Ask, AnswerKind] = {"report": "report", "list": "open", "closed": "closed"}
LIST_QUESTION = f"Which of these abnormalities does the CT show: {', '.join(LABELS)}? List them."
NOTHING = "none"


def load_ct_rate(
    root: Path | str,
    split: str,
    *,
    sections: Sequence[str] = ("findings", "impression"),
    context: Sequence[str] = (),
    ask: Ask = "report",
    reconstructions: Literal["all", "first"] = "all",
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the volumes of CT-RATE, in the order of the report table.

    Args:
        root: Folder above ``dataset/``, or ``dataset/``.
        split: ``train``, ``validate`` or ``all``.
        sections: Sections to write: ``findings``, ``impression``.
        context: Sections that are shown before the question: ``clinical_information``, ``technique``.
        ask: ``report``; ``list``, one question a volume for its abnormalities; ``closed``, one for each of the 18.
        reconstructions: ``first`` takes one volume a scan: all have the same report.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose volume is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a table is absent.
        ValueError: If an option is unknown.
    """
    known_split(split, SPLITS, TITLE)
    one_of("ask", ask, tuple(KINDS))
    one_of("reconstructions", reconstructions, ("all", "first"))
    writing = Writing(sections, context, "chest CT")
    names = tuple(SPLITS) if split == "all" else (split,)
    tables = {name: find_table(root, f"radiology_text_reports/{SPLITS[name][0]}_reports.csv") for name in names}
    metadata = {name: find_table(root, f"metadata/{SPLITS[name][0]}_metadata.csv") for name in names}
    labels: dict[str, Path] = {}
    if ask != "report":
        labels = {n: find_table(root, f"multi_abnormality_labels/{SPLITS[n][1]}_predicted_labels.csv") for n in names}

    def samples() -> Iterator[Sample]:
        reading = _Reading(
            writing=writing,
            ask=ask,
            first_only=reconstructions == "first",
            folders={name: tables[name].parents[1] for name in names},
            metadata={key: row for path in metadata.values() for key, row in read_metadata(path).items()},
            labels={key: row for path in labels.values() for key, row in read_labels(path).items()},
        )
        rows = rows_of(tables, lambda path: read_table(path, ("VolumeName", *SECTIONS.values())))
        yield from collect(reading.items(rows), reading.sample, name=f"{TITLE} {split}", report=report, absent=absent)

    return samples()


@dataclass(frozen=True)
class _Reading:
    """How rows of the report table become samples."""

    writing: Writing
    ask: Ask
    first_only: bool
    folders: Mapping[str, Path]
    metadata: Mapping[str, Mapping[str, str]]
    labels: Mapping[str, Mapping[str, str]]

    def items(self, rows: Iterator[Row | UnusableRecordError]) -> Iterator[tuple[Row, str] | UnusableRecordError]:
        """Give each volume once, or once for every label."""
        scans: set[str] = set()
        for row in rows:
            if isinstance(row, UnusableRecordError):
                yield row
                continue
            scan = row.text("VolumeName").rpartition("_")[0]
            if self.first_only and scan in scans:
                continue
            scans.add(scan)
            yield from ((row, label) for label in (LABELS if self.ask == "closed" else ("",)))

    def sample(self, item: tuple[Row, str]) -> Sample:
        """Make a sample of one volume, or of one of its labels."""
        row, label = item
        volume = read_name(row.need("VolumeName"), row.where)
        row = row.named(volume.name)
        if volume.name in BAD:
            raise row.refuse("volume is known to be broken")
        found = self.metadata.get(volume.name)
        if found is None:
            raise row.refuse("no row in the metadata table")
        rescale = read_rescale(found, row.where)
        texts = {name: " ".join(row.text(column).split()) for name, column in SECTIONS.items() if row.text(column)}
        question, answer = self.asked(row, label, texts)
        path = volume_path(self.folders[row.split], SPLITS[row.split][1], volume, row.where)
        return Sample(
            id=f"{volume.name}-{label.replace(' ', '_')}" if label else volume.name,
            images=(ImageRef(path, volume=True, rescale=rescale),),
            question=question,
            answer=answer,
            kind=KINDS[self.ask],
            group=volume.patient,
            split=row.split,
            categories={
                "manufacturer": found.get("Manufacturer", "").strip() or "unknown",
                "sex": found.get("PatientSex", "").strip() or "unknown",
                **({"label": label} if label else {}),
            },
            extra=self.extra(row, found, texts, volume),
        )

    def asked(self, row: Row, label: str, texts: dict[str, str]) -> tuple[str, str]:
        """Return question and answer."""
        if self.ask == "report":
            return self.writing.question(texts), self.writing.answer(texts, row.where)
        labels = self.labels.get(row.where)
        if labels is None:
            raise row.refuse("no row in the label table")
        states = {name: read_state(labels[name], row.where) for name in LABELS}
        if label:
            return f"Does the CT show {label.lower()}?", "yes" if states[label] else "no"
        return LIST_QUESTION, ", ".join(name for name in LABELS if states[name]) or NOTHING

    def extra(self, row: Row, found: Mapping[str, str], texts: dict[str, str], volume: Volume) -> dict[str, Any]:
        """Return everything else that the tables say."""
        scan = {"scan": f"{volume.patient}_{volume.scan}", "reconstruction": volume.reconstruction}
        return {**found, **row.fields, **scan, "sections": texts}


CARD = SetCard(
    name="ct_rate",
    title=TITLE,
    paper="Hamamci et al. 2024, arXiv 2403.17834",
    licence="CC BY-NC-SA 4.0",
    access="gated",
    source="huggingface.co/datasets/ibrahimhamamci/CT-RATE",
    kinds=("report", "open", "closed"),
    load=load_ct_rate,
    counts={"train": 47149, "validate": 3039},
    note="counts are volumes; reconstructions of a scan share its report (25,692 scans): reconstructions='first'",
)
