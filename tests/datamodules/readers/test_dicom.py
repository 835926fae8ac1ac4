"""DICOM files, against pydicom and highdicom's own decoding and against twins in another transfer syntax."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.pixels.processing
import pytest

from medvlm.datamodules import readers
from medvlm.intensity import choose_recipe
from medvlm.recipes import DEFAULT_RECIPES, RECIPES
from medvlm.study import ImageError

read_image: Any = readers.read_image  # tests look into the pixels of any type

TWINS = (
    ("693_UNCR", "693_J2KR"), ("US1_UNCR", "US1_J2KR"), ("MR2_UNCR", "MR2_J2KR"), ("OBXXXX1A", "OBXXXX1A_rle"),
    ("OBXXXX1A", "OBXXXX1A_expb"), ("OBXXXX1A_2frame", "OBXXXX1A_expb_2frame"), ("SC_rgb", "SC_rgb_expb"),
    ("SC_rgb_16bit_2frame", "SC_rgb_expb_16bit_2frame"), ("SC_rgb_32bit", "SC_rgb_expb_32bit"),
    ("emri_small", "emri_small_jpeg_ls_lossless"), ("emri_small", "emri_small_big_endian"),
    ("emri_small", "emri_small_RLE"), ("liver", "liver_expb"), ("JLSL_RGB_ILV0", "JLSL_RGB_ILV2"),
    ("gdcm-US-ALOKA-16", "gdcm-US-ALOKA-16_big"), ("color-pl", "color-px"),
)  # fmt: skip


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_the_same_pixels_in_two_transfer_syntaxes(data: Path, one: str, other: str) -> None:
    first, second = (read_image(data / "dicom_pydicom_data" / f"{name}.dcm") for name in (one, other))
    np.testing.assert_array_equal(first.array, second.array)
    assert (first.axes, first.unit, first.inverted) == (second.axes, second.unit, second.inverted)


def test_ybr_is_shown_as_rgb(data: Path) -> None:
    names = ("rgb_dcmtk_ebcyn2_dcmd", "ybr_full_uncompressed")  # DCMTK made the one of the other
    rgb, ybr = (read_image(data / "dicom_pydicom_data" / f"SC_{name}.dcm") for name in names)
    np.testing.assert_array_equal(rgb.array, ybr.array)


def test_palette_is_looked_up(data: Path) -> None:
    path = data / "dicom_pydicom_data" / "OT-PAL-8-face.dcm"
    dataset = pydicom.dcmread(path, force=True)
    index = np.frombuffer(dataset.PixelData, np.uint8).reshape(480, 640)
    red = np.frombuffer(dataset.RedPaletteColorLookupTableData, "<u2")
    np.testing.assert_array_equal(read_image(path).array[..., 0], red[index])


def test_voi_table_is_applied_as_highdicom_does(data: Path) -> None:
    highdicom = pytest.importorskip("highdicom")
    path = data / "dicom_pydicom_data" / "vlut_04.dcm"
    image = read_image(path)
    shown = highdicom.imread(path).get_frame(1, apply_voi_transform=True, voi_output_range=(0, 1), dtype=np.float64)
    assert image.unit == "display"
    np.testing.assert_allclose(image.array / 65535, shown, atol=1e-4)


def test_modality_table_is_applied(data: Path) -> None:
    path = data / "dicom_pydicom_data" / "mlut_18.dcm"
    dataset = pydicom.dcmread(path)
    expected = pydicom.pixels.processing.apply_modality_lut(dataset.pixel_array, dataset)
    assert not np.array_equal(expected, dataset.pixel_array)
    np.testing.assert_array_equal(read_image(path).array, expected)


def test_monochrome1_is_shown_as_highdicom_shows_it(data: Path) -> None:
    highdicom = pytest.importorskip("highdicom")
    path = data / "dicom_highdicom" / "dx_image.dcm"
    image = read_image(path)
    recipe = choose_recipe(image, DEFAULT_RECIPES).model_copy(update={"size": image.array.shape})
    shown = highdicom.imread(path).get_frame(
        1, apply_voi_transform=True, apply_presentation_lut=True, voi_output_range=(0, 1), dtype=np.float64
    )
    assert image.inverted
    np.testing.assert_allclose(recipe.apply(image)[1], shown, atol=1e-6)


def test_monochrome1_equals_monochrome2_of_inverted_pixels(write: Any) -> None:
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    common = {"Modality": "CR", "BitsStored": 12, "HighBit": 11, "WindowWidth": 2000}
    one = read_image(write("1.dcm", values, PhotometricInterpretation="MONOCHROME1", WindowCenter=1000.5, **common))
    two = read_image(write("2.dcm", 4095 - values, WindowCenter=4095 - 1000.5 + 1, **common))
    recipe = RECIPES["cxr"]
    np.testing.assert_allclose(recipe.apply(one), recipe.apply(two), atol=1e-5)
    assert recipe.apply(one)[0, 0, 0] == 1  # low values are white


def test_ct_is_hu_and_int16(write: Any) -> None:
    stored = np.array([[0, 1024], [2048, 4095]], np.uint16)
    image = read_image(write("a.dcm", stored, RescaleSlope=1, RescaleIntercept=-1024))
    assert (image.unit, image.array.dtype) == ("HU", np.int16)
    assert image.array.tolist() == [[-1024, 0], [1024, 3071]]


def test_old_overlay_bits_above_the_stored_ones_are_cleared(write: Any) -> None:
    stored = np.array([[0xF001, 0x0FFF]], np.uint16)
    unsigned = read_image(write("a.dcm", stored, BitsStored=12, HighBit=11, Modality="MR"))
    signed = read_image(write("b.dcm", stored.view(np.int16), BitsStored=12, HighBit=11, Modality="MR"))
    assert unsigned.array.tolist() == [[1, 4095]]
    assert signed.array.tolist() == [[1, -1]]


def test_linear_exact_window_is_the_same_ramp(write: Any) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    window = {"WindowCenter": 100, "WindowWidth": 50, "VOILUTFunction": "LINEAR_EXACT", "Modality": "CR"}
    shown = RECIPES["cxr"].model_copy(update={"size": (16, 16)}).apply(read_image(write("a.dcm", values, **window)))
    np.testing.assert_allclose(shown[0].ravel(), np.clip((np.arange(256) - 100) / 50 + 0.5, 0, 1), atol=1e-6)


def test_sigmoid_window(write: Any) -> None:
    window = {"WindowCenter": 100, "WindowWidth": 50, "VOILUTFunction": "SIGMOID", "Modality": "CR"}
    image = read_image(write("a.dcm", np.array([[100, 150]], np.uint8), **window))
    np.testing.assert_allclose(image.array, [[0.5, 1 / (1 + np.exp(-4))]], atol=1e-6)


def test_plane_orientation_and_spacing_in_order_of_axes(write: Any) -> None:
    image = read_image(
        write("a.dcm", np.zeros((2, 3), np.int16), ImageOrientationPatient=[0, 1, 0, 0, 0, -1], PixelSpacing=[2, 0.5])
    )
    assert (image.orientation, image.spacing) == ("IP", (2.0, 0.5))
    film = write("b.dcm", np.zeros((2, 3), np.uint16), Modality="CR", PatientOrientation=["L", "F"])
    assert read_image(film).orientation == "IL"


def test_frames_keep_their_axis(data: Path) -> None:
    assert read_image(data / "dicom_pydicom_data" / "emri_small.dcm").array.shape == (10, 64, 64)
    assert read_image(data / "dicom_pydicom_data" / "SC_rgb_2frame.dcm").axes == "tyxc"


def test_source_names_the_instance_and_no_patient(write: Any) -> None:
    image = read_image(write("Canary_Jane.dcm", np.zeros((2, 2), np.int16), SOPInstanceUID="1.2.3"))
    assert image.source == "dicom:c47f5b18b8a430e6"  # sha256 of 1.2.3
    assert "anary" not in repr(image)


def test_a_header_without_pixels_names_its_class(data: Path) -> None:
    with pytest.raises(ImageError, match=r"without pixels \(Comprehensive 3D SR Storage\)"):
        read_image(data / "dicom_highdicom" / "sr_document.dcm")


def test_a_transfer_syntax_without_decoder_is_named(data: Path, tmp_path: Path) -> None:
    known = (data / "dicom_pydicom_data" / "liver_deflate.dcm").read_bytes()
    path = tmp_path / "unknown.dcm"
    path.write_bytes(known.replace(b"1.2.840.10008.1.2.8.1", b"1.2.840.10008.1.2.8.9"))
    with pytest.raises(ImageError, match=r"1\.2\.840\.10008\.1\.2\.8\.9"):
        read_image(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
@pytest.mark.parametrize("name", ["693_UNCR", "693_J2KR", "SC_rgb", "OBXXXX1A_rle", "JLSL_16_15_1_1F", "color-pl"])
def test_every_truncated_file_is_an_image_error(data: Path, tmp_path: Path, name: str, share: float) -> None:
    whole = (data / "dicom_pydicom_data" / f"{name}.dcm").read_bytes()
    path = tmp_path / "cut.dcm"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=r"cut\.dcm"):
        read_image(path)


@pytest.mark.parametrize(
    "hostile",
    [
        {"Rows": 65535, "Columns": 65535},
        {"Rows": 0},
        {"Rows": 3000},
        {"NumberOfFrames": 2**30},
        {"BitsAllocated": 12},
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0},
        {"PhotometricInterpretation": "HSV"},
        {"PhotometricInterpretation": "PALETTE COLOR"},
    ],
)
def test_a_hostile_header_is_an_image_error(write: Any, hostile: dict[str, Any]) -> None:
    with pytest.raises(ImageError, match=r"bad\.dcm"):
        read_image(write("bad.dcm", np.zeros((4, 4), np.uint16), **hostile))


def test_a_window_of_no_width_is_left_out(write: Any) -> None:
    image = read_image(write("a.dcm", np.zeros((4, 4), np.uint16), Modality="CR", WindowCenter=5, WindowWidth=0))
    assert image.windows == ()
    assert "width below 1" in image.notes[0]
