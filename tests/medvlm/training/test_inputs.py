"""Images that a model cannot read are refused from configurations alone, with the numbers and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medvlm.config import load_config
from medvlm.intensity import IntensityRecipe
from medvlm.recipes import RECIPES
from medvlm.settings import ModelSettings
from medvlm.study import ImageError, ImageRef, Sample, SampleError
from medvlm.training.build import build_model, data_root
from medvlm.training.configuration import plan_config
from medvlm.training.dryrun import dry_run
from medvlm.training.inputs import check_images

ENCODER = {"name": "siglip_tiny", "image_size": 32, "patch_size": 8, "width": 32, "layers": 1, "heads": 2}
DECODER = {"model_type": "qwen3", "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 32}
PLANE = Sample("plane", (ImageRef(Path("a.png")),) * 2, "?", "yes", "closed")
VOLUME = Sample("volume", (ImageRef(Path("ct.nii.gz"), volume=True),), "?", "yes", "closed")


def settings(**more: Any) -> ModelSettings:
    return ModelSettings.model_validate({"encoder": ENCODER, "decoder": DECODER, **more})


def check(given: ModelSettings, *samples: Sample, recipes: Any = None) -> None:
    check_images(given, plan_config(given)[0], samples, recipes=recipes, modality="CT")


def test_a_volume_into_a_model_of_images() -> None:
    with pytest.raises(SampleError, match=r"'volume' shows a volume, .* 2D images only \(16 tokens each"):
        check(settings(projector={"kind": "linear"}), PLANE, VOLUME)
    check(settings(), PLANE)
    check(settings(compressor={"kind": "slices_pool"}), PLANE, VOLUME)
    check(settings(volume_encoder="vit3d_tiny"), PLANE, VOLUME)


def test_an_image_into_a_model_of_volumes() -> None:
    with pytest.raises(SampleError, match=r"'plane' shows 2 image\(s\), .* volumes of 8 x 32 x 32"):
        check(settings(encoder="vit3d_tiny"), VOLUME, PLANE)
    check(settings(encoder="vit3d_tiny"), VOLUME)


@pytest.mark.parametrize(("slices", "fits"), [(3, False), (4, True), (32, True)])
def test_slices_that_the_recipe_chooses_must_fill_the_budget(slices: int, fits: bool) -> None:
    given = settings(projector={"kind": "linear"}, compressor={"kind": "slices_merge", "tokens": 64})
    recipes = [RECIPES["ct"].model_copy(update={"slices": slices})]
    if fits:
        check(given, VOLUME, recipes=recipes)
        return
    with pytest.raises(ImageError, match=r"3 slice\(s\) cannot be given to .*slices_merge.* takes 4 or more"):
        check(given, VOLUME, recipes=recipes)


def test_slices_of_the_first_file_where_a_recipe_takes_all(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8, 3), np.int16), np.eye(4)), tmp_path / "ct.nii.gz")
    volume = Sample("v", (ImageRef(tmp_path / "ct.nii.gz", volume=True),), "?", "yes", "closed")
    given = settings(projector={"kind": "linear"}, compressor={"kind": "slices_merge", "tokens": 64})
    every: IntensityRecipe = RECIPES["ct"].model_copy(update={"slices": None})
    with pytest.raises(ImageError, match=r"3 slice\(s\)"):
        check(given, volume, recipes=[every])


def test_slabs_of_a_3d_encoder_must_fill_the_budget() -> None:
    given = settings(encoder="vit3d_tiny", compressor={"kind": "slices_merge", "tokens": 999})
    with pytest.raises(ImageError, match="4 slice"):
        check(given, VOLUME)


def test_a_projector_that_the_encoder_does_not_fit_is_refused_before_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medvlm.models.build._assemble", lambda *unused: pytest.fail("weights were made"))
    with pytest.raises(ValueError, match=r"merge=3.*4|4.*merge=3"):
        build_model(settings(projector={"kind": "mlp", "merge": 3}), ["a"], seed=0)


def test_a_dry_run_of_volumes_without_a_compressor_is_refused(tmp_path: Path) -> None:
    recipe = load_config("configs/ct_report.yaml", [f"output={tmp_path}", "data.make.patients=4"])
    recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"compressor": None})})
    data_root(recipe.data, recipe)
    with pytest.raises(SampleError, match="shows a volume, the model reads 2D images only"):
        dry_run(recipe)
