"""One radiograph, 2500 x 2048 of 12 bits, from a DICOM file to a normalised (3, 448, 448) tensor, by transfer syntax.

Ours reads with :func:`~medvlm.datamodules.readers.read_image` and prepares with the model's image processor. ``whole``
takes all pixels (the default) and must not be slower than a peer; ``fit`` asks for no more than the recipe needs. The
peers: pydicom with its plugins, the file's window in NumPy and Hugging Face's ``SiglipImageProcessor`` (bilinear,
antialiased); MONAI's ``LoadImage``, ``ScaleIntensityRange`` and ``Resize`` (area). ``apart`` is the largest difference
of the tensors, whose range is 2.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, generate_uid
from torch import Tensor

from medvlm.datamodules.readers import read_image
from medvlm.models.image_processing import MedVLMImageProcessor
from medvlm.recipes import RECIPES
from tools.bench.data_rows import Row, compare

ROWS, COLUMNS, BITS, SIZE = 2500, 2048, 12, (448, 448)
WINDOW = (2048.0, 4096.0)
SYNTAXES = {
    "raw": "1.2.840.10008.1.2.1",
    "lossless JPEG": "1.2.840.10008.1.2.4.70",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
    "HTJ2K": "1.2.840.10008.1.2.4.201",
}
TARGETS = {"raw": 4.0, "lossless JPEG": 4.0, "JPEG-LS": 2.0, "JPEG 2000": 4.0, "HTJ2K": 10.0}


def measure(repeats: int) -> list[Row]:
    """Rows of every transfer syntax against both peers.

    Args:
        repeats: Timed runs of each side.
    """
    pixels = make_radiograph()
    processor = MedVLMImageProcessor([RECIPES["cxr"].model_copy(update={"size": SIZE})])
    peers = {f"pydicom {version('pydicom')} + HF processor": _huggingface(), f"MONAI {version('monai')}": _monai()}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, syntax in SYNTAXES.items():
            path, ratio = write_radiograph(Path(folder) / "image.dcm", pixels, name, syntax)
            whole = partial(_ours, processor, None, path)
            fit = partial(_ours, processor, processor.needed, path)
            ways = {"whole": (whole, 1.0), "fit": (fit, TARGETS[name])}
            for way, (ours, target) in ways.items():
                remark = f"{ratio:.1f}:1, {_apart(ours(), whole())}" if way == "fit" else f"{ratio:.1f}:1"
                rows += [
                    compare(f"{name}, {way}", ours, partial(peer, path), peer_name=title, repeats=repeats,
                            difference=lambda one, two: float((one - two).abs().max()), target=target, remark=remark)
                    for title, peer in peers.items()
                ]  # fmt: skip
    return rows


def make_radiograph() -> NDArray[np.uint16]:
    """The thorax phantom with a detector's noise, which compresses about as radiographs do (2.7 to 3 : 1)."""
    import cv2

    from medvlm.datamodules.phantoms.findings import sample_patient
    from medvlm.datamodules.phantoms.render import render_radiograph

    side = (ROWS - COLUMNS) // 2
    ideal = render_radiograph(sample_patient(3, 0)[0], ROWS, noise=False).pixels[:, side : side + COLUMNS]
    grain = np.random.default_rng(0).standard_normal(ideal.shape, dtype=np.float32)
    noisy = ideal + 21 * cv2.GaussianBlur(grain, (0, 0), 0.7)
    return np.asarray(np.clip(np.rint(noisy), 0, 2**BITS - 1), np.uint16)


def write_radiograph(path: Path, pixels: NDArray[np.uint16], name: str, syntax: str) -> tuple[Path, float]:
    """Write it in a transfer syntax; the path, and how many times smaller the pixels became.

    Args:
        path: Where to.
        pixels: Stored values.
        name: One of :data:`SYNTAXES`.
        syntax: Its UID.
    """
    import imagecodecs

    encode: dict[str, Callable[[], Any]] = {
        "raw": lambda: pixels.tobytes(),
        "lossless JPEG": lambda: imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=BITS),
        "JPEG-LS": lambda: imagecodecs.jpegls_encode(pixels),
        "JPEG 2000": lambda: imagecodecs.jpeg2k_encode(
            pixels, reversible=True, level=0, codecformat="j2k", bitspersample=BITS
        ),
        "HTJ2K": lambda: imagecodecs.htj2k_encode(pixels, reversible=True),
    }
    frame = bytes(encode[name]())
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid(entropy_srcs=[name])
    dataset.Modality, dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "DX", "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, BITS, BITS - 1, 0
    dataset.PixelSpacing = [0.14, 0.14]
    dataset.WindowCenter, dataset.WindowWidth = WINDOW
    dataset.PixelData = frame if name == "raw" else encapsulate([frame])
    dataset["PixelData"].VR = "OW" if name == "raw" else "OB"
    dataset.save_as(path, enforce_file_format=True)
    return path, pixels.nbytes / len(frame)


def _ours(processor: MedVLMImageProcessor, size: tuple[int, int] | None, path: Path) -> Tensor:
    return processor.pixels(read_image(path, size=size))


def _huggingface() -> Callable[[Path], Tensor]:
    from PIL import Image
    from pydicom import dcmread
    from transformers import SiglipImageProcessor

    processor = SiglipImageProcessor(size={"height": SIZE[0], "width": SIZE[1]}, resample=Image.Resampling.BILINEAR)
    low = WINDOW[0] - WINDOW[1] / 2

    def read(path: Path) -> Tensor:
        values = dcmread(path).pixel_array.astype(np.float32)
        shown = np.clip((values - low) * (255 / (WINDOW[1] - 1)), 0, 255).astype(np.uint8)
        picture = Image.fromarray(shown).convert("RGB")
        tensor: Tensor = processor(picture, return_tensors="pt")["pixel_values"][0]
        return tensor

    return read


def _monai() -> Callable[[Path], Tensor]:
    from monai.transforms.compose import Compose
    from monai.transforms.intensity.array import ScaleIntensityRange
    from monai.transforms.io.array import LoadImage
    from monai.transforms.spatial.array import Resize
    from monai.transforms.utility.array import RepeatChannel

    low = WINDOW[0] - WINDOW[1] / 2
    steps = Compose(
        [
            LoadImage(image_only=True, ensure_channel_first=True),
            ScaleIntensityRange(low, low + WINDOW[1] - 1, -1.0, 1.0, clip=True),
            Resize(SIZE, mode="area"),
            RepeatChannel(3),
        ]
    )

    def read(path: Path) -> Tensor:
        found: Any = torch.as_tensor(steps(str(path)))
        tensor: Tensor = found.reshape(3, *SIZE).transpose(1, 2)  # MONAI has columns first
        return tensor

    return read


def _apart(one: Tensor, two: Tensor) -> str:
    apart = (one - two).abs()
    return f"from the whole in the mean {apart.mean():.4f}, at most {apart.max():.3f} of a range of 2"
