"""Open-i, the Indiana University chest X-ray collection (Demner-Fushman et al. 2016): reports and images; CC BY-NC-ND.

Two forms are read, each a set of its own::

    openi         root/ecgen-radiology/<n>.xml  or  root/NLMCXR_reports.tgz       root/NLMCXR_png/CXR<...>.png
    openi_r2gen   root/iu_xray/annotation.json (or root/annotation.json)          .../images/CXR2384_IM-0942/{0,1}.png

The XML of the release has 3,955 reports and 7,470 images and no split: every report is its own patient, and all are
``train``; 104 reports have no image and are left out, as are those without the sections asked for. The file of an
image is named by the id of ``parentImage``; the URL inside is not.

R2Gen's form has findings only, two images a report whose views are not told apart, and splits of 2,069, 296 and 590.
Some copies hold the test list under a damaged key: the split is read from each record.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from medvlm.study import Sample, SampleError

from .cards import SetCard
from .records import SPLITS, Absent, LoadReport, UnusableRecordError, as_record, collect, find_file, one_of
from .row import Row, known_split
from .writing import Writing

ARCHIVE = "NLMCXR_reports.tgz"
FOLDER = "ecgen-radiology"
LARGEST_REPORT = 1 << 20
SPLIT_NAMES = {"train": "train", "val": "validate", "test": "test"}


def load_openi(
    root: Path | str,
    split: str,
    *,
    sections: Sequence[str] = ("findings", "impression"),
    context: Sequence[str] = (),
    images: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the reports of Open-i, in the order of their numbers.

    Args:
        root: Folder of the XML files, or of their archive (which is read in place).
        split: ``train`` or ``all``: the release has no other.
        sections: Sections to write: ``findings``, ``impression``.
        context: Sections that are shown before the question: ``indication``, ``comparison``.
        images: Folder of the PNG files; without it ``root/NLMCXR_png``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If neither the folder nor the archive is there.
    """
    known_split(split, ("train",), "Open-i")
    writing = Writing(sections, context)
    folder = Path(root) / "NLMCXR_png" if images is None else Path(images)
    source = Path(root) / FOLDER
    if not source.is_dir():
        source = find_file(root, [ARCHIVE], "Open-i")

    def make(item: tuple[str, bytes]) -> Sample:
        return _xml_sample(item[0], item[1], folder, writing)

    texts = _folder_texts(source) if source.is_dir() else _archive_texts(source)
    return collect(texts, make, name=f"Open-i {split}", report=report, absent=absent)


def _folder_texts(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give the XML files of a folder by number."""
    for path in sorted(folder.glob("*.xml"), key=lambda path: (len(path.stem), path.stem)):
        yield path.name, path.read_bytes()


def _archive_texts(path: Path) -> Iterator[tuple[str, bytes]]:
    """Give the XML files of the archive by number, in memory: nothing of it is written to disk."""
    try:
        with tarfile.open(path) as archive:
            texts = {Path(m.name).name: _member(archive, m) for m in archive if m.isfile() and m.name.endswith(".xml")}
    except (tarfile.TarError, EOFError, OSError) as error:
        raise SampleError(f"{path}: expected the report archive as released, found: {error}") from None
    yield from sorted(texts.items(), key=lambda item: (len(item[0]), item[0]))


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Read one file of the archive; one that is too large to be a report is read as empty."""
    file = archive.extractfile(member) if member.size <= LARGEST_REPORT else None
    return file.read() if file else b""


def _xml_sample(name: str, text: bytes, folder: Path, writing: Writing) -> Sample:
    """Make a sample of one report."""
    try:
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:  # the release has none; entities can be made to explode
            raise ElementTree.ParseError("document types are not read")
        tree = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UnusableRecordError(name, f"no valid XML: {str(error).split(':')[0]}") from None
    found = tree.find("uId")
    row = Row(_fields(tree), name if found is None else found.get("id", name), "train")
    ids = row.fields["images"]
    texts = row.fields["sections"]
    if not ids:
        raise row.refuse("the report has no image")
    return Sample(
        id=row.where,
        images=tuple(row.image(folder, f"{image}.png") for image in ids),
        question=writing.question(texts),
        answer=writing.answer(texts, row.where),
        kind="report",
        group=row.where,
        split=row.split,
        categories={"normal": "yes" if row.fields["mesh_major"] == ["normal"] else "no"},
        extra=row.fields,
    )


def _fields(tree: ElementTree.Element) -> dict[str, Any]:
    """Take from a report its sections, images, MeSH terms and every other element with text."""
    sections = {
        part.get("Label", "").lower(): " ".join("".join(part.itertext()).split()) for part in tree.iter("AbstractText")
    }
    return {
        "sections": {name: text for name, text in sections.items() if text},
        "images": [image.get("id", "") for image in tree.iter("parentImage") if image.get("id")],
        "captions": [" ".join((caption.text or "").split()) for caption in tree.iter("caption")],
        "mesh_major": [term.text or "" for term in tree.iter("major")],
        "mesh_automatic": [term.text or "" for term in tree.iter("automatic")],
        **{child.tag: child.get("id") or (child.text or "").strip() for child in tree if not len(child)},
    }


def load_openi_r2gen(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the reports of R2Gen's form of Open-i, in the order of the file.

    Args:
        root: Folder that holds ``annotation.json`` and ``images/``, or its parent.
        split: ``train``, ``validate``, ``test`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the annotation file is absent.
    """
    one_of("split", split, SPLITS)
    path = find_file(root, ["annotation.json", "iu_xray/annotation.json"], "Open-i (R2Gen)")
    writing = Writing(("findings",))

    def make(row: Row) -> Sample:
        return _r2gen_sample(row, path.parent / "images", writing)

    rows = (row for row in _r2gen_rows(path) if isinstance(row, UnusableRecordError) or split in ("all", row.split))
    return collect(rows, make, name=f"Open-i (R2Gen) {split}", report=report, absent=absent)


def _r2gen_rows(path: Path) -> Iterator[Row | UnusableRecordError]:
    """Give the records of all lists; each says itself to which split it belongs."""
    try:
        lists = json.loads(path.read_text(encoding="utf-8-sig", errors="replace"))
    except json.JSONDecodeError as error:
        raise SampleError(f"{path}: expected an object of lists, found no valid JSON: {error.msg}") from None
    if not isinstance(lists, dict) or not all(isinstance(records, list) for records in lists.values()):
        raise SampleError(f"{path}: expected an object with the lists train, val and test")
    for name, records in lists.items():
        for number, value in enumerate(records):
            where = f"{path.name}[{name.strip() or 'unnamed'}][{number}]"
            try:
                record = as_record(value, where)
                row = Row(record, where, SPLIT_NAMES[one_of("split", str(record.get("split")), SPLIT_NAMES)])
            except UnusableRecordError as error:
                yield error
            except ValueError:
                yield UnusableRecordError(where, "split is not train, val or test", value)
            else:
                yield row


def _r2gen_sample(row: Row, folder: Path, writing: Writing) -> Sample:
    """Make a sample of one record."""
    row = row.named(row.need("id"))
    texts = {"findings": row.need("report")}
    return Sample(
        id=row.where,
        images=tuple(row.image(folder, name) for name in row.texts("image_path")),
        question=writing.question(texts),
        answer=writing.answer(texts, row.where),
        kind="report",
        group=row.where.partition("_")[0],
        split=row.split,
        extra=row.fields,
    )


CARD = SetCard(
    name="openi",
    title="Open-i (Indiana University chest X-rays)",
    paper="Demner-Fushman et al. 2016, doi 10.1093/jamia/ocv080",
    licence="CC BY-NC-ND 4.0",
    access="open",
    source="openi.nlm.nih.gov/faq: NLMCXR_reports.tgz and NLMCXR_png.tgz",
    kinds=("report",),
    load=load_openi,
    counts={"train": 3955},
    note="no official split; 104 reports have no image; XXXX stands for what was taken out to hide identities",
)
R2GEN_CARD = SetCard(
    name="openi_r2gen",
    title="Open-i (R2Gen)",
    paper="Chen et al. 2020, arXiv 2010.16056, on Demner-Fushman et al. 2016",
    licence="CC BY-NC-ND 4.0",
    access="open",
    source="github.com/cuhksz-nlp/R2Gen (iu_xray.zip)",
    kinds=("report",),
    load=load_openi_r2gen,
    counts={"train": 2069, "validate": 296, "test": 590},
    note="findings only; the split that most published report scores on this collection use",
)
