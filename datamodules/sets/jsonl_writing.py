"""The other way round: a sample as a record of the ``jsonl`` format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from medvlm.study import ImageRef, Sample, SampleError


def jsonl_record(sample: Sample, folder: Path) -> dict[str, Any]:
    """Write a sample as :mod:`.jsonl` reads it.

    Args:
        sample: Any sample.
        folder: Where the file will lie; image paths are relative to it.

    Raises:
        SampleError: If an image cannot be named there: one whose set rescales its numbers by a table.
    """
    record: dict[str, Any] = {
        "id": sample.id,
        "images": [_image(image, folder, sample.id) for image in sample.images],
        "question": sample.question,
        "answer": sample.answer,
        "kind": sample.kind,
        "split": sample.split,
        "group": sample.group,
    }
    optional = {
        "options": list(sample.options),
        "categories": dict(sample.categories),
        "rationale": sample.rationale,
        "weak_answer": sample.weak_answer,
    }
    return record | {name: value for name, value in optional.items() if value}


def _image(image: ImageRef, folder: Path, name: str) -> str | dict[str, Any]:
    """Write one entry of an image list."""
    if image.rescale is not None:
        raise SampleError(f"sample {name!r}: {image.path} is rescaled by a table of its set, which jsonl cannot say")
    path = Path(os.path.relpath(image.path.absolute(), folder.absolute())).as_posix()
    fields: dict[str, Any] = {"volume": True} if image.volume else {}
    if image.region is not None:
        fields |= {"box": list(image.region.box), "size": list(image.region.size)}
    if image.modality is not None:
        fields["modality"] = image.modality
    return {"path": path} | fields if fields else path
