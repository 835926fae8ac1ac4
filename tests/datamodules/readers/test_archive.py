"""Archives of studies are read as the folder that was packed; what would be written elsewhere is refused."""

from __future__ import annotations

import gzip
import os
import stat
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pil

from medvlm.datamodules import readers
from medvlm.datamodules.readers import archive, common
from medvlm.study import GeometryError, ImageError

read_image: Any = readers.read_image  # tests look into the pixels of any type


@pytest.fixture
def series(write_series: Any) -> Path:
    volume = np.arange(100, dtype=np.int16).reshape(5, 4, 5)
    folder: Path = write_series("study/series", volume, (0, 0, 2.0), (1, 0, 0, 0, 1, 0))
    return folder


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where archives are unpacked; nothing may stay there."""
    folder = tmp_path / "unpacked"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def _zip(path: Path, files: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def _packed(folder: Path) -> dict[str, bytes]:
    files = {f"study/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}
    return {**files, "__MACOSX/study/._000.dcm": b"\0\5\x16\7", "study/.DS_Store": b"Bud1"}


def test_a_zipped_series_is_the_series(tmp_path: Path, series: Path, place: Path) -> None:
    path = _zip(tmp_path / "a.zip", _packed(series), compression=zipfile.ZIP_DEFLATED)
    image, expected = read_image(path), read_image(series)
    np.testing.assert_array_equal(image.array, expected.array)
    assert (image.source, image.orientation, image.spacing) == (expected.source, expected.orientation, expected.spacing)
    assert image.notes == (*expected.notes, "unpacked from an archive")
    assert not list(place.iterdir())


def test_a_zip_of_one_file_is_that_file(tmp_path: Path) -> None:
    Pil.new("L", (3, 2), 7).save(tmp_path / "a.png")
    path = _zip(tmp_path / "a.zip", {"deep/down/a.png": (tmp_path / "a.png").read_bytes()})
    assert read_image(path).array.tolist() == [[7, 7, 7], [7, 7, 7]]


def test_a_gzipped_dicom_is_read(tmp_path: Path, series: Path) -> None:
    (tmp_path / "a.dcm.gz").write_bytes(gzip.compress((series / "001.dcm").read_bytes()))
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm.gz").array, read_image(series / "001.dcm").array)


def test_errors_name_the_archive_and_keep_their_kind(tmp_path: Path, series: Path, place: Path) -> None:
    files = _packed(series)
    del files["study/003.dcm"]
    with pytest.raises(GeometryError, match=r"a\.zip.*missing slices") as error:
        read_image(_zip(tmp_path / "a.zip", files))
    assert str(place) not in str(error.value)


@pytest.mark.parametrize(
    "name", ["../evil.dcm", "/evil.dcm", "a/../../evil.dcm", "..\\evil.dcm", "C:\\evil.dcm", "C:/e"]
)
def test_a_zip_slip_is_refused_and_nothing_is_written(tmp_path: Path, series: Path, place: Path, name: str) -> None:
    path = _zip(tmp_path / "a.zip", {**_packed(series), name: b"evil"})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ImageError, match="outside of the folder; the archive is refused"):
        read_image(path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    member = zipfile.ZipInfo("link")
    member.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(member, "/etc")
        packed.writestr("link/passwd", "x")
    with pytest.raises(ImageError, match="'link' is a link or a device"):
        read_image(tmp_path / "a.zip")


def test_a_bomb_is_refused_by_what_its_directory_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _zip(tmp_path / "a.zip", {"a": bytes(2**20)}, compression=zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(common, "MAX_BYTES", 2**19)
    with pytest.raises(ImageError, match=r"a\.zip: its unpacked members would take 1,048,576 bytes"):
        read_image(path)


def test_a_bomb_that_lies_is_stopped_by_what_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _zip(tmp_path / "a.zip", {"a": bytes(2**22)}, compression=zipfile.ZIP_DEFLATED)
    whole = path.read_bytes()
    path.write_bytes(whole.replace((2**22).to_bytes(4, "little"), (9).to_bytes(4, "little")))
    with pytest.raises(ImageError, match=r"a\.zip"):
        read_image(path)
    (tmp_path / "b.gz").write_bytes(gzip.compress(bytes(128) + b"DICM" + bytes(2**22)))
    monkeypatch.setattr(common, "MAX_BYTES", 2**20)
    with pytest.raises(ImageError, match=r"b\.gz: its unpacked members would take"):
        read_image(tmp_path / "b.gz")


def test_what_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="without files"):
        read_image(_zip(tmp_path / "a.zip", {".hidden": b""}))
    with pytest.raises(ImageError, match="an archive in an archive"):
        read_image(_zip(tmp_path / "b.zip", {"a.zip": (tmp_path / "a.zip").read_bytes()}))
    with pytest.raises(ImageError, match="packed by method 14"):
        read_image(_zip(tmp_path / "c.zip", {"a": bytes(99)}, compression=zipfile.ZIP_LZMA))
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    with pytest.raises(ImageError, match="3 files, the limit is 2"):
        read_image(_zip(tmp_path / "d.zip", {"a": b"", "b": b"", "c": b""}))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"a.dcm": b"x"})
    whole = bytearray(path.read_bytes())
    whole[whole.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(whole))
    with pytest.raises(ImageError, match="encrypted"):
        read_image(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_an_image_error(tmp_path: Path, series: Path, share: float) -> None:
    path = _zip(tmp_path / "a.zip", _packed(series), compression=zipfile.ZIP_DEFLATED)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=r"a\.zip"):
        read_image(path)


def test_pipes_devices_and_links_to_nowhere(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    for name, reason in (
        ("pipe", "a pipe, a socket or a device"),
        ("loop", "Too many levels"),
        ("gone", "is a link to"),
    ):
        with pytest.raises(ImageError, match=rf"{name}.*{reason}"):
            read_image(tmp_path / name)
    with pytest.raises(ImageError, match="a pipe, a socket or a device"):
        read_image("/dev/zero")
    with pytest.raises(ImageError, match="is no path"):
        read_image("a\0b")
    with pytest.raises(ImageError, match="File name too long"):
        read_image("a" * 5000)
    with pytest.raises(ImageError, match="Not a directory"):
        read_image(Path(__file__) / "b.png")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"x")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match=r"a\.png cannot be read: Permission denied"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "kind"), [("[Content_Types].xml", "an Office document"), ("model/data.pkl", "a PyTorch checkpoint")]
)
def test_archives_of_something_else_are_named(tmp_path: Path, name: str, kind: str) -> None:
    with pytest.raises(ImageError, match=rf"a\.zip is no image: it looks like {kind}"):
        read_image(_zip(tmp_path / "a.zip", {name: b"", "b": b""}))
