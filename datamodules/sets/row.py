"""One raw record with its name and its split, read field by field, and the files that hold the records of a split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medvlm.study import ImageRef

from .records import SPLITS, UnusableRecordError, as_record, field_text, find_file, inside, one_of, required_text


@dataclass(frozen=True, slots=True)
class Row:
    """A raw record of a set.

    Attributes:
        fields: The record as it was released.
        where: What to call it in a report.
        split: The split that it belongs to.
    """

    fields: dict[str, Any]
    where: str
    split: str

    def named(self, name: str) -> Row:
        """Return the record under a better name than its place in the file."""
        return replace(self, where=name)

    def text(self, *keys: str) -> str:
        """Return the first of several fields that holds text, stripped; empty if none does."""
        for key in keys:
            text = field_text(self.fields, key, self.where)
            if text:
                return text
        return ""

    def need(self, *keys: str) -> str:
        """Return the first of several fields that holds text, or refuse the record."""
        return self.text(*keys) or required_text(self.fields, keys[0], self.where)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a field that holds a list of texts, or refuse the record."""
        value = self.fields.get(key)
        if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
            raise self.refuse(f"{key}: expected a list of texts", value)
        return tuple(text.strip() for text in value)

    def image(self, folder: Path, name: str, *, volume: bool = False, modality: str | None = None) -> ImageRef:
        """Return the image of a name below a folder; a name that leads out of it is refused."""
        return ImageRef(inside(folder, name, self.where), volume, modality=modality)

    def categories(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Return the fields that score tables are broken down by: name of the category -> field."""
        return {name: self.text(key) for name, key in fields.items()}

    def refuse(self, reason: str, found: object = None) -> UnusableRecordError:
        """Make the error that leaves this record out, counted by its reason."""
        return UnusableRecordError(self.where, reason, found)


def split_files(root: Path | str, split: str, files: Mapping[str, Sequence[str]], what: str) -> dict[str, Path]:
    """Find the file of a split, or of every split for ``all``.

    Args:
        root: Folder of the set.
        split: ``train``, ``validate``, ``test`` or ``all``.
        files: Names that the file of each split may have, relative to the root, best first.
        what: Title of the set, for errors.

    Raises:
        ValueError: If the split is unknown, or the release has no such split.
        FileNotFoundError: If the folder or a file is absent.
    """
    known_split(split, files, what)
    return {name: find_file(root, files[name], what) for name in (files if split == "all" else (split,))}


def known_split(split: str, known: Iterable[str], what: str) -> None:
    """Refuse a split that is unknown, or that a release does not have."""
    one_of("split", split, SPLITS)
    if split != "all" and split not in known:
        hint = "; take a share of train by splits.split_by_group" if split == "validate" and "train" in known else ""
        raise ValueError(f"{what} has no {split} split, only {', '.join(known)}{hint}")


def rows_of(files: Mapping[str, Path], read: Callable[[Path], Iterable[Any]]) -> Iterator[Row | UnusableRecordError]:
    """Give the records of some files as rows, named by file and place from 0.

    Args:
        files: The file of each split.
        read: Reads the records of one file; may give an error in place of a record, which is passed on.
    """
    for split, path in files.items():
        for number, value in enumerate(read(path)):
            where = f"{path.name}[{number}]"
            try:
                yield value if isinstance(value, UnusableRecordError) else Row(as_record(value, where), where, split)
            except UnusableRecordError as error:
                yield error
