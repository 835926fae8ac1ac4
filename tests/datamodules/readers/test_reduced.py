"""Decoding at the size that is needed, against decoding whole and resizing with antialiasing."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from medvlm.datamodules.phantoms.findings import sample_patient
from medvlm.datamodules.phantoms.render import render_radiograph
from medvlm.datamodules.readers.codecs import decode_frames
from medvlm.datamodules.readers.reduced import fitting

MEAN, MOST = 0.004, 0.1  # shares of the range: the stated tolerance of a decode at the size that is needed

SYNTAX = {"jpeg": "1.2.840.10008.1.2.4.50", "j2k": "1.2.840.10008.1.2.4.90", "htj2k": "1.2.840.10008.1.2.4.201"}


@cache
def radiograph(height: int, width: int, bits: int) -> NDArray[Any]:
    """The phantom's chest with a detector's noise."""
    whole = render_radiograph(sample_patient(3, 0)[0], max(height, width), noise=False).pixels[:height, :width]
    grain = np.random.default_rng(0).standard_normal(whole.shape, dtype=np.float32)
    noisy = whole + 15 * cv2.GaussianBlur(grain, (0, 0), 0.7)
    kind = np.uint8 if bits == 8 else np.uint16
    return np.asarray(np.clip(np.rint(noisy * (2**bits - 1) / 4095), 0, 2**bits - 1), kind)


def compressed(pixels: NDArray[Any], kind: str, bits: int, **more: Any) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(SYNTAX[kind])
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (1, "MONOCHROME2") if pixels.ndim == 2 else (3, "RGB")
    dataset.BitsAllocated, dataset.BitsStored = 8 * pixels.dtype.itemsize, bits
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    frame = {
        "jpeg": lambda: imagecodecs.jpeg8_encode(pixels, 95),
        "j2k": lambda: imagecodecs.jpeg2k_encode(
            pixels, reversible=True, level=0, codecformat="j2k", bitspersample=bits
        ),
        "htj2k": lambda: imagecodecs.htj2k_encode(pixels, reversible=True),
    }[kind]()
    dataset.PixelData = encapsulate([bytes(frame)])
    dataset["PixelData"].VR = "OB"
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    return dataset


def decoded(dataset: Dataset, reduce: int = 0) -> tuple[NDArray[Any], int]:
    found = decode_frames(dataset, reduce=reduce)
    assert found is not None
    return found


def area(array: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    return np.asarray(cv2.resize(array.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize("shape", [(800, 640), (797, 635)])
@pytest.mark.parametrize(("kind", "bits"), [("jpeg", 8), ("j2k", 8), ("j2k", 12), ("htj2k", 8), ("htj2k", 12)])
@pytest.mark.parametrize("reduce", [1, 2])
def test_reduced_and_whole_agree_after_resizing(kind: str, bits: int, shape: tuple[int, int], reduce: int) -> None:
    dataset = compressed(radiograph(*shape, bits), kind, bits)
    small, made = decoded(dataset, reduce)
    assert (made, small.shape) == (reduce, tuple(-(-side // 2**reduce) for side in shape))
    apart = np.abs(area(small, 150, 120) - area(decoded(dataset)[0], 150, 120)) / 2**bits
    assert apart.mean() < MEAN
    assert apart.max() < MOST


@pytest.mark.parametrize("kind", ["j2k", "htj2k"])
@pytest.mark.parametrize("bits", [8, 12])
def test_a_filter_that_overshoots_is_clipped_not_wrapped(kind: str, bits: int) -> None:
    board = np.kron(np.random.default_rng(0).integers(0, 2, (32, 32)), np.ones((8, 8))) * (2**bits - 1)
    dataset = compressed(board.astype(np.uint8 if bits == 8 else np.uint16), kind, bits)
    small, _ = decoded(dataset, 1)
    assert small.max() < 1.1 * 2**bits  # HTJ2K was written with 16 bits, of which 12 are used
    assert np.abs(small.astype(np.float64)[1::4, 1::4] - board[2::8, 2::8]).max() < 0.2 * 2**bits


@pytest.mark.parametrize("kind", ["j2k", "htj2k"])
def test_signed_values_stay_signed(kind: str) -> None:
    volume = radiograph(128, 128, 12).astype(np.int16) - 1000
    dataset = compressed(volume, kind, 13)
    small, made = decoded(dataset, 1)
    assert made == 1
    assert small.dtype == np.int16
    assert np.abs(small - area(volume, 64, 64)).mean() < 0.01 * 4096


@pytest.mark.parametrize("kind", ["jpeg", "j2k", "htj2k"])
def test_colours_keep_their_order(kind: str) -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :48, 0], picture[:, 48:, 2] = 200, 100
    dataset = compressed(picture, kind, 8)
    if kind == "jpeg":
        dataset.PhotometricInterpretation = "YBR_FULL_422"
    small, made = decoded(dataset, 2)
    assert (made, small.shape) == (2, (16, 24, 3))
    assert np.abs(small[8, 4].astype(int) - (200, 0, 0)).max() < 6
    assert np.abs(small[8, 20].astype(int) - (0, 0, 100)).max() < 6


def test_what_cannot_be_averaged_is_decoded_whole() -> None:
    dataset = compressed(radiograph(64, 64, 8), "j2k", 8, PhotometricInterpretation="PALETTE COLOR")
    assert decoded(dataset, 2)[1] == 0


def test_no_more_is_left_out_than_the_codestream_has_levels() -> None:
    dataset = compressed(radiograph(64, 64, 12), "j2k", 12)
    frame = imagecodecs.jpeg2k_encode(
        radiograph(64, 64, 12), reversible=True, level=0, codecformat="j2k", resolutions=2
    )
    dataset.PixelData = encapsulate([bytes(frame)])
    small, made = decoded(dataset, 5)
    assert (made, small.shape) == (1, (32, 32))


@pytest.mark.parametrize(
    ("height", "width", "size", "expected"),
    [(2500, 2048, (448, 448), 2), (896, 896, (448, 448), 1), (895, 893, (448, 448), 0), (895, 895, (448, 448), 1),
     (300, 300, (448, 448), 0), (1, 1, (1, 1), 0)],
)  # fmt: skip
def test_never_smaller_than_needed(height: int, width: int, size: tuple[int, int], expected: int) -> None:
    assert fitting(height, width, size) == expected
