"""Compressed DICOM frames -> stored values, by the fastest decoder whose result is that of pydicom, bit for bit.

libjpeg-turbo (JPEG, 8 to 16 bits, lossless too), CharLS (JPEG-LS), OpenJPEG (JPEG 2000) and OpenJPH (HTJ2K) come with
imagecodecs; all are BSD or MIT. Three forms are read that pydicom's plugins cannot: 12-bit JPEG Extended, RLE of 1-bit
segmentations, deflated frames. A header that claims another size than the attributes is refused before decoding.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import convert_color_space

from medvlm.study import ImageError

from .codestreams import Codestream, parse_jpeg, parse_jpeg2000
from .common import Array, refuse_size
from .encapsulated import Family, Form, form_of, pieces_of
from .reduced import centered, levels_of, shrink_jpeg, shrink_jpeg2000

_RLE_GAIN = 64  # two bytes may become 128 (PS3.5 G.3)


def decode_frames(
    dataset: Dataset, frames: Sequence[int] | None = None, *, reduce: int = 0
) -> tuple[Array, int] | None:
    """Decode compressed frames with the fastest decoder that gives pydicom's values.

    Args:
        dataset: A parsed file with encapsulated Pixel Data (7FE0,0010).
        frames: Numbers of the frames, from 0; None for all.
        reduce: Wanted size: 1 / 2 ** reduce of the height and width (rounded up), where the codestream can be decoded
            at a smaller size: JPEG of 8 bits (DCT scaling), JPEG 2000 and HTJ2K (resolution levels). Resized further
            by area, a radiograph then differs from the whole one resized so by 0.001 of its range in the mean.

    Returns:
        Stored values, axes (t)yx(c), with t where ``frames`` is given or the file has several, colours as RGB; and the
        reduction that was made, 0 to ``reduce``. None where pydicom's own decoders must do it.

    Raises:
        ImageError: If a frame says another size than the attributes, there are fewer frames than asked for, or a frame
            is broken or cut off that only this module decodes.
    """
    form = form_of(dataset)
    if form is None:
        return None
    pieces = pieces_of(dataset, frames)
    if not pieces:
        return None
    streams = [_claims(form, piece) for piece in pieces]
    if not all(_is_known(form, stream) for stream in streams):
        return None
    made = min([reduce if form.can_be_averaged else 0, *(levels_of(one) if one else 0 for one in streams)])
    plane = _decode(pieces[0], form, streams[0], made)
    if plane is None or (len(pieces) == 1 and frames is None):
        return None if plane is None else (plane, made)
    array = np.empty((len(pieces), *plane.shape), plane.dtype)  # filled frame by frame: no second copy of them all
    for index, (piece, stream) in enumerate(zip(pieces, streams, strict=True)):
        next_plane = plane if index == 0 else _decode(piece, form, stream, made)
        if next_plane is None:
            return None
        array[index] = next_plane
    return array, made


def _decode(piece: bytes, form: Form, stream: Codestream | None, reduce: int) -> Array | None:
    """One frame, as pydicom gives it; None if its decoder refuses it and pydicom's may not."""
    try:
        plane = _DECODERS[form.family](piece, form, stream, reduce)
    except (OSError, RuntimeError, ValueError, zlib.error) as error:
        if form.is_ours_alone:
            raise ImageError(f"a broken {form.family} frame ({str(error) or type(error).__name__})") from error
        if form.family == "rle":  # pydicom unpacks all there is
            refuse_size("an RLE frame", _RLE_GAIN * len(piece), what="runs")
        return None
    return _as_rgb(_as_stored(plane, form, stream), form, stream)


def _claims(form: Form, piece: bytes) -> Codestream | None:
    """What a frame says of itself; refused where it is another image than the attributes describe.

    Raises:
        ImageError: If it is.
    """
    if form.family in ("rle", "deflate"):
        return None
    stream = parse_jpeg2000(piece) if form.family == "j2k" else parse_jpeg(piece)
    found = (stream.height, stream.width, stream.components)
    if found != (form.rows, form.columns, form.samples):
        raise ImageError(
            f"a frame says that it is {stream.height} x {stream.width} with {stream.components} component(s), "
            f"the attributes say {form.rows} x {form.columns} with {form.samples}"
        )
    if form.family == "jpeg" and not stream.is_complete:  # libjpeg would paint the rest gray
        raise ImageError("a JPEG frame is cut off: its end marker (ff d9) is missing")
    return stream


def _is_known(form: Form, stream: Codestream | None) -> bool:
    if stream is None:
        return True
    whole = stream.is_complete and stream.precision <= min(16, max(form.allocated, 8))
    return whole and not (stream.subsampled and form.family != "jpeg")


def _decode_jpeg(piece: bytes, form: Form, stream: Codestream | None, reduce: int) -> Array:
    import imagecodecs

    if reduce and stream is not None:
        return centered(shrink_jpeg(piece, stream, reduce), (form.rows, form.columns), reduce, wavelet=False)
    if form.samples == 1:
        return np.asarray(imagecodecs.jpeg8_decode(piece))
    # one space in and out: samples come as they are stored, and colours are made by one rule for all decoders
    return np.asarray(imagecodecs.jpeg8_decode(piece, colorspace="YCBCR", outcolorspace="YCBCR"))


def _decode_jpegls(piece: bytes, form: Form, stream: Codestream | None, reduce: int) -> Array:
    import imagecodecs

    return np.asarray(imagecodecs.jpegls_decode(piece))


def _decode_j2k(piece: bytes, form: Form, stream: Codestream | None, reduce: int) -> Array:
    import imagecodecs

    if stream is None:
        raise ValueError("JPEG 2000 without a header")
    if reduce:
        small = shrink_jpeg2000(piece, stream, reduce, form.high_throughput, form.stored)
        return centered(small, (form.rows, form.columns), reduce, wavelet=True)
    # OpenJPH wraps what a lossy wavelet carries beyond the range, OpenJPEG clips it
    if form.high_throughput and stream.lossless:
        return np.asarray(imagecodecs.htj2k_decode(piece))
    return np.asarray(imagecodecs.jpeg2k_decode(piece))


def _decode_rle(piece: bytes, form: Form, stream: Codestream | None, reduce: int) -> Array:
    """PS3.5 annex G: a segment for each byte of a sample, the highest first; planes of colours one after another."""
    import imagecodecs

    kind = np.dtype(f"<u{max(form.allocated, 8) // 8}")
    segments = int.from_bytes(piece[:4], "little")
    if segments != kind.itemsize * form.samples:
        raise ValueError(f"{segments} RLE segments, expected {kind.itemsize * form.samples}")
    starts = [int.from_bytes(piece[4 * index : 4 * index + 4], "little") for index in range(1, segments + 1)]
    if any(stop <= start for start, stop in pairwise((63, *starts, len(piece)))):  # imagecodecs would read beside them
        raise ValueError(f"RLE segments at {starts} of {len(piece)} bytes")
    needed = form.rows * form.columns * form.samples * kind.itemsize
    if form.allocated == 1:
        needed = (form.rows * form.columns + 7) // 8
    # no more than this is unpacked; segments that are padded beyond it are left to pydicom
    values = np.frombuffer(imagecodecs.dicomrle_decode(piece, kind, out=bytearray(needed)), kind)
    return _unpack(values, form) if form.allocated == 1 else _by_pixel(values, form, planar=True)


def _decode_deflate(piece: bytes, form: Form, stream: Codestream | None, reduce: int) -> Array:
    """PS3.5 A.4.13: each frame is an RFC 1951 stream of native pixels; no more is unpacked than the attributes say."""
    count = form.rows * form.columns * form.samples
    needed = (count * form.allocated + 7) // 8
    data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(piece, needed)
    if len(data) < needed:
        raise ValueError(f"{len(data):,} of {needed:,} bytes are there")
    values = np.frombuffer(data, f"<u{max(form.allocated, 8) // 8}")
    return _unpack(values, form) if form.allocated == 1 else _by_pixel(values, form, planar=form.planar)


_DECODERS: dict[Family, Callable[[bytes, Form, Codestream | None, int], Array]] = {
    "jpeg": _decode_jpeg,
    "jpegls": _decode_jpegls,
    "j2k": _decode_j2k,
    "rle": _decode_rle,
    "deflate": _decode_deflate,
}


def _unpack(values: Array, form: Form) -> Array:
    """Single bits, the first pixel in the lowest (PS3.5 8.1.1)."""
    bits = np.unpackbits(values, bitorder="little", count=form.rows * form.columns)
    return bits.reshape(form.rows, form.columns)


def _by_pixel(values: Array, form: Form, *, planar: bool) -> Array:
    if form.samples == 1:
        return values.reshape(form.rows, form.columns)
    if planar:
        return np.ascontiguousarray(np.moveaxis(values.reshape(form.samples, form.rows, form.columns), 0, -1))
    return values.reshape(form.rows, form.columns, form.samples)


def _as_stored(plane: Array, form: Form, stream: Codestream | None) -> Array:
    """Give decoded samples the type and sign that the attributes state, as pydicom does.

    Codestreams know no sign (JPEG), or a wrong one (some JPEG 2000); bits above the stored ones mean nothing.
    """
    own = plane.view(f"{'i' if form.signed else 'u'}{plane.dtype.itemsize}") if form.allocated > 1 else plane
    values = own.astype(form.dtype, copy=False)
    used = form.stored
    if stream is not None and form.family == "jpegls":
        used = stream.precision if form.signed else form.allocated
    elif stream is not None and form.family == "j2k":
        wrong = stream.signed != form.signed and form.photometric.startswith("MONOCHROME")
        used = stream.precision if wrong else form.allocated
    spare = form.allocated - used
    if spare <= 0 or (values.dtype.kind == "u" and not values.max() >> used):  # nothing there: most files
        return values
    return (values << spare) >> spare


def _as_rgb(array: Array, form: Form, stream: Codestream | None) -> Array:
    """Colours as RGB. Component names and a JFIF marker outweigh the attribute, as they do for pydicom."""
    photometric = form.photometric
    if form.samples == 3 and stream is not None and form.family != "j2k":
        if stream.ids in (b"RGB", b"rgb"):
            photometric = "RGB"
        elif stream.is_jfif and "YBR" not in photometric:
            photometric = "YBR_FULL"
    if photometric in ("YBR_FULL", "YBR_FULL_422"):
        return convert_color_space(array, "YBR_FULL", "RGB")
    return array
