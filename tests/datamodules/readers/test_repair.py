"""Repairs: ours and dcm2niix's, on known functions of place and on a real head; which file of dcm2niix is taken."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest

from medvlm.datamodules import readers
from medvlm.datamodules.readers import dcm2niix as mend
from medvlm.datamodules.readers.geometry import Slice, lay_out
from medvlm.orientation import to_orientation
from medvlm.study import GeometryError, Image

read_image: Any = readers.read_image  # tests look into the pixels of any type
turned: Any = to_orientation
EVEN, UNEVEN = [3.0 * i for i in range(12)], [0.0, 2.0, 4.0, 7.0, 9.0, 11.0, 14.0, 16.0, 19.0]


def irregular(write_series: Any, depths: list[float], slope: float, **attributes: Any) -> Path:
    """Slices of ``3 x + 5 y + 40 z`` mm, the gantry tilted by ``slope`` mm in y a mm in z."""
    places = [(0.0, slope * d, d) for d in depths]
    y, x = np.mgrid[:40, :30]
    pixels = np.stack([3 * x + 5 * (y + py) + 40 * z for _, py, z in places])
    more = {"StudyInstanceUID": "1.2.7", "SeriesNumber": 2, "SliceThickness": 2, "Manufacturer": "SIEMENS"}
    if slope:
        more["GantryDetectorTilt"] = float(np.degrees(np.arctan(slope)))
    folder: Path = write_series(
        "s", np.rint(pixels).astype(np.int16), None, (1, 0, 0, 0, 1, 0), positions=places, **more, **attributes
    )
    for number, path in enumerate(sorted(folder.iterdir()), start=1):
        dataset = pydicom.dcmread(path)
        dataset.InstanceNumber = number
        dataset.save_as(path)
    return folder


@pytest.mark.parametrize(
    ("depths", "slope", "done"),
    [
        (EVEN, 0.35, "gantry tilt sheared out"),
        (UNEVEN, 0.0, "resampled to even steps"),
        (EVEN[:3] + EVEN[4:], 0.0, "resampled to even steps"),
        (UNEVEN, 0.35, "gantry tilt sheared out and resampled to even steps"),
    ],
)
def test_both_repairs_put_every_voxel_in_its_place(
    write_series: Any, depths: list[float], slope: float, done: str
) -> None:
    pytest.importorskip("dcm2niix")
    folder = irregular(write_series, depths, slope)
    with pytest.raises(GeometryError, match="repair=True"):
        read_image(folder)
    ours, theirs = (turned(read_image(folder, repair=way), "SPL") for way in (True, "dcm2niix"))
    assert theirs.notes[-1].startswith("repaired by dcm2niix v")
    assert theirs.notes[-1].endswith(f": {done}")
    assert any(note.startswith("repaired: ") for note in ours.notes)
    assert (theirs.unit, theirs.source, theirs.array.shape) == ("HU", ours.source, ours.array.shape)
    np.testing.assert_allclose(theirs.spacing, ours.spacing, rtol=1e-5)
    inner = (slice(None), slice(13, 38), slice(2, -2))
    np.testing.assert_allclose(
        theirs.array[inner].astype(float), ours.array[inner], atol=3
    )  # half a pixel of 5, rounded


@pytest.mark.parametrize(
    ("depths", "slope", "named"),
    [
        (EVEN, 0.0, ""),
        (EVEN, 0.35, "gantry tilt of 19.3 degrees"),
        (UNEVEN, 0.0, "uneven spacing: 2 mm"),
        (EVEN[:5] + EVEN[6:], 0.0, "missing slices: 1 in 1 gaps"),
        (EVEN[:5] + EVEN[4:], 0.0, "duplicate positions: 1"),
        ([0.0, 3.0, 6.0, 9.05], 0.0, ""),
    ],
)
def test_what_highdicom_refuses_is_refused_by_name(
    write_series: Any, depths: list[float], slope: float, named: str
) -> None:
    folder = irregular(write_series, depths, slope, FrameOfReferenceUID="1.2.8")
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    if named:
        with pytest.raises(GeometryError, match=named):
            read_image(folder)
        with pytest.raises(ValueError, match=r".+"):
            highdicom.get_volume_from_series(slices)
    else:
        theirs = highdicom.get_volume_from_series(slices, dtype=np.int16, rtol=0.02)
        upright: Any = theirs.to_patient_orientation("HPL")
        np.testing.assert_array_equal(turned(read_image(folder), "SPL").array, upright.array)
        np.testing.assert_allclose(read_image(folder).spacing, theirs.spacing, rtol=0.01)


def test_mixed_orientation_is_refused_as_highdicom_refuses_it(write_series: Any) -> None:
    folder = irregular(write_series, EVEN, 0.0, FrameOfReferenceUID="1.2.8")
    odd = pydicom.dcmread(folder / "004.dcm")
    odd.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    odd.save_as(folder / "004.dcm")
    with pytest.raises(GeometryError, match=r"mixed orientation: 2 directions \(11, 1 slices\)"):
        read_image(folder, repair=True)
    with pytest.raises(ValueError, match=r".+"):
        highdicom.get_volume_from_series([pydicom.dcmread(path) for path in folder.iterdir()])


def test_the_real_head_has_as_much_bone_either_way(data: Path) -> None:
    pytest.importorskip("dcm2niix")
    bone = []
    for way in (True, "dcm2niix"):
        image = read_image(data / "ct_dicom_dcm_qa_ct" / "GE", repair=way)
        bone.append((image.array > 300).sum() * np.prod(image.spacing) / 1000)
        assert any("tilt" in note for note in image.notes)
    assert abs(bone[0] / bone[1] - 1) < 0.05  # ml


def test_without_numbers_dcm2niix_gives_every_slice_or_none(write_series: Any) -> None:
    """It then goes by the order of the folder, which differs from disk to disk: it may leave slices out."""
    pytest.importorskip("dcm2niix")
    folder = irregular(write_series, UNEVEN, 0.0)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        del dataset.InstanceNumber
        dataset.save_as(path)
    ours = turned(read_image(folder, repair=True), "SPL")
    with contextlib.suppress(GeometryError):
        theirs = turned(read_image(folder, repair="dcm2niix"), "SPL")
        np.testing.assert_allclose(theirs.array[:, 13:38, 2:-2].astype(float), ours.array[:, 13:38, 2:-2], atol=3)


def test_a_volume_that_is_shorter_than_its_slices_is_missed() -> None:
    flat = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    layout = lay_out([Slice((4, 4), (1.0, 1.0), (0.0, 0.0, depth), flat) for depth in UNEVEN])
    whole = Image(np.zeros((11, 4, 4), np.int16), "zyx", spacing=(1.9, 1.0, 1.0), orientation="SPL")
    assert mend._reaches(whole, layout)
    assert not mend._reaches(replace(whole, array=whole.array[:-2]), layout)
    sparse = replace(whole, array=whole.array[:4], spacing=(5.5, 1.0, 1.0))  # as long, but of nine slices four are left
    assert not mend._reaches(sparse, layout)


def test_a_regular_series_needs_no_repair(write_series: Any) -> None:
    image = read_image(irregular(write_series, EVEN, 0.0), repair="dcm2niix")
    assert not any("repaired" in note for note in image.notes)


def test_the_corrected_file_is_chosen_by_its_suffix() -> None:
    names = ["v.nii", "v_Eq_1.nii", "v_Tilt_1.nii", "v_Tilt_Eq_1.nii"]
    assert mend._corrected([Path(name) for name in names], "x").name == "v_Tilt_Eq_1.nii"
    assert mend._corrected([Path(name) for name in names[:2]], "x").name == "v_Eq_1.nii"
    with pytest.raises(GeometryError, match=r"made 1 volume\(s\) and corrected none"):
        mend._corrected([Path("v.nii")], "x")
    with pytest.raises(GeometryError, match="several volumes"):
        mend._corrected([Path("v.nii"), Path("va_Eq_1.nii")], "x")


def test_without_dcm2niix_the_error_says_what_to_install(write_series: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "dcm2niix", None)
    with pytest.raises(ImportError, match=r"pip install 'medvlm\[dcm2niix\]'"):
        read_image(irregular(write_series, EVEN, 0.35), repair="dcm2niix")
