"""Every form of DICOM pixels that pydicom can write: bits, signs, byte orders, colour layouts, files without header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from medvlm.datamodules import readers
from medvlm.datamodules.readers import common
from medvlm.study import ImageError

read_image: Any = readers.read_image  # tests look into the pixels of any type


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64])
def test_integers_of_every_width_and_sign(write: Any, kind: Any) -> None:
    values = np.array([[0, 1, 100], [-3 if np.issubdtype(kind, np.signedinteger) else 3, 7, 120]]).astype(kind)
    image = read_image(write("a.dcm", values, Modality="MR"))
    np.testing.assert_array_equal(image.array, values)


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", np.float32), ("DoubleFloatPixelData", np.float64)])
def test_floats(write: Any, keyword: str, kind: Any) -> None:
    values = np.array([[0.5, -1e6], [3.25, np.nan]], kind)
    path = write("a.dcm", np.zeros((2, 2), f"u{np.dtype(kind).itemsize}"), Modality="MR")
    dataset = pydicom.dcmread(path)
    del dataset.PixelData, dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit
    setattr(dataset, keyword, values.tobytes())
    dataset.save_as(path)
    image = read_image(path)
    assert image.array.tolist() == [[0.5, -1e6], [3.25, -1e6]]
    assert "1 pixels were NaN" in image.notes[0]


def test_one_bit_a_pixel(write: Any) -> None:
    bits = np.array([[1, 0, 0, 1, 1], [0, 1, 1, 0, 1], [1, 1, 1, 0, 0]], np.uint8)
    path = write("a.dcm", bits, BitsAllocated=1, BitsStored=1, HighBit=0)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = np.packbits(bits.ravel(), bitorder="little").tobytes()
    dataset.save_as(path)
    np.testing.assert_array_equal(read_image(path).array, bits)


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint32])
def test_every_uncompressed_transfer_syntax(write: Any, tmp_path: Path, syntax: Any, kind: Any) -> None:
    values = np.arange(15, dtype=kind).reshape(3, 5) * 7
    dataset = pydicom.dcmread(write("a.dcm", values, Modality="MR"))
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        data = values.astype(values.dtype.newbyteorder(">")).tobytes()
        if kind == np.uint8:  # OW: bytes go in pairs
            data = np.frombuffer(data + b"\0", "<u2").astype(">u2").tobytes()
        dataset.PixelData = data
        dataset["PixelData"].VR = "OW"
    pydicom.dcmwrite(tmp_path / "b.dcm", dataset, implicit_vr=syntax == ImplicitVRLittleEndian,
                     little_endian=syntax != ExplicitVRBigEndian, force_encoding=True)  # fmt: skip
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").array, values)


@pytest.mark.parametrize(("implicit", "little"), [(False, True), (True, True), (False, False)])
def test_without_preamble_and_header(write: Any, tmp_path: Path, implicit: bool, little: bool) -> None:
    values = np.arange(6, dtype=np.uint16).reshape(2, 3)
    dataset = pydicom.dcmread(write("a.dcm", values, RescaleSlope=1, RescaleIntercept=-1024))
    bare = Dataset()
    bare.update(dataset)
    bare["PixelData"].value = values.astype("<u2" if little else ">u2").tobytes()
    bare.save_as(tmp_path / "b.dcm", implicit_vr=implicit, little_endian=little)
    assert (tmp_path / "b.dcm").read_bytes()[128:132] != b"DICM"
    image = read_image(tmp_path / "b.dcm")
    np.testing.assert_array_equal(image.array, values.astype(int) - 1024)
    assert image.unit == "HU"


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_colours_by_pixel_and_by_plane(write: Any, planar: int, photometric: str) -> None:
    colors = np.array([[[250, 10, 10], [10, 250, 10]], [[10, 10, 250], [200, 200, 200]]], np.uint8)
    stored = colors
    if photometric == "YBR_FULL":  # PS3.3 C.7.6.3.1.2
        matrix = [[0.2990, 0.5870, 0.1140], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]]
        stored = np.rint(colors @ np.array(matrix).T + [0, 128, 128]).astype(np.uint8)
    layout = stored if planar == 0 else stored.transpose(2, 0, 1)
    path = write("a.dcm", np.zeros((2, 2), np.uint8), SamplesPerPixel=3, PlanarConfiguration=planar,
                 PhotometricInterpretation=photometric, PixelData=layout.tobytes(), Modality="XC")  # fmt: skip
    image = read_image(path)
    assert np.abs(image.array.astype(int) - colors).max() <= (0 if photometric == "RGB" else 2)
    assert (image.axes, image.unit) == ("yxc", "display")


def test_stored_bits_that_do_not_begin_at_the_bottom(write: Any) -> None:
    stored = (np.arange(6, dtype=np.uint16).reshape(2, 3) * 100) << 4 | 0xF
    image = read_image(write("a.dcm", stored, BitsStored=12, HighBit=15, Modality="MR"))
    assert image.array.ravel().tolist() == [0, 100, 200, 300, 400, 500]


@pytest.mark.parametrize("bits", [0, 17, 99])
def test_bits_that_cannot_be_are_not_used(write: Any, bits: int) -> None:
    values = np.array([[1, 60000]], np.uint16)
    np.testing.assert_array_equal(read_image(write("a.dcm", values, BitsStored=bits, Modality="MR")).array, values)


def test_rle_is_what_was_written(write: Any) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (2, 9, 7), np.uint16)
    path = write("a.dcm", values, NumberOfFrames=2, Modality="US")
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)
    np.testing.assert_array_equal(read_image(path).array, values)


def test_a_deflated_bomb_is_refused_before_it_is_unpacked(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("a.dcm", np.zeros((2, 2), np.uint8), PixelData=bytes(2**24))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    assert path.stat().st_size < 2**16
    monkeypatch.setattr(common, "MAX_BYTES", 2**22)
    with pytest.raises(ImageError, match=r"a\.dcm: its unpacked content would take"):
        read_image(path)


def test_a_dicomdir_says_what_to_give_instead() -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests" / "DICOMDIR"
    with pytest.raises(ImageError, match=r"a DICOMDIR, the index of a disc.*give the folder of a series"):
        read_image(path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rtplan.dcm", "give the CT under it"),
        ("rtstruct.dcm", "give the CT under it"),
        ("test-SR.dcm", "give the image that it reports on"),
        ("waveform_ecg.dcm", "it holds a waveform"),
    ],
)
def test_an_object_without_pixels_says_what_to_give(name: str, reason: str) -> None:
    with pytest.raises(ImageError, match=rf"without pixels \(.*\).*{reason}"):
        read_image(Path(pydicom.__file__).parent / "data" / "test_files" / name)


def test_a_film_says_what_to_give(write: Any) -> None:
    path = write("a.dcm", np.zeros((2, 2), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.MPEG4HP41
    dataset.PixelData = pydicom.encaps.encapsulate([b"\0\0\1\xb3"])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    with pytest.raises(ImageError, match=r"a film .*MPEG-4.*export its frames"):
        read_image(path)


def test_a_count_that_is_none_is_named_with_its_tag() -> None:
    with pytest.raises(ImageError, match=r"badVR\.dcm: NumberOfFrames \(0028,0008\) is no whole number"):
        read_image(Path(pydicom.__file__).parent / "data" / "test_files" / "badVR.dcm")
