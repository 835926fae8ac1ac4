"""Folders of slices: order, refusals with every reason, repairs against known functions, and left staying left."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from medvlm.datamodules import readers
from medvlm.orientation import to_orientation
from medvlm.recipes import RECIPES
from medvlm.study import GeometryError, Image, ImageError

read_image: Any = readers.read_image  # tests look into the pixels of any type
nib: Any = nibabel

AXIAL = (1, 0, 0, 0, 1, 0)


def _body() -> NDArray[np.int16]:
    """A (z to head, y to back, x to left) body in which no axis looks like its mirror image."""
    body = np.full((6, 8, 10), -1000, np.int16)
    body[:, 2:7, 1:9] = 40
    body[3:5, 3, 7] = 400  # on the patient's left, in front, in the upper half
    return body


def _as_acquired(body: NDArray[np.int16], letters: str) -> tuple[NDArray[np.int16], Any, Any, Any]:
    """Cut the body into slices that grow as ``letters`` say: pixels, cosines, step and origin of the series."""
    image = to_orientation(Image(body, "zyx", orientation="SPL"), letters)
    unit = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
    size = {"L": 9, "R": 9, "P": 7, "A": 7, "S": 5, "I": 5}
    origin = sum((np.array(unit[x]) * -size[x] for x in letters if x in "RAI"), np.zeros(3))
    return np.ascontiguousarray(image.array), (*unit[letters[2]], *unit[letters[1]]), unit[letters[0]], origin


@pytest.mark.parametrize("letters", ["SPL", "IPL", "SAR", "AIL", "PIL", "LIP", "RIP", "LIA"])
def test_left_stays_left_through_dicom(write_series: Any, letters: str) -> None:
    pixels, cosines, step, origin = _as_acquired(_body(), letters)
    image = read_image(write_series("s", pixels, step, cosines, origin=origin))
    np.testing.assert_array_equal(to_orientation(image, "SPL").array, _body())
    assert image.orientation[1:] == letters[1:]


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_left_stays_left_through_nifti(tmp_path: Path, flips: Any, order: Any) -> None:
    ras = _body()[:, ::-1, ::-1].transpose(2, 1, 0)  # x to the right, y to the front, z to the head
    stored = ras.transpose(order)[tuple(slice(None, None, f) for f in flips)]
    affine = np.zeros((4, 4))
    affine[list(order), range(3)] = flips
    affine[3, 3] = 1
    nib.save(nib.Nifti1Image(stored, affine), tmp_path / "a.nii.gz")
    image = read_image(tmp_path / "a.nii.gz", modality="CT")
    np.testing.assert_array_equal(to_orientation(image, "SPL").array, _body())


def test_a_recipe_shows_the_left_on_the_right(write_series: Any) -> None:
    pixels, cosines, step, origin = _as_acquired(_body(), "IAR")
    recipe = RECIPES["ct_bone"].model_copy(update={"size": (8, 10)})
    shown = recipe.apply(read_image(write_series("s", pixels, step, cosines, origin=origin)))
    assert np.argwhere(shown[:, 0] == shown.max()).tolist() == [[3, 3, 7], [4, 3, 7]]


def test_shuffled_names_do_not_matter(write_series: Any, tmp_path: Path) -> None:
    folder = write_series("s", _body(), (0, 0, 2.5), AXIAL)
    ordered = read_image(folder)
    for index, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{(index * 5) % 6}-{index}")  # no suffix either
    shuffled = read_image(folder)
    np.testing.assert_array_equal(shuffled.array, ordered.array)
    assert (shuffled.spacing, shuffled.orientation, shuffled.array.dtype) == ((2.5, 1.0, 1.0), "SPL", np.int16)


def test_a_missing_slice_is_named_and_can_be_interpolated(write_series: Any) -> None:
    ramp = np.arange(8, dtype=np.int16)[:, None, None] * np.full((8, 4, 4), 10, np.int16)
    folder = write_series("s", ramp, (0, 0, 3), AXIAL)
    (folder / "003.dcm").unlink()
    with pytest.raises(GeometryError, match=r"missing slices: 1 in 1 gaps.*repair=True"):
        read_image(folder)
    mended = read_image(folder, repair=True)
    np.testing.assert_array_equal(mended.array, ramp)
    assert any("1 of 8 slices are interpolated" in note for note in mended.notes)


def test_the_same_slice_sent_twice_is_refused_and_can_be_dropped(write_series: Any) -> None:
    folder = write_series("s", _body(), (0, 0, 2), AXIAL)
    again = pydicom.dcmread(folder / "002.dcm")
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3.4")
    again.save_as(folder / "again.dcm")
    with pytest.raises(GeometryError, match="duplicate positions: 1"):
        read_image(folder)
    mended = read_image(folder, repair=True)
    np.testing.assert_array_equal(mended.array, _body())
    assert "repaired: dropped 1 exact duplicate(s)" in mended.notes


def test_different_slices_at_one_position_are_refused_even_for_repair(write_series: Any) -> None:
    places = [(0, 0, z) for z in (0, 1, 2, 2, 3, 4)]
    folder = write_series("s", np.arange(96, dtype=np.int16).reshape(6, 4, 4), None, AXIAL, positions=places)
    with pytest.raises(GeometryError, match="several times, echoes or phases"):
        read_image(folder, repair=True)


def test_tilt_and_uneven_steps_are_resampled_to_where_they_were(write_series: Any) -> None:
    """A linear function of the patient's coordinates comes through linear resampling unchanged."""
    depths = np.array([0.0, 2.0, 4.0, 7.0, 9.0, 11.0, 14.0])
    places = [(0.0, 0.35 * d, d) for d in depths]
    y, x = np.mgrid[:30, :20]
    pixels = np.stack([3 * x + 5 * (y + py) + 40 * z for _, py, z in places]).astype(np.float64)
    folder = write_series("s", np.rint(pixels * 10).astype(np.int16), None, AXIAL, positions=places)
    with pytest.raises(GeometryError, match=r"uneven spacing: 2 mm \(4x\), 3 mm \(2x\); gantry tilt of 19\.3 degrees"):
        read_image(folder)
    image = read_image(folder, repair=True)
    z, y, x = np.mgrid[: image.array.shape[0], 6:29, :20]
    expected = 30 * x + 50 * y + 400 * z * image.spacing[0]
    np.testing.assert_allclose(image.array[:, 6:29, :20], expected, atol=2)
    assert len(image.notes) >= 2


def test_all_contradictions_are_told_at_once(write_series: Any, write: Any) -> None:
    folder = write_series("s", _body(), (0, 0, 2), AXIAL)
    write(
        "s/odd.dcm", np.zeros((5, 5), np.int16), ImagePositionPatient=[0, 0, 12], PixelSpacing=[2, 2],
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
    )  # fmt: skip
    write("s/lost.dcm", np.zeros((8, 10), np.int16), PixelSpacing=[1, 1])
    with pytest.raises(GeometryError) as error:
        read_image(folder, repair=True)
    for reason in ("mixed sizes: 8x10 (7 slices)", "mixed pixel spacing", "mixed orientation", "1 of 8 slices do not"):
        assert reason in str(error.value)


def test_rescale_of_each_slice_is_its_own(write_series: Any) -> None:
    folder = write_series("s", np.ones((3, 2, 2), np.int16), (0, 0, 1), AXIAL, Modality="PT")
    for index, path in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(path)
        dataset.RescaleSlope = index + 0.5
        dataset.save_as(path)
    image = read_image(folder)
    assert image.array[:, 0, 0].tolist() == [0.5, 1.5, 2.5]
    assert image.array.dtype == np.float32


def test_slices_are_decoded_into_one_volume(write_series: Any) -> None:
    folder = write_series("s", np.zeros((40, 256, 256), np.int16), (0, 0, 1), AXIAL)
    read_image(folder)  # imports
    tracemalloc.start()
    image = read_image(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * image.array.nbytes + 4 * 4 * 256 * 256 * 2  # four threads, the file and its pixels


def test_one_broken_slice_is_never_dropped_silently(write_series: Any) -> None:
    folder = write_series("s", _body(), (0, 0, 2), AXIAL)
    whole = (folder / "003.dcm").read_bytes()
    (folder / "003.dcm").write_bytes(whole[:-20])
    with pytest.raises(ImageError, match=r"003\.dcm: truncated, 140 of 160 bytes"):
        read_image(folder)


def test_a_folder_without_dicom(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no DICOM image"):
        read_image(tmp_path)


def test_the_real_head_is_refused_with_both_reasons(data: Path) -> None:
    with pytest.raises(GeometryError) as error:
        read_image(data / "ct_dicom_dcm_qa_ct" / "GE")
    for part in ("1.081 mm", "4.002 mm", "6.999 mm", "gantry tilt of 18.5 degrees", "repair=True"):
        assert part in str(error.value)


def test_the_real_head_is_sheared_by_its_tilt(data: Path) -> None:
    folder = data / "ct_dicom_dcm_qa_ct" / "GE"
    image = read_image(folder, repair=True)
    assert (image.unit, image.array.dtype, image.orientation) == ("HU", np.int16, "SPL")
    raw = [read_image(folder / name).array for name in ("03.dcm", "13.dcm")]  # 4.002 mm a slice up to here
    bones = [np.argwhere(plane > 300).mean(axis=0)[0] for plane in raw]
    mended = [np.argwhere(image.array[z] > 300).mean(axis=0)[0] for z in (2, 12)]
    moved = (mended[1] - bones[1]) - (mended[0] - bones[0])
    assert abs(abs(moved) - 10 * 4.0024 * np.tan(np.radians(18.5)) / 0.48828) < 1.0


def test_two_dates_in_one_folder_are_two_studies(data: Path) -> None:
    with pytest.raises(GeometryError, match=r"holds 2 studies: CT with 1 image\(s\)"):
        read_image(data / "ct_dicom_tcia_ny_sbu" / "A002304")


@pytest.mark.parametrize("patient", ["A002304", "A072894"])
def test_real_single_slices_are_hu(data: Path, patient: str) -> None:
    for path in sorted((data / "ct_dicom_tcia_ny_sbu" / patient).rglob("*.dcm")):
        image = read_image(path)
        assert (image.unit, image.orientation) == ("HU", "PL")
        assert -150 < np.median(image.array[200:300, 200:300]) < 250  # soft tissue in the middle of a body
