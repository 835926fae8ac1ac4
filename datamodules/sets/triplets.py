"""What the parquet releases of image, question and answer share: VQA-RAD, PathVQA and Quilt-VQA on Hugging Face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from medvlm.study import Sample

from .images import image_folder
from .parquet import find_shards, read_with_images
from .polarity import yes_no
from .records import Absent, LoadReport, collect
from .row import Row, known_split


def load_triplets(
    root: Path | str,
    split: str,
    *,
    name: str,
    splits: Mapping[str, str],
    columns: Sequence[str] = (),
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the samples of a parquet release, one a row.

    A question is ``closed`` if its answer is yes or no, else ``open``; the group is the image, by its bytes.

    Args:
        root: Folder that holds the parquet files, or their folder ``data``.
        split: ``train``, ``validate``, ``test`` or ``all``.
        name: Title of the set, for errors.
        splits: Split -> its name in the files.
        columns: Columns besides image, question and answer; they become categories.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        ImportError: If pyarrow is absent.
        FileNotFoundError: If the folder or the files of a split are absent.
        ValueError: If the split is unknown or the release has none of that name.
    """
    known_split(split, splits, name)
    root = Path(root)
    shards = {part: find_shards(root, splits[part], name) for part in (splits if split == "all" else (split,))}

    def make(row: Row) -> Sample:
        return _sample(row, image_folder(root), columns)

    return collect(_rows(root, shards, columns), make, name=f"{name} {split}", report=report, absent=absent)


def _rows(root: Path, shards: Mapping[str, Sequence[Path]], columns: Sequence[str]) -> Iterator[Row]:
    """Give the rows of all files of some splits, numbered from 0 in each split."""
    for split, paths in shards.items():
        number = 0
        for path in paths:
            for record in read_with_images(path, "image", ("question", "answer", *columns), root):
                yield Row(record, f"{split}-{number}", split)
                number += 1


def _sample(row: Row, folder: Path, columns: Sequence[str]) -> Sample:
    """Make a sample of one row."""
    if not row.fields["image"]:
        raise row.refuse("no image")
    (image,) = row.fields["image"]
    answer = row.need("answer")
    polarity = yes_no(answer)
    return Sample(
        id=row.where,
        images=(row.image(folder, image),),
        question=row.need("question"),
        answer=polarity or answer,
        kind="closed" if polarity else "open",
        group=image,
        split=row.split,
        categories={"answer_type": "closed" if polarity else "open", **row.categories({key: key for key in columns})},
        extra=row.fields,
    )
