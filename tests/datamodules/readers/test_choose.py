"""Which series of a study is read, and what is said of the others; several volumes in one series."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medvlm.datamodules import readers
from medvlm.datamodules.readers.choose import choose_series
from medvlm.study import GeometryError, ImageError

read_image: Any = readers.read_image  # tests look into the pixels of any type
AXIAL, SECONDARY = (1, 0, 0, 0, 1, 0), "1.2.840.10008.5.1.4.1.1.7"
BODY = np.arange(6 * 4 * 5, dtype=np.int16).reshape(6, 4, 5)


def reasons(folder: Path, **options: Any) -> list[tuple[str, str, int]]:
    return [(one.reason.split(";")[0], one.series, one.count) for one in choose_series(folder, **options).skipped]


def test_the_volume_with_most_slices_is_read_and_the_rest_is_said(write_series: Any, write: Any, data: Path) -> None:
    root = write_series("s/a", BODY, (0, 0, 2), AXIAL, SeriesInstanceUID="1.2", SeriesNumber=2).parent
    write_series("s/b", BODY[:4], (0, 0, 5), AXIAL, SeriesInstanceUID="1.3", SeriesNumber=1)
    made = ["DERIVED", "SECONDARY", "MPR"]
    write_series(
        "s/c", np.tile(BODY, (2, 1, 1)), (0, 2, 0), AXIAL, SeriesInstanceUID="1.4", SeriesNumber=3, ImageType=made
    )
    write("s/scout", BODY[0], SeriesInstanceUID="1.5", SeriesNumber=4, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write("s/screen", BODY[0], SeriesInstanceUID="1.6", SeriesNumber=5, SOPClassUID=SECONDARY)
    shutil.copy(data / "dicom_highdicom" / "sr_document.dcm", root)
    shutil.copy(root / "a" / "003.dcm", root / "a" / "copy.dcm")
    (root / "readme.txt").write_text("hello")
    image = read_image(root)
    np.testing.assert_array_equal(image.array, BODY)
    assert sorted(reasons(root)) == [
        ("a localizer", "CT Image Storage", 1),
        ("a secondary capture", "series 5, image 0: CT", 1),
        ("copies of other files, byte for byte", "series 2: CT, 7 slices", 1),
        ("fewer slices", "series 1: CT, 4 slices", 4),
        ("made of other images", "series 3: CT, 12 slices", 12),
        ("no DICOM", "other files", 1),
        ("no pixels", "Comprehensive 3D SR Storage", 1),
    ]
    assert len([note for note in image.notes if note.startswith("skipped ")]) == 7
    assert "Canary" not in repr(choose_series(root).skipped)


def test_a_modality_that_is_asked_for_comes_first(write_series: Any) -> None:
    root = write_series("s/a", BODY, (0, 0, 2), AXIAL).parent
    write_series("s/b", BODY[:4], (0, 0, 2), AXIAL, SeriesInstanceUID="1.2.4", Modality="MR")
    assert read_image(root).modality == "CT"
    assert read_image(root, modality="MR").array.shape == (4, 4, 5)
    assert reasons(root, modality="MR") == [("MR was asked for", "series 0: CT, 6 slices", 6)]


def test_two_studies_are_never_mixed(write_series: Any) -> None:
    root = write_series("s/a", BODY, (0, 0, 2), AXIAL, StudyInstanceUID="1.1").parent
    write_series("s/b", BODY, (0, 0, 2), AXIAL, SeriesInstanceUID="1.2.4", StudyInstanceUID="1.2")
    with pytest.raises(GeometryError, match=r"2 studies: CT with 6 image\(s\) in .*Give the folder or file of one"):
        read_image(root)


def test_a_frontal_view_comes_before_a_lateral_one(write: Any, tmp_path: Path) -> None:
    for number, view in enumerate(("LL", "PA")):
        write(f"s/{number}", BODY[0] + number, Modality="DX", ViewPosition=view, InstanceNumber=number)
    image = read_image(tmp_path / "s")
    np.testing.assert_array_equal(image.array, BODY[0] + 1)
    assert any("frontal views before others" in note for note in image.notes)


def test_a_folder_without_a_picture_of_the_patient(write: Any, tmp_path: Path, data: Path) -> None:
    write("s/scout", BODY[0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    shutil.copy(data / "dicom_highdicom" / "seg_image_ct_binary.dcm", tmp_path / "s")
    with pytest.raises(
        ImageError, match=r"holds no DICOM image \(1 x .*: a localizer; 1 x .*modality SEG is no picture"
    ):
        read_image(tmp_path / "s")


@pytest.mark.parametrize(
    ("mark", "values", "what", "order"),
    [
        ("EchoTime", [4.6, 9.2, 13.8], "3 echoes", [0, 1, 2]),
        ("DiffusionBValue", [0.0, 1000.0, 50.0], "3 b-values", [0, 2, 1]),
        ("TemporalPositionIdentifier", [10, 9, 2], "3 time points", [2, 1, 0]),
        ("TriggerTime", [0, 40, 80], "3 cardiac phases", [0, 1, 2]),
        (
            "ImageType",
            [["ORIGINAL", "PRIMARY", kind] for kind in "WFI"],
            "3 kinds of image",
            [1, 2, 0],
        ),
    ],
)
def test_volumes_of_one_series_are_listed_and_one_is_read(
    write_series: Any, mark: str, values: Any, what: str, order: list[int]
) -> None:
    for index, value in enumerate(values):
        folder = write_series(f"s/{index}", BODY + 100 * index, (0, 0, 2), AXIAL, Modality="MR", **{mark: value})
    with pytest.raises(GeometryError, match=rf"4-D, {what} \({mark}\).*by part=.*0: .*\(6 slices\), 1: .*, 2: "):
        read_image(folder.parent, repair=True)
    for part in range(3):
        image = read_image(folder.parent, part=part)
        np.testing.assert_array_equal(image.array, BODY + 100 * order[part])
        assert any(note.startswith(f"volume {part} of {what}") for note in image.notes)
    with pytest.raises(GeometryError, match="there is no part 3"):
        read_image(folder.parent, part=3)


def test_two_attributes_may_be_needed(write_series: Any) -> None:
    for index, (echo, kind) in enumerate([(5, "M"), (5, "P"), (9, "M"), (9, "P")]):
        folder = write_series(
            f"s/{index}",
            BODY + index,
            (0, 0, 2),
            AXIAL,
            Modality="MR",
            EchoTime=echo,
            ImageType=["ORIGINAL", "PRIMARY", kind],
        )
    with pytest.raises(GeometryError, match=r"4-D, 4 echoes x kinds of image \(EchoTime, ImageType\)"):
        read_image(folder.parent)
    np.testing.assert_array_equal(read_image(folder.parent, part=2).array, BODY + 2)


def test_one_volume_has_no_parts(write_series: Any) -> None:
    with pytest.raises(GeometryError, match="no part 1, the series is one volume"):
        read_image(write_series("s", BODY, (0, 0, 2), AXIAL), part=1)


def test_links_that_lead_back_are_not_followed(write_series: Any) -> None:
    folder = write_series("s", BODY, (0, 0, 2), AXIAL)
    (folder / "again").symlink_to(folder, target_is_directory=True)
    (folder / "loop").symlink_to("loop")
    np.testing.assert_array_equal(read_image(folder).array, BODY)


def test_a_folder_that_cannot_be_read_is_no_gap(write_series: Any, monkeypatch: Any) -> None:
    folder = write_series("s", BODY, (0, 0, 2), AXIAL)
    (folder / "locked").mkdir()
    look = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ImageError, match="locked cannot be read: Permission denied; its slices would be missed"):
        read_image(folder)
