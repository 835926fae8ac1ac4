"""Images that a release keeps in the cells of a table, as files beside the set: ``<root>/.medvlm/images/<hash>.<jpg>``.

The bytes are written as they are, undecoded, under a name made of them: equal images become one file, so an image has
one name in every split. Files appear whole or not at all, and several processes may write at a time.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from medvlm.files import write_whole
from medvlm.study import SampleError

FOLDER = Path(".medvlm") / "images"
SUFFIXES = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"II*\0": "tif", b"MM\0*": "tif", b"BM": "bmp", b"RIFF": "webp"}


def image_folder(root: Path | str) -> Path:
    """Return where the images of a release are written."""
    return Path(root) / FOLDER


def write_image(folder: Path, data: bytes) -> str:
    """Write an image, if it is not there, and return its name."""
    suffix = next((suffix for start, suffix in SUFFIXES.items() if data.startswith(start)), "bin")
    name = f"{hashlib.sha256(data).hexdigest()[:24]}.{suffix}"
    if not (folder / name).exists():
        write_whole(folder / name, data, sync=False)
    return name


def stamp_of(path: Path, column: str) -> dict[str, Any]:
    """Return what tells whether the images of a file were written already."""
    return {"size": path.stat().st_size, "changed": path.stat().st_mtime_ns, "column": column}


def read_index(path: Path, stamp: dict[str, Any]) -> Any:
    """Return what was noted for a file under the same stamp, else None."""
    if not path.is_file():
        return None
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    same = isinstance(known, dict) and {key: known.get(key) for key in stamp} == stamp
    return known.get("names") if same else None


def unwritable(path: Path, folder: Path, error: OSError) -> SampleError:
    """Make the error for images that cannot be written."""
    return SampleError(
        f"{path}: its images cannot be written to {folder}: {error}; unpack the set where it can be written to, once"
    )
