"""Objects of many frames: volumes where frames are slices, against highdicom; groups of their own for each frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medvlm.datamodules import readers
from medvlm.intensity import choose_recipe
from medvlm.orientation import to_orientation
from medvlm.recipes import DEFAULT_RECIPES
from medvlm.study import GeometryError, ImageError, RecipeMismatch

read_image: Any = readers.read_image  # tests look into the pixels of any type

AXIAL, CORONAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1)


def _group(**attributes: Any) -> Sequence:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return Sequence([item])


def _enhanced(positions: Any, cosines: Any = AXIAL, rescale: Any = None, windows: Any = None) -> dict[str, Any]:
    """Functional groups of frames that lie at the given positions, 0.5 x 0.25 mm a pixel."""
    shared, frames = Dataset(), []
    shared.PixelMeasuresSequence = _group(PixelSpacing=[0.5, 0.25], SliceThickness=9)
    shared.PlaneOrientationSequence = _group(ImageOrientationPatient=list(cosines))
    for index, position in enumerate(positions):
        frame = Dataset()
        frame.PlanePositionSequence = _group(ImagePositionPatient=list(position))
        if rescale:
            slope, intercept = rescale[index]
            frame.PixelValueTransformationSequence = _group(RescaleSlope=slope, RescaleIntercept=intercept)
        if windows:
            frame.FrameVOILUTSequence = _group(WindowCenter=windows[index][0], WindowWidth=windows[index][1])
        frames.append(frame)
    return {
        "NumberOfFrames": len(frames),
        "SharedFunctionalGroupsSequence": Sequence([shared]),
        "PerFrameFunctionalGroupsSequence": Sequence(frames),
    }


@pytest.fixture
def voxels() -> NDArray[np.int16]:
    return np.arange(5 * 4 * 6, dtype=np.int16).reshape(5, 4, 6)


@pytest.mark.parametrize("cosines", [AXIAL, CORONAL])
@pytest.mark.parametrize("shuffled", [False, True])
def test_an_enhanced_object_is_the_volume_that_highdicom_makes(
    write_series: Any, tmp_path: Path, voxels: Any, cosines: Any, shuffled: bool
) -> None:
    highdicom = pytest.importorskip("highdicom")
    normal = np.cross(cosines[:3], cosines[3:])
    folder = write_series(
        "series", voxels, normal * 2.5, cosines, pixel=(0.5, 0.25), StudyInstanceUID="1.2", Manufacturer="m",
        PatientID="p", PatientBirthDate="", PatientSex="", StudyDate="", StudyTime="", StudyID="", AccessionNumber="",
        ReferringPhysicianName="", SeriesNumber=1, FrameOfReferenceUID="1.2.4", ImageType=["ORIGINAL", "PRIMARY"],
        RescaleType="HU", PatientPosition="HFS", KVP=120, WindowCenter=40, WindowWidth=400, SliceThickness=2.5,
    )  # fmt: skip
    files = sorted(folder.iterdir(), reverse=shuffled)
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        [pydicom.dcmread(path) for path in files], "1.2.5", 1, "1.2.6", 1
    )
    enhanced.save_as(tmp_path / "enhanced.dcm")
    image, series = read_image(tmp_path / "enhanced.dcm"), read_image(folder)
    np.testing.assert_array_equal(image.array, series.array)
    assert (image.axes, image.unit, image.spacing) == ("zyx", "HU", (2.5, 0.5, 0.25))
    assert image.orientation == series.orientation
    volume = highdicom.imread(tmp_path / "enhanced.dcm").get_volume().to_patient_orientation("FPL")
    np.testing.assert_array_equal(to_orientation(image, "IPL").array, volume.array)


def test_a_real_enhanced_ct_is_the_volume_that_highdicom_makes(data: Path) -> None:
    highdicom = pytest.importorskip("highdicom")
    path = data / "dicom_pydicom_data" / "eCT_Supplemental.dcm"
    image, volume = read_image(path), highdicom.imread(path).get_volume(apply_real_world_transform=False)
    letters = {"I": "F", "S": "H"}
    turned = volume.to_patient_orientation("".join(letters.get(c, c) for c in image.orientation))
    np.testing.assert_array_equal(image.array, turned.array)
    np.testing.assert_allclose(image.spacing, turned.spacing)
    assert image.axes == "zyx"


def test_colours_laid_over_gray_values_are_said(data: Path) -> None:
    image = read_image(data / "dicom_pydicom_data" / "eCT_Supplemental.dcm")
    assert any("supplemental palette" in note for note in image.notes)


def test_frames_are_put_in_the_order_of_their_positions(write: Any, voxels: Any) -> None:
    heights = (6, 0, 4, 2, 8)
    image = read_image(write("a.dcm", voxels, **_enhanced([(0, 0, z) for z in heights])))
    np.testing.assert_array_equal(image.array, voxels[np.argsort(heights)])
    assert (image.orientation, image.spacing) == ("SPL", (2.0, 0.5, 0.25))


@pytest.mark.parametrize(
    ("heights", "reason"),
    [((0, 2, 4, 8, 10), "missing slices: 1"), ((0, 0, 0, 2, 2), "duplicate positions"), ((0, 1, 4, 5, 9), "uneven")],
)
def test_frames_that_are_no_regular_volume_stay_frames_and_it_is_said(
    write: Any, voxels: Any, heights: Any, reason: str
) -> None:
    image = read_image(write("a.dcm", voxels, **_enhanced([(0, 0, z) for z in heights])))
    assert image.axes == "tyx"
    assert any(reason in note for note in image.notes)
    np.testing.assert_array_equal(image.array, voxels)


@pytest.mark.parametrize(
    ("group", "mark", "what"),
    [
        ("MREchoSequence", "EffectiveEchoTime", "2 echoes"),
        ("FrameContentSequence", "TemporalPositionIndex", "2 time points"),
        ("MRDiffusionSequence", "DiffusionBValue", "2 b-values"),
    ],
)
def test_frames_of_several_volumes_are_refused_by_name(
    write: Any, voxels: Any, group: str, mark: str, what: str
) -> None:
    attributes = _enhanced([(0, 0, z) for z in (0, 2, 4, 0, 2, 4)])
    for index, frame in enumerate(attributes["PerFrameFunctionalGroupsSequence"]):
        setattr(frame, group, _group(**{mark: 10 * (index // 3)}))
    with pytest.raises(GeometryError, match=rf"4d.*4-D, {what} \({mark}\) in one object \(0: 0.*3 slices.*, 1: 10"):
        read_image(write("4d", np.concatenate([voxels, voxels[:1]]), **attributes))


def test_each_frame_has_its_own_rescale(write: Any, voxels: Any) -> None:
    rescale = [(index + 1, -index) for index in range(5)]
    image = read_image(write("a.dcm", voxels, **_enhanced([(0, 0, z) for z in (4, 3, 2, 1, 0)], rescale=rescale)))
    expected = np.stack([voxels[i] * s + b for i, (s, b) in enumerate(rescale)])[::-1]
    np.testing.assert_array_equal(image.array, expected)


def test_rescales_that_do_not_match_the_frames_are_refused(write: Any, voxels: Any) -> None:
    groups = _enhanced([(0, 0, z) for z in range(4)], rescale=[(i + 1, 0) for i in range(4)])
    with pytest.raises(ImageError, match="4 different rescales"):
        read_image(write("a.dcm", voxels, **{**groups, "NumberOfFrames": 5}))


def test_windows_of_frames(write: Any, voxels: Any) -> None:
    places = [(0, 0, z) for z in range(5)]
    image = read_image(write("a.dcm", voxels, **_enhanced(places, windows=[(i, 100) for i in range(5)])))
    assert image.windows == ((2, 100),)
    assert any("differ from frame to frame" in note for note in image.notes)
    alike = read_image(write("b.dcm", voxels, **_enhanced(places, windows=[(7, 100)] * 5)))
    assert (alike.windows, alike.notes) == (((7, 100),), ())


def test_a_dose_grid_is_in_gray_and_a_volume(data: Path) -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / "rtdose.dcm"
    image, dataset = read_image(path), pydicom.dcmread(path)
    dose = dataset.pixel_array * float(dataset.DoseGridScaling)
    np.testing.assert_allclose(image.array, dose, rtol=1e-6)
    assert image.axes == "zyx"
    assert image.spacing[0] == pytest.approx(abs(dataset.GridFrameOffsetVector[1] - dataset.GridFrameOffsetVector[0]))
    assert any("dose grid" in note for note in image.notes)


def test_a_film_keeps_its_frames(data: Path) -> None:
    image = read_image(data / "dicom_pydicom_data" / "emri_small.dcm")  # says nothing of positions
    assert (image.axes, image.array.shape) == ("tyx", (10, 64, 64))


def test_a_segmentation_says_that_it_is_one(data: Path) -> None:
    image = read_image(data / "dicom_pydicom_data" / "liver.dcm")
    assert (image.axes, image.modality) == ("zyx", "SEG")
    assert any("no image of the patient" in note for note in image.notes)


def test_labels_and_doses_are_shown_by_no_default_recipe(data: Path) -> None:
    dose = Path(pydicom.__file__).parent / "data" / "test_files" / "rtdose_1frame.dcm"
    for path, modality in ((data / "dicom_highdicom" / "seg_image_cr_binary.dcm", "SEG"), (dose, "RTDOSE")):
        with pytest.raises(RecipeMismatch, match=f"modality is {modality}"):
            choose_recipe(read_image(path), DEFAULT_RECIPES)
