"""The face of the package: cheap to import, and exactly what it says it offers."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import medvlm
from medvlm import study

HEAVY = """
    torch torchvision transformers tokenizers safetensors huggingface_hub lightning pytorch_lightning monai pydicom gdcm
    nibabel numpy scipy PIL pydantic yaml timm open_clip peft cv2 albumentations rich jinja2 pandas matplotlib
"""


def test_import_loads_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import medvlm; dir(medvlm); print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "medvlm" in loaded
    assert {name.partition(".")[0] for name in loaded} & set(HEAVY.split()) == set()
    assert [name for name in loaded if name.startswith("medvlm.")] == []


@pytest.mark.parametrize("name", medvlm.__all__)
def test_everything_offered_is_there(name: str) -> None:
    assert getattr(medvlm, name) is not None
    assert name in dir(medvlm)


def test_nothing_public_is_left_out_of_all() -> None:
    for name in medvlm.__all__:
        getattr(medvlm, name)
    modules = {name for name in vars(medvlm) if type(vars(medvlm)[name]) is type(sys)}
    public = (
        {name for name in vars(medvlm) if not name.startswith("_")} - modules - {"annotations", "TYPE_CHECKING", "Any"}
    )
    assert public | {"__version__"} == set(medvlm.__all__)


def test_the_errors_are_those_that_are_raised() -> None:
    assert medvlm.ImageError is study.ImageError
    assert issubclass(medvlm.GeometryError, medvlm.MedvlmError)


def test_the_version_is_that_of_the_installed_package() -> None:
    assert medvlm.__version__ == version("medvlm")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'predikt'.*predict"):
        medvlm.predikt  # noqa: B018
