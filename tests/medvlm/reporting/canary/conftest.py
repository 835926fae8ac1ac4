"""A patient's name planted in studies, and where it turns up again: in any encoding, packed or not."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NAMES = ("Quuxley", "M\u00fcgr\u00f6\u00df")
"""In ASCII, and in letters that Latin-1 and UTF-8 write differently."""
PLANTED = "^".join(NAMES)
_ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")


def _needles() -> tuple[bytes, ...]:
    """The names in every encoding, and each of these in hexadecimal."""
    forms = {form for name in NAMES for form in (name, name.lower(), name.upper())}
    plain = {form.encode(encoding) for form in forms for encoding in _ENCODINGS}
    return tuple({one.lower() for one in plain} | {one.hex().encode() for one in plain})


_NEEDLES = _needles()


def leaks(data: bytes) -> bool:
    """Whether a name is in these bytes, in a packed stream or a data URI in them.

    Args:
        data: Of a file, or of a terminal.
    """
    return any(needle in part.lower() for part in (data, *_unpacked(data)) for needle in _NEEDLES)


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Streams of a PDF (also one in a DICOM object), text drawn in a PDF, pictures in data URIs."""
    streams = []
    for found in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
        try:
            streams.append(zlib.decompress(found[1]))
        except zlib.error:
            continue
    yield from streams
    yield pdf_text(streams).encode()
    for found in re.finditer(rb"base64,([A-Za-z0-9+/=]+)", data):
        yield base64.b64decode(found[1])


def pdf_text(streams: list[bytes]) -> str:
    """The words that the streams of a PDF draw, by the tables that say which letter a glyph is.

    Args:
        streams: Unpacked.
    """
    tables = [
        {int(glyph, 16): bytes.fromhex(text.decode()).decode("utf-16-be") for glyph, text in pairs}
        for stream in streams
        if (pairs := re.findall(rb"<([0-9a-fA-F]{4})> <([0-9a-fA-F]{4,})>\s*(?=\n)", stream)) and b"beginbf" in stream
    ]
    drawn = [re.findall(rb"<([0-9a-fA-F]+)>", line) for line in re.findall(rb"\[(.*?)\] ?TJ", b"\n".join(streams))]
    words = [b"".join(parts).decode() for parts in drawn]
    codes = [[int(word[at : at + 4], 16) for at in range(0, len(word), 4)] for word in words]
    return "\n".join("".join(table.get(code, "") for code in line) for table in tables for line in codes)


def plant(data: Any) -> None:
    """Put the name into every attribute of text of a data set, into a sequence and into private attributes."""
    from pydicom import Dataset

    data.SpecificCharacterSet = "ISO_IR 100"
    texts = (
        "PatientName", "PatientID", "OtherPatientNames", "PatientComments", "PatientAddress", "AccessionNumber",
        "StudyDescription", "SeriesDescription", "ProtocolName", "InstitutionName", "InstitutionAddress",
        "ImageComments", "ReferringPhysicianName", "OperatorsName", "StationName", "BodyPartExamined",
        "RequestedProcedureDescription",
        "DerivationDescription", "ManufacturerModelName", "DeviceSerialNumber", "DeidentificationMethod", "StudyID",
        "PatientState", "AdmittingDiagnosesDescription", "Occupation", "SoftwareVersions", "AdditionalPatientHistory",
    )  # fmt: skip
    for keyword in texts:
        setattr(data, keyword, {"StudyID": NAMES[0], "BodyPartExamined": NAMES[0].upper()}.get(keyword, PLANTED))
    item = Dataset()
    item.PatientName, item.RequestedProcedureDescription = PLANTED, PLANTED
    data.RequestAttributesSequence, data.PatientIdentityRemoved = [item], "YES"
    block = data.private_block(0x0011, "Quuxley", create=True)
    block.add_new(1, "LO", PLANTED)


@pytest.fixture(name="leaks")
def _leaks() -> Callable[[bytes], bool]:
    return leaks


@pytest.fixture(name="names")
def _names() -> tuple[str, ...]:
    return NAMES


@pytest.fixture
def studies(tmp_path: Path, write_dicom: Any, write_slices: Any) -> Path:
    """A study of every kind, whole and broken, with the name in what it says of itself and in its path."""
    import nibabel
    import pydicom
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    home = tmp_path / "in" / NAMES[0] / PLANTED
    write_dicom(home / "dx.dcm", "1.2.1", PatientOrientation=["L", "F"])
    write_dicom(home / "unnamed.dcm", "1.2.9")
    write_slices(home / "ct", [0.0, 2.0, 4.0, 6.0], "1.2.2")
    write_slices(home / "gap", [0.0, 2.0, 9.0, 11.0], "1.2.3")
    for path in sorted(home.rglob("*.dcm")):
        data = pydicom.dcmread(path)
        plant(data)
        if path.name == "unnamed.dcm":
            del data.StudyInstanceUID
        if path.parent.name == "ct":
            data.PatientName = NAMES[0]  # of one part: packages warn of such names, and quote them
        data.save_as(path)
    whole = (home / "dx.dcm").read_bytes()
    (home / f"{NAMES[0]}.dcm").write_bytes(whole.replace(b"\0001.2.1", b"\0001.2.4")[:-100])
    nifti = nibabel.nifti1.Nifti1Image(np.zeros((8, 8, 8), np.int16), np.eye(4))
    nifti.header["descrip"] = NAMES[0].encode()
    nifti.to_filename(home / f"{NAMES[0]}.nii")
    (home / f"{NAMES[0]}2.nii").write_bytes((home / f"{NAMES[0]}.nii").read_bytes()[:600])
    info = PngInfo()
    info.add_text("Title", PLANTED)
    info.add_itxt("Comment", PLANTED, zip=True)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8))
    picture.save(home / f"{NAMES[0]}.png", pnginfo=info)
    exif = Image.Exif()
    exif[0x010E] = PLANTED
    picture.save(home / f"{NAMES[0]}.jpg", exif=exif)
    (home / f"{NAMES[0]}2.png").write_bytes((home / f"{NAMES[0]}.png").read_bytes()[:-300])
    (home / f"{NAMES[0]}.txt").write_text(PLANTED)
    return tmp_path / "in"
