"""NIfTI against nibabel: forms and their conflicts, 4-D, pairs, scaling, units, packed and damaged bytes."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medvlm.datamodules.readers import nifti as reader
from medvlm.study import GeometryError, ImageError

nib: Any = nibabel
read_nifti: Any = reader.read_nifti  # tests look into the pixels of any type
VOXELS = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
RAS, LPS = np.diag([1.0, 2.0, 3.0, 1.0]), np.diag([-1.0, -2.0, 3.0, 1.0])


def save(path: Path, sform: Any, qform: Any, *, voxels: Any = VOXELS, codes: tuple[int, int] = (1, 1)) -> Path:
    nifti = nib.Nifti1Image(voxels, sform)
    nifti.set_sform(sform, codes[0])
    nifti.set_qform(qform, codes[1])
    nib.save(nifti, path)
    return path


def test_forms_that_show_left_as_right_are_refused_until_one_is_chosen(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", RAS, LPS)
    with pytest.raises(GeometryError, match="sform says that its axes grow to RAS, its qform says LPS"):
        read_nifti(path)
    by_sform, by_qform = read_nifti(path, form="sform"), read_nifti(path, form="qform")
    np.testing.assert_array_equal(by_sform.array, VOXELS.T)
    np.testing.assert_array_equal(by_qform.array, VOXELS[::-1, ::-1].T)


def test_forms_that_differ_a_little_are_noted_and_the_sform_counts(tmp_path: Path) -> None:
    moved = RAS.copy()
    moved[:3, 3] = 0, 12, 5
    image = read_nifti(save(tmp_path / "a.nii", RAS, moved))
    assert image.notes == ("sform and qform differ (0 degrees, 13 mm at the first voxel): the sform is used",)
    assert read_nifti(save(tmp_path / "b.nii", RAS, RAS)).notes == ()


def test_a_form_that_is_not_there_cannot_be_chosen(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", RAS, LPS, codes=(0, 1))
    np.testing.assert_array_equal(read_nifti(path).array, VOXELS[::-1, ::-1].T)
    with pytest.raises(GeometryError, match="its sform code is 0, it has qform"):
        read_nifti(path, form="sform")


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, nib.Nifti1Pair, nib.Nifti2Pair])
@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_form_of_file_is_what_nibabel_reads(tmp_path: Path, kind: Any, packed: str, order: str) -> None:
    header = kind.header_class(endianness=order)
    header.set_data_dtype(f"{order}i2")
    name = "a.img" if "Pair" in kind.__name__ else "a.nii"
    nib.save(kind(VOXELS, LPS, header), tmp_path / (name + packed))
    image = read_nifti(tmp_path / (name.replace("img", "hdr") + packed))
    canonical = nib.as_closest_canonical(nib.load(tmp_path / (name + packed)))
    np.testing.assert_array_equal(image.array.T, np.asarray(canonical.dataobj))
    assert (image.orientation, image.spacing, image.array.dtype) == ("SAR", (3.0, 2.0, 1.0), np.int16)


def test_a_header_without_its_voxels(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(VOXELS, RAS), tmp_path / "a.img")
    (tmp_path / "a.img").unlink()
    with pytest.raises(ImageError, match=r"there is no a\.img beside it"):
        read_nifti(tmp_path / "a.hdr")


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_one_volume_of_four_dimensions(tmp_path: Path, packed: str) -> None:
    voxels = np.arange(72, dtype=np.int16).reshape(2, 3, 4, 3)
    path = save(tmp_path / f"a.nii{packed}", RAS, RAS, voxels=voxels)
    for wrong in (None, 3, -1):
        with pytest.raises(ImageError, match=r"2x3x4x3, 3 volumes.*part=0 to part=2"):
            read_nifti(path, part=wrong)
    image = read_nifti(path, part=2)
    np.testing.assert_array_equal(image.array.T, voxels[..., 2])
    assert "volume 2 of a 4-D file" in image.notes


@pytest.mark.parametrize(("slope", "inter"), [(np.nan, 0.0), (0.0, 5.0), (2.0, -3.0), (1.0, -1024.0)])
def test_scaling_is_nibabels(tmp_path: Path, slope: float, inter: float) -> None:
    path = save(tmp_path / "a.nii", RAS, RAS)
    whole = bytearray(path.read_bytes())
    whole[112:120] = np.array([slope, inter], "<f4").tobytes()
    path.write_bytes(whole)
    np.testing.assert_array_equal(read_nifti(path).array.T, nib.load(path).get_fdata())


def test_metres_are_millimetres(tmp_path: Path) -> None:
    nifti = nib.Nifti1Image(VOXELS, np.diag([0.001, 0.001, 0.005, 1.0]))
    nifti.header.set_xyzt_units("meter")
    nib.save(nifti, tmp_path / "a.nii")
    np.testing.assert_allclose(np.array(read_nifti(tmp_path / "a.nii").spacing), [5, 1, 1], rtol=1e-6)


def test_a_wrong_checksum_is_found(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", RAS, RAS)
    packed = bytearray(gzip.compress(path.read_bytes()))
    packed[-8] ^= 1
    path.write_bytes(packed)
    with pytest.raises(ImageError, match="a broken NIfTI file"):
        read_nifti(path)


def test_a_bomb_behind_a_modest_header_is_never_unpacked(tmp_path: Path) -> None:
    import tracemalloc

    path = save(tmp_path / "a.nii", RAS, RAS)
    path.write_bytes(gzip.compress(path.read_bytes() + bytes(2**26), 1))
    tracemalloc.start()
    np.testing.assert_array_equal(read_nifti(path).array.T, VOXELS)
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


def test_colours_and_complex_numbers_are_no_volume(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(VOXELS.astype(np.complex64), RAS), tmp_path / "a.nii")
    with pytest.raises(ImageError, match="a NIfTI of complex64"):
        read_nifti(tmp_path / "a.nii")
