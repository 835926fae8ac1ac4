"""What a card says its model takes is checked against headers; a card that cannot be understood is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medvlm.accepts import TAKES_ALL, Accepts, accepts_of
from medvlm.identity import identify
from medvlm.predictor import load
from medvlm.study import RecipeMismatch, WeightsError

CARD = {"accepts": {"views": ["PA", "AP"], "body_parts": ["CHEST"], "min_pixels": 512, "min_slices": 20}}
FITS: dict[str, Any] = {"view": "PA", "part": "CHEST", "size": (512, 600), "slices": None}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"part": "THORAX"}, ""),
        ({"view": "LL"}, "the model takes views PA, AP; this is LL"),
        ({"part": "FOOT"}, "the model takes the body parts CHEST; this is FOOT"),
        ({"size": (600, 511)}, "600 x 511 pixels; the model takes sides of 512 or more"),
        ({"slices": 19}, "19 slices, perhaps some are missing; the model takes 20 or more"),
        ({"slices": 20, "view": "LL"}, ""),
        ({"view": "", "part": "", "size": (0, 0)}, ""),
    ],
)
def test_what_a_header_contradicts_is_named(changes: Any, reason: str) -> None:
    assert accepts_of(CARD, "card").misfit(**{**FITS, **changes}) == reason
    assert TAKES_ALL.misfit(**{**FITS, **changes}) == ""


def test_what_a_header_does_not_say_is_noted() -> None:
    accepts = accepts_of(CARD, "card")
    assert accepts.unsaid(**FITS) == ()
    lost = accepts.unsaid(view="", part="", size=(0, 0), slices=None)
    assert [note.split(":")[0].split()[-1] for note in lost] == ["view", "part", "size"]


@pytest.mark.parametrize(
    "accepts",
    [[], {"view": ["PA"]}, {"views": "PA"}, {"views": ["pa"]}, {"min_pixels": "512"}, {"min_slices": -1}, None],
)
def test_a_card_that_is_not_understood_is_refused(model_folder: Path, tmp_path: Path, accepts: Any) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    (tmp_path / "model" / "medvlm.json").write_text(json.dumps({"accepts": accepts}), encoding="utf-8")
    with pytest.raises(WeightsError, match="accepts"):
        identify(tmp_path / "model")


def test_a_single_file_is_checked_too(model_folder: Path) -> None:
    from pydicom.data import get_testdata_file

    path = str(get_testdata_file("CT_small.dcm"))  # 128 x 128, one slice
    predictor = load(model_folder, device="cpu")
    predictor.predict(path, "Is there fluid?", max_new_tokens=1)
    predictor.identity = replace(predictor.identity, accepts=Accepts(min_pixels=512))
    with pytest.raises(RecipeMismatch, match="128 x 128 pixels"):
        predictor.predict(path, "Is there fluid?")


def test_a_name_in_the_attribute_of_the_body_part_is_never_said() -> None:
    reason = Accepts(body_parts=("CHEST",)).misfit(view="", part="DOE JANE", size=(0, 0), slices=None)
    assert reason == "the model takes the body parts CHEST; this is another part"


@pytest.mark.parametrize(
    ("card", "reads"),
    [
        ({}, ("priors", "history")),  # a model from elsewhere
        ({"recipe": "small"}, ()),
        ({"recipe": "small", "reads": ["priors"], "kinds": ["box"]}, ("priors",)),
    ],
)
def test_a_model_of_a_recipe_reads_what_its_card_says(
    model_folder: Path, tmp_path: Path, card: Any, reads: tuple[str, ...]
) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    (tmp_path / "model" / "medvlm.json").write_text(json.dumps(card), encoding="utf-8")
    found = identify(tmp_path / "model")
    assert (found.reads, list(found.kinds)) == (reads, card.get("kinds", []))
