"""What an image, a sample and an answer are, and the errors that every floor of medvlm raises.

The errors, so that a caller can choose how much to catch::

    MedvlmError
    ├── ImageError        a file or array cannot be read as an image (also a ValueError)
    │   └── GeometryError a series is no regular volume: gaps, tilt, duplicates (names each)
    ├── RecipeMismatch    an image does not fit the intensity recipe of a model
    ├── SampleError       a record of a set is unusable: no answer, answer not among its options
    └── WeightsError      a checkpoint is missing, unsafe or of another architecture
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Repair = bool | Literal["dcm2niix"]
"""Whether an irregular series is resampled: not at all, by ourselves, or by the corrected file of dcm2niix."""
AnswerKind = Literal["choice", "closed", "open", "report", "box", "number"]


class MedvlmError(Exception):
    """Base of every error that medvlm raises on purpose."""


class ImageError(MedvlmError, ValueError):
    """A file, folder or array cannot be read as an image; the message names what was found."""


class GeometryError(ImageError):
    """The slices of a folder make no regular volume; the message names every reason."""


class RecipeMismatch(MedvlmError, ValueError):
    """An image does not fit an intensity recipe (modality, spacing, shape); it is refused, never guessed."""


class SampleError(MedvlmError, ValueError):
    """A record of a set cannot be used; the message names the record and the field."""


class WeightsError(MedvlmError, ValueError):
    """A checkpoint is missing, unsafe to load or of another architecture."""


@dataclass(frozen=True, slots=True)
class Image:
    """The pixels of one image or volume, and what they mean.

    Attributes:
        array: Values after the modality LUT (0028,3000) or rescale (0028,1052/1053), inverted for nothing yet.
        axes: One letter an axis: ``yx``, ``yxc``, ``zyx``, ``tyx`` or ``tyxc`` (z slices, t frames, c channels).
        modality: DICOM modality (0008,0060) where known, else ``OT``.
        unit: ``HU``, ``stored`` (arbitrary scanner units) or ``display`` (as on a screen, 0 to the dtype's maximum).
        spacing: Millimetres along each spatial axis, in the order of ``axes`` (no entry for t and c); None if unknown.
        orientation: Patient direction in which each spatial axis grows, in the order of ``axes`` (``SPL`` for a zyx
            volume whose z grows to the head, y to the back and x to the patient's left); None if unknown.
        inverted: True for MONOCHROME1 (0028,0004): low values are shown white.
        windows: Window (center, width) pairs (0028,1050/1051) of the file, first one first.
        source: What the pixels came from, naming no patient (``dicom:`` + hash of the SOP instance UID, for example).
        notes: What a reader of the result must know: repairs, assumed values, skipped files.
    """

    array: NDArray[np.generic]
    axes: str
    modality: str = "OT"
    unit: Literal["HU", "stored", "display"] = "display"
    spacing: tuple[float, ...] | None = None
    orientation: str | None = None
    inverted: bool = False
    windows: tuple[tuple[float, float], ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_volume(self) -> bool:
        """Whether the image has slices (``z``)."""
        return "z" in self.axes


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a whole slide, and the size at which it is shown.

    Attributes:
        box: ``(x0, y0, x1, y1)`` in pixels of level 0, the finest one.
        size: Height and width of the picture, in pixels.
    """

    box: tuple[int, int, int, int]
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where the pixels of a sample are; nothing is read until they are asked for.

    Attributes:
        path: A file (DICOM, NIfTI, PNG, JPEG, slide) or a folder of slices.
        volume: Whether the path holds a volume (shown to the model as a video of slices).
        region: Which part of a whole slide is shown; None for all of it, and for everything else.
        rescale: Slope and intercept (0028,1053/1052) of a CT whose set publishes them in a table; they are applied
            unless the file's numbers are HU already. None for everything else.
        modality: DICOM modality (0008,0060) where the file itself cannot say it, as NIfTI and NumPy files cannot.
    """

    path: Path
    volume: bool = False
    region: Region | None = None
    rescale: tuple[float, float] | None = None
    modality: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One question about images, with its answer.

    Attributes:
        id: Unique within its set, stable over runs.
        images: The images, in the order in which they are shown.
        question: The user's text, without options and without image placeholders.
        answer: The reference answer: an option's text for ``choice``, ``x0 y0 x1 y1`` in 0..1 for ``box``.
        kind: What form the answer has.
        options: Option texts of a ``choice``, in order; letters A, B, C follow from the position.
        group: What must never straddle a split: a patient or an image.
        split: ``train``, ``validate`` or ``test``.
        categories: Names by which scores are broken down (``{"task": "presence", "organ": "CHEST"}``).
        rationale: Reasoning to imitate between ``<think>`` tags; empty where there is none.
        weak_answer: The answer that a report miner gives, right or wrong; None where there is none.
        extra: Every other field of the record, kept as it was.
        instruction: The text that ends the prompt, as a protocol of evaluation words it; that of the kind where None,
            nothing where empty.
    """

    id: str
    images: tuple[ImageRef, ...]
    question: str
    answer: str
    kind: AnswerKind
    options: tuple[str, ...] = ()
    group: str = ""
    split: str = "train"
    categories: Mapping[str, str] = field(default_factory=dict)
    rationale: str = ""
    weak_answer: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    instruction: str | None = None


def need(module: str, extra: str) -> ModuleType:
    """Import an optional package, or say which extra brings it.

    Args:
        module: Name to import.
        extra: The extra of medvlm that installs it.

    Raises:
        ImportError: If the package is absent; the message is the command to run.

    Examples:
        >>> need("json", "metrics").__name__
        'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise ImportError(f"{module} is not installed: pip install 'medvlm[{extra}]'", name=module) from None
