"""Left is left: one body, a nodule on its left, through every file form, every order of slices, and the recipe's view.

The body is a function of the patient's coordinates (DICOM's: x to the left, y to the back, z to the head, mm). Each
file is that function evaluated where the file says that its voxels lie, so no code of ours decides what left is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage

from medvlm.datamodules import readers
from medvlm.datamodules.phantoms.findings import sample_patients
from medvlm.datamodules.phantoms.render import render_volume
from medvlm.datamodules.phantoms.write import write_nifti, write_series
from medvlm.orientation import to_orientation
from medvlm.recipes import RECIPES

read_image: Any = readers.read_image  # tests look into the pixels of any type
hd, nib = highdicom, nibabel

NODULE = np.array([21.0, -12.0, 14.0])  # the patient's left, in front, towards the head
UNIT = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
SIZE = {"L": (32, 2.0), "R": (32, 2.0), "P": (25, 2.0), "A": (25, 2.0), "S": (16, 3.0), "I": (16, 3.0)}
ORDERS = ["SPL", "IPL", "SAR", "SAL", "IAR", "AIL", "PIL", "PSR", "LIP", "RIP", "LIA", "RSA"]


def body(x: Any, y: Any, z: Any) -> NDArray[np.int16]:
    trunk = np.where((x / 28) ** 2 + (y / 22) ** 2 < 1, 40, -1000)
    near = (x - NODULE[0]) ** 2 + (y - NODULE[1]) ** 2 + (z - NODULE[2]) ** 2 < 7**2
    return np.where(near, 1500, trunk).astype(np.int16)


def grid(letters: str) -> tuple[NDArray[np.int16], NDArray[np.float64], list[float], NDArray[np.float64]]:
    """Voxels whose axes grow as letters say, the first one's place, steps in mm, and directions (rows)."""
    units = np.array([UNIT[letter] for letter in letters], float)
    counts, steps = zip(*(SIZE[letter] for letter in letters), strict=True)
    origin = -sum(unit * (count - 1) * step / 2 for unit, count, step in zip(units, counts, steps, strict=True))
    index = np.moveaxis(np.indices(counts), 0, -1) * steps
    return body(*np.moveaxis(index @ units + origin, -1, 0)), np.asarray(origin), list(steps), units


def check(image: Any) -> None:
    """The nodule is seen on the right of the picture, in its upper half, in the slices nearer to the head."""
    recipe = RECIPES["ct_bone"].model_copy(update={"size": (50, 64), "slices": None})
    shown = recipe.apply(image)[:, 0]
    z, y, x = (np.argwhere(shown > 0.8).mean(axis=0) + 0.5) / shown.shape
    wanted = (NODULE[[2, 1, 0]] + (24, 25, 32)) / (48, 50, 64)
    np.testing.assert_allclose([z, y, x], wanted, atol=0.03)
    assert x > 0.75


@pytest.mark.parametrize("letters", ORDERS)
def test_dicom_series_as_highdicom_reads_them(write_series: Any, letters: str) -> None:
    voxels, origin, steps, units = grid(letters)
    cosines = (*units[2], *units[1])
    position = {"SPL": "HFS", "IPL": "FFS", "SAR": "HFP", "IAR": "FFP"}.get(letters, "HFS")
    folder = write_series(
        "s", voxels, units[0] * steps[0], cosines, origin=origin, pixel=steps[1:], PatientPosition=position,
        FrameOfReferenceUID="1.2.9",
    )  # fmt: skip
    image = read_image(folder)
    check(image)
    theirs = hd.get_volume_from_series([pydicom.dcmread(path) for path in folder.iterdir()], dtype=np.int16)
    np.testing.assert_array_equal(
        to_orientation(image, "SPL").array, np.asarray(theirs.to_patient_orientation("HPL").array)
    )


@pytest.mark.parametrize("letters", ["SPL", "IPL", "SAR", "AIL", "RIP"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_enhanced_objects(write: Any, letters: str, shuffled: bool) -> None:
    voxels, origin, steps, units = grid(letters)
    order = np.random.default_rng(3).permutation(len(voxels)) if shuffled else np.arange(len(voxels))
    shared, frames = Dataset(), []
    measures, plane, values = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = steps[1:], steps[0]
    plane.ImageOrientationPatient = [*units[2], *units[1]]
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, 0, "HU"
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    shared.PixelValueTransformationSequence = [values]
    for index in order:
        place, frame = Dataset(), Dataset()
        place.ImagePositionPatient = [float(v) for v in origin + units[0] * steps[0] * index]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    path = write(
        "enhanced", voxels[order], SOPClassUID=EnhancedCTImageStorage, NumberOfFrames=len(voxels),
        SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=frames,
    )  # fmt: skip
    check(read_image(path))
    check(read_image(path.parent))


@pytest.mark.parametrize("letters", ["RAS", "LPS", "LAS", "RPI", "SAL", "ALS"])
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_nifti(tmp_path: Path, letters: str, form: str) -> None:
    voxels, origin, steps, units = grid(letters)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = (units * np.array(steps)[:, None]).T, origin
    affine = np.diag([-1.0, -1, 1, 1]) @ affine  # NIfTI counts to the right and to the front
    nifti: Any = nib.Nifti1Image(voxels, affine)
    nifti.set_sform(affine, int(form == "sform"))
    nifti.set_qform(affine, int(form == "qform"))
    nib.save(nifti, tmp_path / "a.nii.gz")
    check(read_image(tmp_path / "a.nii.gz", modality="CT"))


@pytest.mark.parametrize("letters", ["LPS", "RAS", "LAS", "LIP", "PIR"])
@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.mhd"])
def test_nrrd_and_metaimage(tmp_path: Path, letters: str, name: str) -> None:
    sitk: Any = pytest.importorskip("SimpleITK")
    voxels, origin, steps, units = grid(letters)
    picture = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    picture.SetSpacing(steps)
    picture.SetOrigin([float(v) for v in origin])
    picture.SetDirection([float(v) for v in units.T.ravel()])
    sitk.WriteImage(picture, str(tmp_path / name))
    check(read_image(tmp_path / name, modality="CT"))


@pytest.mark.parametrize("letters", ["SPL", "RSA"])
def test_a_repaired_series(write_series: Any, letters: str) -> None:
    voxels, origin, steps, units = grid(letters)
    folder = write_series(
        "s", voxels, units[0] * steps[0], (*units[2], *units[1]), origin=origin, pixel=steps[1:]
    )  # fmt: skip
    (folder / "003.dcm").unlink()
    check(read_image(folder, repair=True))


def test_what_the_phantoms_write(tmp_path: Path) -> None:
    patients = (study for studies in sample_patients(5, 40) for study in studies)
    study = next(one for one in patients if (found := one.find("effusion")) and found.side == "left")
    volume = render_volume(study, (16, 64, 64), noise=0)
    write_series(study, volume, tmp_path / "dicom")
    write_nifti(volume, tmp_path / "a.nii.gz")
    series, nifti = read_image(tmp_path / "dicom"), read_image(tmp_path / "a.nii.gz", modality="CT")
    np.testing.assert_array_equal(to_orientation(series, "SPL").array, to_orientation(nifti, "SPL").array)
    right, left = np.split(to_orientation(series, "SPL").array, 2, axis=2)
    fluid = [((half > -100) & (half < 60)).sum() for half in (right, left)]
    assert fluid[1] > fluid[0]
