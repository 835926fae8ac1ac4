"""What the header of a compressed frame claims, read before a decoder allocates anything for it.

JPEG: ISO/IEC 10918-1 annex B; JPEG-LS: ISO/IEC 14495-1 annex C; JPEG 2000: ISO/IEC 15444-1 annex A; HTJ2K: 15444-15.
"""

from __future__ import annotations

from dataclasses import dataclass

from medvlm.study import ImageError

_SOI, _SOS, _SOC, _SIZ, _COD, _SOT = 0xD8, 0xDA, 0xFF4F, 0xFF51, 0xFF52, 0xFF90
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15 without DHT, JPG and DAC
_JPEG_LS_FRAME = 0xF7
_LOSSLESS_FRAMES = (0xC3, _JPEG_LS_FRAME)
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_JP2 = b"\x00\x00\x00\x0cjP  "
_END = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Codestream:
    """Claims of a codestream about itself.

    Attributes:
        height: Rows.
        width: Columns.
        components: Colours.
        precision: Bits of a sample.
        signed: Whether samples are signed (JPEG 2000 only; JPEG does not say).
        lossless: Whether decoding is defined to the last bit (a lossless JPEG process, JPEG-LS, a reversible wavelet).
        subsampled: Whether components differ in size.
        levels: How many times its size can be halved while decoding.
        ids: Component identifiers of a JPEG; ``R``, ``G``, ``B`` say that no colour transform was used.
        is_jfif: Whether it is a JFIF file, whose colours are YCbCr by definition.
        is_complete: Whether the end marker is there.
    """

    height: int
    width: int
    components: int
    precision: int
    signed: bool = False
    lossless: bool = False
    subsampled: bool = False
    levels: int = 0
    ids: bytes = b""
    is_jfif: bool = False
    is_complete: bool = True


def parse_jpeg(data: bytes) -> Codestream:
    """Read the header of a JPEG or JPEG-LS frame.

    Args:
        data: The frame, padding at its end included.

    Raises:
        ImageError: If it is none.
    """
    if data[:2] != bytes((0xFF, _SOI)):
        raise ImageError(f"no JPEG: it starts with {data[:4].hex(' ') or 'nothing'}, expected ff d8")
    place, is_jfif = 2, False
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            raise ImageError(f"a broken JPEG: no marker at byte {place}")
        marker = data[place + 1]
        if marker == 0xFF or marker in _BARE:  # fill bytes, and markers without content
            place += 1 if marker == 0xFF else 2
            continue
        content = data[place + 4 : place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")]
        if marker in _JPEG_FRAMES or marker == _JPEG_LS_FRAME:
            return _jpeg_frame(marker, content, is_jfif, _END in data[-16:])
        if marker == _SOS:
            break
        is_jfif |= 0xE0 <= marker <= 0xEF and content.startswith(b"JFIF")
        place += 4 + len(content)
    raise ImageError("a JPEG without a frame header")


def _jpeg_frame(marker: int, content: bytes, is_jfif: bool, complete: bool) -> Codestream:
    if len(content) < 6 or len(content) < 6 + 3 * content[5]:
        raise ImageError("a JPEG whose frame header is cut off")
    sampling = content[7 : 6 + 3 * content[5] : 3]
    lossless = marker in _LOSSLESS_FRAMES
    return Codestream(
        height=int.from_bytes(content[1:3], "big"),
        width=int.from_bytes(content[3:5], "big"),
        components=content[5],
        precision=content[0],
        lossless=lossless,
        subsampled=len(set(sampling)) > 1,
        levels=0 if lossless or content[0] != 8 else 3,  # DCT blocks of 8 shrink to 4, 2 or 1
        ids=content[6 : 6 + 3 * content[5] : 3],
        is_jfif=is_jfif,
        is_complete=complete,
    )


def parse_jpeg2000(data: bytes) -> Codestream:
    """Read the main header of a JPEG 2000 or HTJ2K codestream, bare or in a JP2 box.

    Args:
        data: The frame, padding at its end included.

    Raises:
        ImageError: If it is none.
    """
    start = _codestream_start(data)
    words = [int.from_bytes(data[place : place + 2], "big") for place in (start, start + 2)]
    if words != [_SOC, _SIZ] or len(data) < start + 45:
        raise ImageError(f"no JPEG 2000: it starts with {data[:4].hex(' ') or 'nothing'}, expected ff 4f ff 51")
    right, bottom, left, top = (_long(data, start + 8 + 4 * index) for index in range(4))
    parts = [data[start + 42 + 3 * index : start + 45 + 3 * index] for index in range(_short(data, start + 40))]
    if not parts or len(parts[-1]) < 3 or right <= left or bottom <= top:
        raise ImageError("a JPEG 2000 whose image header (SIZ) is broken")
    levels, reversible = _wavelet(data, start + 4 + _short(data, start + 4))
    return Codestream(
        height=bottom - top,
        width=right - left,
        components=len(parts),
        precision=(parts[0][0] & 0x7F) + 1,
        signed=bool(parts[0][0] & 0x80),
        lossless=reversible,
        subsampled=any(part[1:] != b"\x01\x01" or part[0] != parts[0][0] for part in parts),
        levels=0 if start or left or top else levels,  # boxes of a JP2 may reorder colours, an offset moves the samples
        is_complete=_END in data[-16:],
    )


def _codestream_start(data: bytes) -> int:
    """Where the codestream begins; in a JP2 file within a ``jp2c`` box (15444-1 annex I)."""
    if not data.startswith(_JP2):
        return 0
    place = 12
    while place + 8 <= len(data):
        if data[place + 4 : place + 8] == b"jp2c":
            return place + (16 if _long(data, place) == 1 else 8)
        place += max(8, _long(data, place))
    raise ImageError("a JP2 file without a codestream")


def _wavelet(data: bytes, place: int) -> tuple[int, bool]:
    """Decomposition levels and whether the wavelet is the reversible 5-3 one, from the COD segment."""
    while place + 14 <= len(data) and (marker := _short(data, place)) != _SOT:
        if marker == _COD:
            return min(data[place + 9], 32), data[place + 13] == 1
        place += 2 + max(2, _short(data, place + 2))
    raise ImageError("a JPEG 2000 without coding style (COD)")


def _short(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "big")


def _long(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 4], "big")
