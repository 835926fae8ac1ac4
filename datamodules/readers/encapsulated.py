"""Compressed pixel data: what the attributes say of its frames, and the bytes of each (PS3.5 A.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydicom import Dataset
from pydicom.encaps import generate_frames, get_frame

from medvlm.study import ImageError

Family = Literal["jpeg", "jpegls", "j2k", "rle", "deflate"]

_SYNTAXES: dict[str, Family] = {
    "1.2.840.10008.1.2.4.50": "jpeg",  # baseline, 8 bits
    "1.2.840.10008.1.2.4.51": "jpeg",  # extended, 8 or 12 bits
    "1.2.840.10008.1.2.4.57": "jpeg",  # lossless
    "1.2.840.10008.1.2.4.70": "jpeg",  # lossless, first-order prediction
    "1.2.840.10008.1.2.4.80": "jpegls",
    "1.2.840.10008.1.2.4.81": "jpegls",  # near-lossless
    "1.2.840.10008.1.2.4.90": "j2k",  # lossless
    "1.2.840.10008.1.2.4.91": "j2k",
    "1.2.840.10008.1.2.4.201": "j2k",  # HTJ2K, lossless
    "1.2.840.10008.1.2.4.202": "j2k",  # HTJ2K, lossless, by resolution
    "1.2.840.10008.1.2.4.203": "j2k",  # HTJ2K
    "1.2.840.10008.1.2.5": "rle",
    "1.2.840.10008.1.2.8.1": "deflate",  # deflated image frame compression
}
_HIGH_THROUGHPUT = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
_PHOTOMETRIC = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")


@dataclass(frozen=True, slots=True)
class Form:
    """What the attributes of a data set say about its frames.

    Attributes:
        family: How they are compressed.
        high_throughput: Whether a JPEG 2000 is an HTJ2K.
        rows: (0028,0010).
        columns: (0028,0011).
        samples: (0028,0002).
        allocated: (0028,0100).
        stored: (0028,0101).
        signed: (0028,0103).
        planar: (0028,0006).
        photometric: (0028,0004).
    """

    family: Family
    high_throughput: bool
    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    signed: bool
    planar: bool
    photometric: str

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the result, as pydicom chooses it."""
        return np.dtype(f"{'i' if self.signed and self.allocated > 1 else 'u'}{max(self.allocated, 8) // 8}")

    @property
    def can_be_averaged(self) -> bool:
        """Whether values lie on a scale: a mean of palette indices or of single bits is nothing."""
        return self.allocated > 1 and self.photometric != "PALETTE COLOR"

    @property
    def is_ours_alone(self) -> bool:
        """Whether no other decoder is used for it, so that an error of ours is the last word."""
        return self.family in ("jpeg", "deflate") or (self.family == "rle" and self.allocated == 1)


def form_of(dataset: Dataset) -> Form | None:
    """Return what the attributes say; None for what pydicom has to decode.

    Args:
        dataset: A parsed file.
    """
    syntax = str(dataset.file_meta.get("TransferSyntaxUID") or "")
    if syntax not in _SYNTAXES or "PixelData" not in dataset:
        return None
    allocated = int(dataset.get("BitsAllocated") or 0)
    form = Form(
        family=_SYNTAXES[syntax],
        high_throughput=syntax in _HIGH_THROUGHPUT,
        rows=int(dataset.get("Rows") or 0),
        columns=int(dataset.get("Columns") or 0),
        samples=int(dataset.get("SamplesPerPixel") or 0),
        allocated=allocated,
        stored=int(dataset.get("BitsStored") or 0),
        signed=dataset.get("PixelRepresentation") == 1,
        planar=dataset.get("PlanarConfiguration") == 1,
        photometric=str(dataset.get("PhotometricInterpretation") or ""),
    )
    known = form.photometric in _PHOTOMETRIC and form.samples in (1, 3) and allocated in (1, 8, 16, 32)
    sane = 0 < form.stored <= allocated and form.rows > 0 and form.columns > 0
    if not known or not sane or (allocated == 1 and form.samples != 1):
        return None
    return None if form.family == "deflate" and form.photometric == "YBR_FULL_422" else form


def pieces_of(dataset: Dataset, frames: Sequence[int] | None) -> list[bytes] | None:
    """Return the bytes of each frame, by the offset tables or else by the fragments; None if there are more of them.

    Args:
        dataset: A parsed file.
        frames: Numbers of the frames, from 0; None for all.

    Raises:
        ImageError: If there are fewer.
    """
    count = int(dataset.get("NumberOfFrames") or 1)
    table = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    extended = (bytes(table[0]), bytes(table[1])) if all(table) else None
    data = dataset.PixelData
    if frames is not None:
        if bad := [index for index in frames if not 0 <= index < count]:
            raise ImageError(f"frames {bad} are asked for, there are 0 to {count - 1}")
        return [get_frame(data, index, extended_offsets=extended, number_of_frames=count) for index in frames]
    found = list(generate_frames(data, number_of_frames=count, extended_offsets=extended))
    return found if len(found) == count else None
