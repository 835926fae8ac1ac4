"""What a report can be written as: a function a file, from the report and its material to the bytes of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medvlm.files import write_whole
from medvlm.reporting.report import StudyReport
from medvlm.reporting.writers.plain import write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydicom import Dataset


@dataclass(frozen=True, slots=True)
class Material:
    """What a writer has besides the report; it may name the patient and is never kept.

    Attributes:
        headers: Headers of the files that were shown, without pixels, in the order of ``report.current.instances``;
            empty where the study is no DICOM.
        picture: The key image as it is displayed, ``(H, W)`` or ``(H, W, 3)`` bytes, of the file's own size, so that
            boxes times its size are pixels; None where there is none.
        masks: Where a finding lies, ``(slices, H, W)`` booleans by its name.
    """

    headers: tuple[Dataset, ...] = ()
    picture: NDArray[np.uint8] | None = None
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Writer:
    """One form of a report.

    Attributes:
        suffix: Of its file; the study's id stands before it.
        write: Makes the bytes of the file; None where this study gives none (a reason is in the report then).
        dicom: Whether it needs a study of DICOM files.
        about: In words.
    """

    suffix: str
    write: Callable[[StudyReport, Material], bytes | None]
    dicom: bool = False
    about: str = ""


WRITERS: Mapping[str, Writer] = {
    "json": Writer(".json", write_json, about="everything, by the published schema"),
}
"""By name; JSON is always written, and last: where it is, all others are."""


def save_report(folder: Path, report: StudyReport, material: Material, forms: Sequence[str] = ()) -> None:
    """Write a report in these forms, each file by one rename, and the JSON after all others.

    Args:
        folder: Of the reports.
        report: The report.
        material: What writers need besides.
        forms: Names of `WRITERS`.

    Raises:
        ValueError: If a form is unknown.
    """
    if unknown := sorted(set(forms) - set(WRITERS)):
        raise ValueError(f"forms {', '.join(unknown)} are unknown; expected some of {', '.join(WRITERS)}")
    for name in [*(form for form in WRITERS if form in forms and form != "json"), "json"]:
        writer = WRITERS[name]
        if writer.dicom and not material.headers:
            continue
        if (data := writer.write(report, material)) is not None:
            write_whole(folder / f"{report.study}{writer.suffix}", data)
