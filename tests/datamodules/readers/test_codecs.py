"""Compressed frames: pydicom's values to the bit, what pydicom cannot decode, hostile headers."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pydicom.data
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from medvlm.datamodules.readers.codecs import decode_frames
from medvlm.datamodules.readers.codestreams import parse_jpeg, parse_jpeg2000
from medvlm.study import ImageError

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "dicom_pydicom_data"
OWN = Path(str(pydicom.data.__file__)).parent / "test_files"
FILES = sorted(path for folder in (OWN, SHARED) if folder.is_dir() for path in folder.rglob("*.dcm"))
SYNTAX = {
    "lossless": "1.2.840.10008.1.2.4.70", "jpeg": "1.2.840.10008.1.2.4.50", "jpegls": "1.2.840.10008.1.2.4.80",
    "j2k": "1.2.840.10008.1.2.4.90", "htj2k": "1.2.840.10008.1.2.4.201", "deflate": "1.2.840.10008.1.2.8.1",
    "rle": "1.2.840.10008.1.2.5",
}  # fmt: skip
ENCODE: dict[str, Callable[[NDArray[Any]], bytes]] = {
    "lossless": lambda a: bytes(imagecodecs.jpeg8_encode(a, lossless=True, predictor=1, bitspersample=12)),
    "jpegls": lambda a: bytes(imagecodecs.jpegls_encode(a)),
    "j2k": lambda a: bytes(imagecodecs.jpeg2k_encode(a, reversible=True, level=0, codecformat="j2k")),
    "htj2k": lambda a: bytes(imagecodecs.htj2k_encode(a, reversible=True)),
}


def made(frames: list[bytes], kind: str, shape: tuple[int, ...], *, extended: bool = False, **more: Any) -> Dataset:
    """A data set of these frames; gray of 16 bits, 12 of them used, unless ``more`` says otherwise."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(SYNTAX[kind])
    dataset.Rows, dataset.Columns = shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.NumberOfFrames = 16, 12, 11, len(frames)
    dataset.PixelData = encapsulate(frames)
    if extended:
        dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(
            frames
        )
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OB"
    return dataset


def noise(*shape: int, top: int = 4095) -> NDArray[Any]:
    return np.random.default_rng(1).integers(0, top, shape, np.uint16, endpoint=True)


def decoded(dataset: Dataset, **options: Any) -> NDArray[Any]:
    found = decode_frames(dataset, **options)
    assert found is not None
    return found[0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_values_are_those_of_pydicom(path: Path) -> None:
    dataset = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in dataset.get("file_meta", {}) or "PixelData" not in dataset:
        pytest.skip("no pixels")
    try:
        expected = pixel_array(dataset)
    except (RuntimeError, ValueError, NotImplementedError, AttributeError) as error:
        pytest.skip(f"pydicom cannot decode it: {error}")
    found = decode_frames(dataset)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        assert found is not None
        assert (found[0].dtype, found[1]) == (expected.dtype, 0)
        np.testing.assert_array_equal(found[0], expected)
    else:
        assert found is None


@pytest.mark.parametrize("name", ["JPEG-lossy", "JPGExtended"])
def test_twelve_bit_jpeg_is_decoded_as_gdcm_does(name: str) -> None:
    itk = pytest.importorskip("SimpleITK")
    path = OWN / f"{name}.dcm"
    expected = itk.GetArrayFromImage(itk.ReadImage(path))[0]
    found = decoded(pydicom.dcmread(path)).astype(np.int64)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("kind", ["rle", "deflate"])
@pytest.mark.parametrize("name", ["liver", "liver_nonbyte_aligned"])
def test_single_bits_are_those_of_the_uncompressed_twin(data: Path, name: str, kind: str) -> None:
    folder = data / "dicom_pydicom_data"
    expected = pydicom.dcmread(folder / f"{name}.dcm").pixel_array
    np.testing.assert_array_equal(decoded(pydicom.dcmread(folder / f"{name}_{kind}.dcm")), expected)


@pytest.mark.parametrize("kind", ENCODE)
@pytest.mark.parametrize("signed", [0, 1])
def test_twelve_bits_come_back_as_they_were_encoded(kind: str, signed: int) -> None:
    raw = noise(37, 51)
    expected = ((raw << 4).view(np.int16) >> 4) if signed else raw
    # JPEG knows no sign: its encoders are given the 12 bits (or, for JPEG-LS, all 16) of the two's complement
    written = {"lossless": raw, "jpegls": expected.view(np.uint16)}.get(kind, expected)
    dataset = made([ENCODE[kind](written)], kind, raw.shape, PixelRepresentation=signed)
    np.testing.assert_array_equal(decoded(dataset), expected)
    np.testing.assert_array_equal(pixel_array(dataset), expected)


@pytest.mark.parametrize("extended", [False, True])
def test_frames_are_found_and_chosen(extended: bool) -> None:
    frames = [noise(16, 16, top=900 * (i + 1)) for i in range(4)]
    dataset = made([ENCODE["jpegls"](frame) for frame in frames], "jpegls", (16, 16), extended=extended)
    np.testing.assert_array_equal(decoded(dataset), np.stack(frames))
    np.testing.assert_array_equal(decoded(dataset, frames=[2, 0]), np.stack([frames[2], frames[0]]))
    with pytest.raises(ImageError, match=r"frames \[4\] are asked for, there are 0 to 3"):
        decode_frames(dataset, [4])


def test_a_frame_in_several_fragments_is_joined() -> None:
    raw = noise(64, 64)
    dataset = made([b"--"], "j2k", raw.shape)
    dataset.PixelData = encapsulate([ENCODE["j2k"](raw)], fragments_per_frame=5)
    np.testing.assert_array_equal(decoded(dataset), raw)


def test_more_frames_than_stated_are_left_to_pydicom() -> None:
    raw = ENCODE["jpegls"](noise(8, 8))
    assert decode_frames(made([raw, raw, raw], "jpegls", (8, 8), NumberOfFrames=2)) is None


@pytest.mark.parametrize("planar", [0, 1])
def test_deflated_colours_by_pixel_and_by_plane(planar: int) -> None:
    colors = np.random.default_rng(2).integers(0, 256, (5, 7, 3), np.uint8)
    raw = (np.moveaxis(colors, -1, 0) if planar else colors).tobytes()
    packer = zlib.compressobj(wbits=-15)
    dataset = made([packer.compress(raw) + packer.flush()], "deflate", (5, 7), SamplesPerPixel=3, BitsAllocated=8,
                   BitsStored=8, PhotometricInterpretation="RGB", PlanarConfiguration=planar)  # fmt: skip
    np.testing.assert_array_equal(decoded(dataset), colors)


def test_a_deflated_frame_is_not_unpacked_beyond_its_size() -> None:
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(1 << 28)) + packer.flush()
    assert not decoded(made([bomb], "deflate", (4, 4))).any()
    short = zlib.compressobj(wbits=-15)
    with pytest.raises(ImageError, match="31 of 32 bytes"):
        decode_frames(made([short.compress(bytes(31)) + short.flush()], "deflate", (4, 4)))


def rle(*segments: bytes) -> bytes:
    starts = np.cumsum([64, *map(len, segments)])[:-1]
    return np.array([len(segments), *starts, *[0] * (15 - len(segments))], "<u4").tobytes() + b"".join(segments)


def test_padded_rle_is_left_to_pydicom_unless_it_may_be_a_bomb() -> None:
    byte: Any = {"BitsAllocated": 8, "BitsStored": 8}
    assert decoded(made([rle(b"\xf1\x07")], "rle", (4, 4), **byte)).tolist() == [[7] * 4] * 4
    assert decode_frames(made([rle(b"\xef\x07")], "rle", (4, 4), **byte)) is None  # 18 bytes for 16 pixels
    with pytest.raises(ImageError, match="runs would take"):
        decode_frames(made([rle(b"\x81\x00" * 17_000_000)], "rle", (4, 4), **byte))


def _claim(kind: str, data: bytes, height: int, width: int) -> bytes:
    """The same codestream, whose header says another size."""
    if kind in ("j2k", "htj2k"):
        return data[:8] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + data[16:]
    place = next(i for i in range(len(data)) if data[i] == 0xFF and data[i + 1] in (0xC0, 0xC3, 0xF7))
    return data[: place + 5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[place + 9 :]


@pytest.mark.parametrize("kind", ENCODE)
def test_a_codestream_that_claims_gigapixels_is_refused_before_it_is_decoded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("jpeg8_decode", "jpegls_decode", "jpeg2k_decode", "htj2k_decode"):
        monkeypatch.setattr(imagecodecs, name, lambda *_, **__: pytest.fail("it was decoded"))
    bomb = _claim(kind, ENCODE[kind](noise(16, 16)), 60_000, 50_000)
    with pytest.raises(ImageError, match=r"60000 x 50000 with 1 component.*the attributes say 16 x 16"):
        decode_frames(made([bomb], kind, (16, 16)))


def test_a_jpeg_that_is_cut_off_is_refused_not_filled_up() -> None:
    whole = ENCODE["lossless"](noise(64, 64))
    with pytest.raises(ImageError, match="end marker"):
        decode_frames(made([whole[: len(whole) // 2]], "lossless", (64, 64)))


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00\x11\x08", bytes(50), b"\xff\xd8" + b"\xff" * 99]
)
def test_bytes_that_are_no_jpeg_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="JPEG"):
        parse_jpeg(data)


@pytest.mark.parametrize("data", [b"", b"\xff\x4f\xff\x51", bytes(99), b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(20)])
def test_bytes_that_are_no_jpeg_2000_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="J"):
        parse_jpeg2000(data)


@pytest.mark.parametrize("kind", ENCODE)
def test_flipped_bytes_end_in_pixels_or_in_a_known_error(kind: str) -> None:
    rng = np.random.default_rng(3)
    whole = ENCODE[kind](noise(32, 32))
    for _ in range(40):
        bad = bytearray(whole)
        bad[int(rng.integers(2, len(bad)))] ^= int(rng.integers(1, 256))
        try:
            found = decode_frames(made([bytes(bad)], kind, (32, 32)))
        except ImageError:
            continue
        assert found is None or found[0].shape == (32, 32)
