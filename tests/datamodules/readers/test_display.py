"""Modality LUT, then window or table, then inversion: as highdicom shows files, and by the standard's formula.

highdicom folds a rescale into the window, which shifts LINEAR by up to half a stored value where the slope is not 1,
and does not read big endian; there the formula of PS3.3 C.11.2.1.2.1 is the judge.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut
from pydicom.sequence import Sequence

from medvlm.datamodules import readers
from medvlm.intensity import IntensityRecipe
from medvlm.study import Image

highdicom: Any = pytest.importorskip("highdicom")
read_image: Any = readers.read_image  # tests look into the pixels of any type

TESTS = Path(pydicom.__file__).parent / "data" / "test_files"
OWN = (
    "693_J2KI.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "examples_overlay.dcm", "J2K_pixelrep_mismatch.dcm",
    "dicomdirtests/77654033/CT2/17106", "dicomdirtests/98892001/CT2N/6293", "dicomdirtests/98892003/MR2/15970",
)  # fmt: skip
SHARED = (
    "dicom_pydicom_data/RG3_J2KR.dcm", "dicom_pydicom_data/RG1_J2KI.dcm", "dicom_pydicom_data/vlut_04.dcm",
    "dicom_pydicom_data/bad_sequence.dcm", "dicom_highdicom/dx_image.dcm", "ct_dicom_dcm_qa_ct/GE/05.dcm",
    "dicom_pydicom_data/JPGLosslessP14SV1_1s_1f_8b.dcm", "ct_dicom_tcia_ny_sbu/A002304/axial/19001231-076.dcm",
)  # fmt: skip


def _shown(image: Image) -> NDArray[Any]:
    """What the window of the file makes of an image, inverted where it has to be."""
    recipe = IntensityRecipe(name="file", modalities=("*",), use_file_window=True, size=image.array.shape[-2:])
    return np.asarray(recipe.apply(image)[0])


def _expected(path: Path) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = highdicom.imread(path).get_frame(
            1, apply_real_world_transform=False, apply_modality_transform=None, apply_voi_transform=True,
            apply_presentation_lut=True, voi_output_range=(0, 1), dtype=np.float64,
        )  # fmt: skip
    return np.asarray(frame)


def _by_the_formula(path: Path) -> NDArray[Any]:
    dataset = pydicom.dcmread(path)
    values = apply_modality_lut(dataset.pixel_array, dataset).astype(np.float64)
    center, width = (np.ravel(dataset[key].value)[0] for key in ("WindowCenter", "WindowWidth"))
    shown = np.clip((values - (float(center) - 0.5)) / (float(width) - 1) + 0.5, 0, 1)
    return 1 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["MR_small_bigendian.dcm", "dicomdirtests/77654033/CR1/6154", *OWN])
def test_pydicoms_files_by_the_formula(name: str) -> None:
    np.testing.assert_allclose(_shown(read_image(TESTS / name)), _by_the_formula(TESTS / name), atol=2e-5)


@pytest.mark.parametrize("name", ["dicom_pydicom_data/MR2_J2KR.dcm", "dicom_pydicom_data/RG3_J2KI.dcm"])
def test_shared_files_by_the_formula(data: Path, name: str) -> None:
    np.testing.assert_allclose(_shown(read_image(data / name)), _by_the_formula(data / name), atol=2e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OWN)
def test_pydicoms_files_as_highdicom_shows_them(name: str) -> None:
    np.testing.assert_allclose(_shown(read_image(TESTS / name)), _expected(TESTS / name), atol=2e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SHARED)
def test_shared_files_as_highdicom_shows_them(data: Path, name: str) -> None:
    np.testing.assert_allclose(_shown(read_image(data / name)), _expected(data / name), atol=2e-5)


def _table(first: int, values: Any, bits: int = 16, **more: Any) -> Sequence:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(values), first, bits], np.asarray(values, np.uint16).tobytes()
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return Sequence([item])


RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8)
CURVE = np.round(65535 * (np.arange(64) / 63) ** 2)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", [None, "IDENTITY", "INVERSE"])
def test_rescale_window_and_inversion_in_this_order(write: Any, photometric: str, shape: Any) -> None:
    more = {"PresentationLUTShape": shape} if shape else {}
    path = write(
        "a.dcm", RAMP, Modality="CR", PhotometricInterpretation=photometric, RescaleSlope=1, RescaleIntercept=-9,
        WindowCenter=12, WindowWidth=30, **more,
    )  # fmt: skip
    image = read_image(path)
    np.testing.assert_allclose(_shown(image), _expected(path), atol=1e-6)
    contradicts = shape is not None and (shape == "INVERSE") != (photometric == "MONOCHROME1")
    assert any("presentation LUT shape" in note for note in image.notes) == contradicts


@pytest.mark.parametrize("slope", [0.5, -0.5, 3])
def test_a_slope_scales_values_and_not_the_window(write: Any, slope: float) -> None:
    path = write("a.dcm", RAMP, Modality="CR", RescaleSlope=slope, RescaleIntercept=2, WindowCenter=9, WindowWidth=30)
    np.testing.assert_allclose(_shown(read_image(path)), _by_the_formula(path), atol=1e-6)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_modality_table_then_voi_table_then_inversion(write: Any, photometric: str) -> None:
    path = write(
        "a.dcm", RAMP, Modality="MG", PhotometricInterpretation=photometric,
        ModalityLUTSequence=_table(0, np.arange(64) + 100, ModalityLUTType="US"), VOILUTSequence=_table(100, CURVE),
        WindowCenter=130, WindowWidth=4,
    )  # fmt: skip
    image = read_image(path)  # the table goes before the window, as in highdicom and pydicom
    expected = CURVE.reshape(8, 8) / 65535
    np.testing.assert_allclose(_shown(image), expected if photometric == "MONOCHROME2" else 1 - expected, atol=1e-6)


def test_a_voi_table_of_values_below_zero(write: Any) -> None:
    path = write("a.dcm", RAMP, Modality="MG", RescaleSlope=1, RescaleIntercept=-32, VOILUTSequence=_table(0, CURVE))
    dataset = pydicom.dcmread(path)
    dataset.VOILUTSequence[0].LUTDescriptor = [64, 2**16 - 32, 16]  # -32, as files that call it unsigned hold it
    dataset.save_as(path)
    np.testing.assert_allclose(_shown(read_image(path)).ravel(), CURVE / 65535, atol=1e-6)


def test_an_angiogram_is_not_led_back_to_beam_intensity(write: Any) -> None:
    table = _table(0, CURVE, ModalityLUTType="US")
    xa = "1.2.840.10008.5.1.4.1.1.12.1"
    path = write(
        "a.dcm", RAMP, Modality="XA", SOPClassUID=xa, PixelIntensityRelationship="LOG", ModalityLUTSequence=table
    )
    np.testing.assert_array_equal(read_image(path).array, RAMP)
    path = write(
        "b.dcm", RAMP, Modality="XA", SOPClassUID=xa, PixelIntensityRelationship="LIN", ModalityLUTSequence=table
    )
    np.testing.assert_array_equal(read_image(path).array.ravel(), CURVE)


def test_without_a_window_the_percentile_rule_is_said(write: Any) -> None:
    from medvlm.recipes import RECIPES

    image = read_image(write("a.dcm", RAMP * 60, Modality="CR", BitsStored=12, HighBit=11))
    assert image.windows == ()
    assert "no window in the file" in RECIPES["cxr"].explain(image)[0]
