"""The key image with boxes and a banner burned in: the form that every viewer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from medvlm.reporting.report import StudyReport
from medvlm.reporting.writers import packages
from medvlm.reporting.writers.dicom import WARNING, finish, identity, references

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlm.reporting.writers import Material

_ORANGE = (255, 120, 30)
_YELLOW = (255, 224, 138)
_SHORTEST = 512  # pixels of the shorter side, so that words can be read


def draw_overlay(report: StudyReport, picture: NDArray[np.uint8], edges: str = "") -> NDArray[np.uint8]:
    """The picture in colours with a numbered box for each finding that has one, and the banner above it.

    Args:
        report: Its findings have boxes in shares of width and height.
        picture: ``(H, W)`` or ``(H, W, 3)`` bytes.
        edges: Letters at the left, top, right and bottom edge; none if empty.

    Returns:
        ``(H', W', 3)`` bytes: the picture, enlarged if it is small, below a banner.
    """
    from PIL import Image, ImageDraw, ImageFont

    image: Any = Image.fromarray(picture).convert("RGB")
    factor = max(1, -(-_SHORTEST // min(image.size)))
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    size = max(14, image.width // 48)
    font = ImageFont.load_default(size)
    high = size * 2
    sheet = Image.new("RGB", (image.width, image.height + high))
    sheet.paste(image, (0, high))
    pen = ImageDraw.Draw(sheet)
    pen.text((size // 2, size // 2), f"AI, {report.status}. {WARNING}", fill=_ORANGE, font=font)
    for number, finding in enumerate(report.findings, start=1):
        if finding.box is None:
            continue
        x0, y0, x1, y1 = np.array(finding.box) * (image.width, image.height, image.width, image.height)
        pen.rectangle((x0, y0 + high, x1, y1 + high), outline=_ORANGE, width=max(2, size // 6))
        words = f"{number} {finding.name}"
        top = max(high, y0 + high - size - 6)
        pen.rectangle((x0, top, x0 + pen.textlength(words, font=font) + 8, top + size + 6), fill=_ORANGE)
        pen.text((x0 + 4, top + 2), words, fill=(0, 0, 0), font=font)
    middle = (image.width // 2, high + image.height // 2)
    places = (
        (size, middle[1]),
        (middle[0], high + size),
        (image.width - size, middle[1]),
        (middle[0], high + image.height - size),
    )
    for letter, place in zip(edges, places, strict=False):
        pen.text(place, letter, fill=_YELLOW, font=font, anchor="mm", stroke_width=2, stroke_fill=(0, 0, 0))
    return np.asarray(sheet)


def write_capture(report: StudyReport, material: Material) -> bytes | None:
    """The overlay as DICOM secondary capture in colours (PS3.3 A.8.1), derived and with burned-in words.

    Args:
        report: The report.
        material: Its picture and the headers of the study.

    Returns:
        The file; None where there is no picture.

    Raises:
        ImportError: If highdicom is not installed.
    """
    if material.picture is None:
        return None
    highdicom = packages.highdicom()
    key = material.headers[min(report.current.key, len(material.headers) - 1)]
    made = highdicom.sc.SCImage.from_ref_dataset(
        ref_dataset=key,
        pixel_array=draw_overlay(report, material.picture, material.edges),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        patient_orientation=_orientation(key) or ("L", "F"),
        **identity(report, "capture"),
    )
    made.ImageType = ["DERIVED", "SECONDARY"]
    if "Laterality" not in made:
        made.Laterality = ""  # type 2C: it must be there, and nobody here knows it
    if _orientation(key) is None:
        made.PatientOrientation = None  # type 2C likewise: a guessed side would be worse than none
    made.SourceImageSequence = references(material.headers)
    made.BurnedInAnnotation = "YES"
    made.DerivationDescription = "Key image with findings of a machine drawn on it"
    return finish(made, report, "overlay")


def _orientation(key: Any) -> tuple[str, str] | None:
    """Directions of rows and columns (0020,0020): as the source says, else of its planes; None if neither is said."""
    said = [str(part) for part in key.get("PatientOrientation") or () if str(part)]
    if len(said) == 2:
        return said[0], said[1]
    if cosines := key.get("ImageOrientationPatient"):
        return _direction(cosines[:3]), _direction(cosines[3:])
    return None


def _direction(cosine: Any) -> str:
    """The letter of the largest part of a direction cosine."""
    values = [float(part) for part in cosine]
    largest = max(range(3), key=lambda index: abs(values[index]))
    return ("LR", "PA", "HF")[largest][values[largest] < 0]
