"""What training and test sets share: images by reference, bytes, looks and patient, questions by their words.

Kinds of finding, each counted on its own:

==========  ==========================================================================================================
reference   the test set names an image file that a training set names
bytes       an image file (or folder of slices, under any names) has the same SHA-256
looks       an image looks the same: at most ``looks.SAME`` of 255 bits of a perceptual hash differ
group       the same patient (or image, where a set knows no patients). Between sets of different names this is a leak
            only if they are said to share their names: patient ``12`` of one is seldom patient ``12`` of the other
question    the same words are asked about a shared image, or about no image on both sides
words       the same words are asked anywhere; no leak in itself ("Is there a fracture?")
==========  ==========================================================================================================
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medvlm.study import ImageRef, Sample

from .audit_images import ImageFiles, Watch, is_there, name_of
from .audit_report import EXAMPLES, Audit, Row
from .looks import near


@dataclass(frozen=True, slots=True)
class Source:
    """One set that is compared.

    Attributes:
        title: What to call it.
        set: Name of the set, by which patients' names are known to be of one kind.
        samples: Its samples.
    """

    title: str
    set: str
    samples: Sequence[Sample]


def audit(
    train: Sequence[Source],
    test: Sequence[Source],
    *,
    pixels: bool = True,
    shared_names: bool = False,
    workers: int = 1,
    watch: Watch[Any] | None = None,
) -> Audit:
    """Compare every training set with every test set.

    Args:
        train: Training sets.
        test: Test sets.
        pixels: Whether files are read, to compare bytes and looks.
        shared_names: Whether a group's name means the same patient in sets of different names (MIMIC-CXR and the
            question sets made of it).
        workers: Threads that read images.
        watch: Shows progress over (items, number, label) and gives the items.

    Raises:
        ValueError: If two sets have one title.
    """
    titles = [source.title for source in (*train, *test)]
    if len(set(titles)) < len(titles):
        raise ValueError(f"two of the sets {titles} have one title; give each set and split once")
    result = Audit()
    images = {source.title: _images(source) for source in (*train, *test)}
    there = {title: [ref for ref in refs.values() if is_there(ref.path)] for title, refs in images.items()}
    result.absent = {title: len(images[title]) - len(found) for title, found in there.items()}
    result.absent = {title: n for title, n in result.absent.items() if n}
    files = ImageFiles(watch or (lambda items, number, label: items), workers, result)
    if pixels:
        files.look([ref for refs in there.values() for ref in refs])
    for first in train:
        sizes = {files.size(ref) for ref in there[first.title]} if pixels else set()
        for second in test:
            matched = _by_reference(first, second, images, result)
            if pixels:
                _by_bytes(first, second, there, files, sizes, matched, result)
                _by_looks(first, second, there, files, matched, result)
            same_names = first.set == second.set or shared_names
            _by_group(first, second, same_names, result)
            _by_words(first, second, matched, result)
    return result


def same_words(text: str) -> str:
    """Bring a question to the form in which it is compared: letters, digits and single spaces.

    Examples:
        >>> same_words("Is there a  Pleural-effusion?") == same_words("is there a pleural effusion")
        True
    """
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


Matched = dict[str, set[str]]


def _images(source: Source) -> dict[str, ImageRef]:
    """Return the distinct images of a set by name."""
    return {name_of(ref): ref for ref in dict.fromkeys(ref for sample in source.samples for ref in sample.images)}


def _by_reference(first: Source, second: Source, images: Mapping[str, dict[str, ImageRef]], result: Audit) -> Matched:
    """Find images that both sets name, and return them."""
    ours, theirs = images[first.title], images[second.title]
    shared = [name for name in theirs if name in ours]
    examples = tuple(_short(theirs[name]) for name in shared[:EXAMPLES])
    result.rows.append(Row("reference", first.title, second.title, len(shared), len(theirs), True, examples))
    return {name: {name} for name in shared}


def _by_bytes(
    first: Source,
    second: Source,
    there: Mapping[str, list[ImageRef]],
    files: ImageFiles,
    sizes: set[int],
    matched: Matched,
    result: Audit,
) -> None:
    """Find images with the same bytes; only those whose size occurs on both sides are hashed."""
    compared = [ref for ref in there[second.title] if files.size(ref) in sizes]
    both = {files.size(ref) for ref in compared}
    ours: dict[tuple[str, ...], list[ImageRef]] = {}
    for ref in there[first.title]:
        if files.size(ref) in both:
            ours.setdefault(files.hashes(ref), []).append(ref)
    examples: list[str] = []
    found = 0
    for ref in compared:
        same = ours.get(files.hashes(ref), [])
        found += bool(same)
        matched.setdefault(name_of(ref), set()).update(name_of(other) for other in same)
        examples += [_pair(ref, same[0])] if same and len(examples) < EXAMPLES else []
    number = len(there[second.title])
    result.rows.append(Row("bytes", first.title, second.title, found, number, True, tuple(examples)))


def _by_looks(
    first: Source,
    second: Source,
    there: Mapping[str, list[ImageRef]],
    files: ImageFiles,
    matched: Matched,
    result: Audit,
) -> None:
    """Find images that look the same."""
    theirs, ours = ([ref for ref in there[side.title] if name_of(ref) in files.looks] for side in (second, first))
    found: dict[int, tuple[int, ImageRef]] = {}
    if theirs and ours:
        bits = [np.stack([files.looks[name_of(ref)] for ref in side]) for side in (theirs, ours)]
        for row, column, apart in near(bits[0], bits[1]):
            matched.setdefault(name_of(theirs[row]), set()).add(name_of(ours[column]))
            found[row] = min(found.get(row, (apart, ours[column])), (apart, ours[column]), key=lambda pair: pair[0])
    examples = [f"{_pair(theirs[row], other)} ({apart} bits apart)" for row, (apart, other) in found.items()]
    result.rows.append(
        Row("looks", first.title, second.title, len(found), len(theirs), True, tuple(examples[:EXAMPLES]))
    )


def _by_group(first: Source, second: Source, same_names: bool, result: Audit) -> None:
    """Find patients of both sets."""
    ours, theirs = ({sample.group for sample in side.samples if sample.group} for side in (first, second))
    shared = sorted(ours & theirs)
    result.rows.append(
        Row("group", first.title, second.title, len(shared), len(theirs), same_names, tuple(shared[:EXAMPLES]))
    )


def _by_words(first: Source, second: Source, matched: Matched, result: Audit) -> None:
    """Find questions in the same words, and of these the ones about a shared image or about none."""
    about: dict[str, set[str]] = {}  # the images a question is asked about; "" stands for none
    for sample in first.samples:
        about.setdefault(same_words(sample.question), set()).update([name_of(ref) for ref in sample.images] or [""])
    anywhere, leaked = [], []
    for sample in second.samples:
        asked = about.get(same_words(sample.question))
        if asked is None:
            continue
        anywhere.append(sample)
        images = [matched.get(name_of(ref), set()) for ref in sample.images] or [{""}]
        if any(asked & image for image in images):
            leaked.append(sample)
    for kind, found in (("question", leaked), ("words", anywhere)):
        examples = tuple(f"{sample.id}: {sample.question[:80]}" for sample in found[:EXAMPLES])
        row = Row(kind, first.title, second.title, len(found), len(second.samples), kind == "question", examples)
        result.rows.append(row)


def _pair(test: ImageRef, train: ImageRef) -> str:
    return f"{_short(test)} = {_short(train)}"


def _short(ref: ImageRef) -> str:
    """Name an image by its file and folder."""
    return "/".join(ref.path.parts[-2:])
