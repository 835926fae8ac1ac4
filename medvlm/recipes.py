"""The named intensity recipes, each with what it is for and where its numbers come from (:data:`ABOUT`)."""

from __future__ import annotations

from typing import Any

from medvlm.intensity import IntensityRecipe

_GRAY = ("yx", "zyx", "tyx")
_PERCENTILES = (0.5, 99.5)
_XRAY: dict[str, Any] = {"axes": ("yx", "tyx"), "units": ("stored", "display"), "percentiles": _PERCENTILES}
_CT: dict[str, Any] = {"modalities": ("CT",), "units": ("HU",), "axes": _GRAY, "orientation": "SPL"}
_MR: dict[str, Any] = {
    "modalities": ("MR",), "units": ("stored", "display"), "axes": _GRAY, "orientation": "plane",
}  # fmt: skip
_MEDGEMMA: dict[str, Any] = {**_CT, "window_function": "linear_exact", "levels": 256, "size": (896, 896)}

_NAMED: tuple[tuple[str, dict[str, Any], str], ...] = (
    (
        "cxr",
        {"modalities": ("CR", "DX", "OT"), "use_file_window": True, **_XRAY},
        "Radiographs as on a workstation: the file's window, else percentiles, which the result says. The general "
        "choice: the window is what the technician saw.",
    ),
    (
        "cxr_percentile",
        {"modalities": ("CR", "DX", "OT"), **_XRAY},
        "Radiographs by percentiles 0.5 and 99.5, whatever the file's window: for files of many makers, whose windows "
        "are made for different screens.",
    ),
    (
        "cxr_voi",
        {"modalities": ("CR", "DX"), "axes": ("yx", "tyx"), "units": ("stored", "display"), "use_file_window": True},
        "Radiographs by the file's window or VOI LUT only (PS3.3 C.11.2): files without one are refused.",
    ),
    (
        "xray",
        {"modalities": ("MG", "XA", "RF", "IO", "PX", "RG", "XC"), "use_file_window": True, **_XRAY},
        "Mammograms, angiograms, fluoroscopy and dental films, as `cxr`.",
    ),
    (
        "ct",
        {"windows": ((0, 2048), (40, 400), (40, 80)), **_CT},
        "Wide, soft tissue and brain as three channels: a general model must show any part of the body.",
    ),
    (
        "ct_chest",
        {"windows": ((-600, 1500), (40, 400), (300, 1500)), **_CT},
        "Lung, mediastinum and bone as three channels, the windows of a chest reading.",
    ),
    (
        "ct_brain",
        {"windows": ((40, 80), (80, 200), (600, 2800)), **_CT},
        "Brain, subdural and bone as three channels, the windows of a head reading.",
    ),
    ("ct_lung", {"windows": ((-600, 1500),), **_CT}, "Lung, -1350 to 149 HU, gray."),
    ("ct_mediastinum", {"windows": ((40, 400),), **_CT}, "Mediastinum and soft tissue, -160 to 239 HU, gray."),
    ("ct_bone", {"windows": ((600, 2800),), **_CT}, "Bone, -800 to 1999 HU, gray: wide enough for the temporal bone."),
    ("ct_parenchyma", {"windows": ((40, 80),), **_CT}, "Brain, 0 to 79 HU, gray."),
    (
        "ct_wide",
        {"windows": ((0, 2000),), "window_function": "linear_exact", **_CT},
        "-1000 to 1000 HU, gray: the range that CT-CLIP, CT-CHAT and Merlin clip to.",
    ),
    (
        "medgemma_ct",
        {"windows": ((0, 2048), (40, 350), (40, 80)), **_MEDGEMMA},
        "MedGemma as its CT notebook shows volumes: red -1024..1024, green -135..215, blue 0..80 HU, in 8 bits. Use "
        "this one: of Google's three it is the one that comes with a worked example for volumes, and its green is the "
        "usual soft tissue window.",
    ),
    (
        "medgemma_ct_server",
        {"windows": ((0, 2048), (175, 80), (40, 80)), **_MEDGEMMA},
        "MedGemma as the constants of its serving code: green is 135..215 HU, which its docstring calls fat; fat is "
        "about -100 HU, so a sign seems lost. Only to repeat results of that server.",
    ),
    (
        "medgemma_ct_report",
        {"windows": ((-100, 2250), (40, 350), (40, 80)), **_MEDGEMMA},
        "MedGemma as its technical report gives it (width/level 2250/-100, 350/40, 80/40; quoted in "
        "google-health/medgemma issue 27). Only red differs from `medgemma_ct`: -1225..1025 HU.",
    ),
    (
        "mr",
        {"percentiles": _PERCENTILES, **_MR},
        "MR by percentiles 0.5 and 99.5: scanner units differ from scan to scan, and file windows with them.",
    ),
    (
        "mr_zscore",
        {"zscore": 3.0, **_MR, "units": ("stored",)},
        "MR by three standard deviations about the mean of what is not zero, so that the same tissue is about the same "
        "gray whatever else is bright. Noise in the air becomes dark gray, not black.",
    ),
    (
        "mr_minmax",
        {"percentiles": (0.0, 100.0), **_MR},
        "MR from its least to its largest value, as MedGemma's serving code scales it; one bright voxel darkens all.",
    ),
    (
        "nuclear",
        {
            "modalities": ("NM", "PT"),
            "units": ("stored", "display"),
            "axes": _GRAY,
            "percentiles": (0.0, 99.5),
            "orientation": "plane",
        },
        "Nuclear medicine: no uptake is black, a hot bladder may saturate.",
    ),
    (
        "pathology",
        {"modalities": ("SM", "GM"), "units": ("display",), "axes": ("yxc", "tyxc")},
        "Tiles of slides: colours as they are, for stain is measured in them; no window, no percentile.",
    ),
    (
        "photo",
        {"modalities": ("*",), "units": ("stored", "display"), "use_file_window": True},
        "Any picture whose values are meant for a screen: ultrasound, endoscopy, skin, JPEG and PNG.",
    ),
)

RECIPES: dict[str, IntensityRecipe] = {
    name: IntensityRecipe.model_validate({"name": name, **settings}) for name, settings, _ in _NAMED
}
ABOUT: dict[str, str] = {name: about for name, _, about in _NAMED}
"""What each recipe is for, and why its numbers are what they are."""


def default_recipes(size: tuple[int, int] = (224, 224), slices: int | None = 32) -> tuple[IntensityRecipe, ...]:
    """Return recipes for a model that takes any modality: X-ray, CT, MR, nuclear medicine, pictures.

    Args:
        size: Height and width that the encoder takes.
        slices: Slices of a volume that it takes.
    """
    names = ("cxr", "xray", "ct", "mr", "nuclear", "photo")
    return tuple(RECIPES[name].model_copy(update={"size": size, "slices": slices}) for name in names)


DEFAULT_RECIPES: tuple[IntensityRecipe, ...] = default_recipes()
