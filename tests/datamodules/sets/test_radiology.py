"""What holds over the radiology sets together."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from medvlm.datamodules.sets import LoadReport, load_set
from medvlm.datamodules.sets.radiology import CARDS

MIMIC = ("mimic_cxr", "mimic_cxr_jpg", "mimic_vqa", "gemex", "ms_cxr", "imagenome", "imagenome_gold", "cxreason")


@pytest.mark.parametrize("name", MIMIC)
def test_a_patient_of_mimic_has_one_name_in_every_set_made_of_it(name: str, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("release", Path(__file__).parent / "releases" / f"{name}.py")
    assert spec
    assert spec.loader
    release = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(release)
    release.write(tmp_path)
    report = LoadReport()
    samples = list(load_set(name, tmp_path, "all", report=report, **getattr(release, "OPTIONS", {})))
    assert samples
    assert all(re.fullmatch(r"1\d{7}", sample.group) for sample in samples)
    assert all(image.path.suffix in (".jpg", ".dcm", ".png") for sample in samples for image in sample.images)


def test_sets_of_credentialed_images_say_so() -> None:
    access = {card.name: card.access for card in CARDS}
    assert {access[name] for name in MIMIC} == {"credentialed"}
    assert {name for name, kind in access.items() if kind == "open"} == {"openi", "openi_r2gen"}
