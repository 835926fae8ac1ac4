"""DICOM objects that are no image of a patient, or not only: what they are, and what to give instead."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.uid import UID, MediaStorageDirectoryStorage

_INSTEAD = (
    ("1.2.840.10008.5.1.4.1.1.88.59", "it refers to images: give one of them"),
    ("1.2.840.10008.5.1.4.1.1.88.", "it holds a report: give the image that it reports on"),
    ("1.2.840.10008.5.1.4.1.1.11.", "it says how an image is shown: give that image"),
    ("1.2.840.10008.5.1.4.1.1.481.", "it holds a plan or contours of radiotherapy: give the CT under it"),
    ("1.2.840.10008.5.1.4.1.1.104.", "it wraps a document: give the images of the study"),
    ("1.2.840.10008.5.1.4.1.1.9.", "it holds a waveform"),
)
_NOTES = {
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation: labels that someone drew, no image of the patient",
    "1.2.840.10008.5.1.4.1.1.66.7": "a label map: labels that someone drew, no image of the patient",
    "1.2.840.10008.5.1.4.1.1.30": "a parametric map: computed numbers, no image of the patient",
    "1.2.840.10008.5.1.4.1.1.481.2": "a dose grid: computed dose, no image of the patient",
}
_VIDEO = "1.2.840.10008.1.2.4.10"
"""MPEG-2, MPEG-4 and HEVC: .100 to .108; nothing else starts so."""


def class_of(dataset: Dataset) -> UID:
    """Return the SOP class of an object, from the data set or from the file's header; empty if neither says.

    Args:
        dataset: A parsed file.
    """
    return UID(str(dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or ""))


def why_no_image(dataset: Dataset) -> str:
    """Say what an object without pixels is, and what to give instead.

    Args:
        dataset: A parsed file.
    """
    kind = class_of(dataset)
    if kind == MediaStorageDirectoryStorage:
        return "a DICOMDIR, the index of a disc; expected an image: give the folder of a series, or one of its files"
    name = kind.name if kind and kind.name != kind else "of no known class"
    hint = next((f" ({hint})" for prefix, hint in _INSTEAD if kind.startswith(prefix)), "")
    return f"a DICOM object without pixels ({name}); expected an image{hint}"


def note_of(dataset: Dataset) -> tuple[str, ...]:
    """Say of an object with pixels that they are no image of the patient, or not all that a viewer shows.

    Args:
        dataset: A parsed file.
    """
    note = _NOTES.get(class_of(dataset))
    notes: tuple[str, ...] = (note,) if note else ()
    gray = str(dataset.get("PhotometricInterpretation") or "").startswith("MONOCHROME")
    if gray and dataset.get("RedPaletteColorLookupTableDescriptor"):  # PS3.3 C.7.6.19
        notes += ("gray values only: the colours of a supplemental palette are not shown",)
    return notes


def is_video(syntax: str) -> bool:
    """Whether a transfer syntax holds a film that no image decoder reads.

    Args:
        syntax: (0002,0010).
    """
    return syntax.startswith(_VIDEO) and len(syntax) == len(_VIDEO) + 1
