"""From a recipe to a model, its processor and its data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medvlm.datamodules.augment import augment
from medvlm.datamodules.cache import PixelCache
from medvlm.datamodules.data import Drawn, StudyData
from medvlm.datamodules.difficulty import Difficulty
from medvlm.datamodules.mixture import Mixture, Part
from medvlm.datamodules.sets.phantom import make_phantom
from medvlm.generation.engine import Ask
from medvlm.generation.prompts import REASONING, reference_text, user_text
from medvlm.identity import PHANTOM_SETS
from medvlm.intensity import IntensityRecipe
from medvlm.models import build_vlm, load_vlm, train_tokenizer
from medvlm.models.learned_prompt import add_learned_tokens
from medvlm.models.native import NativeProcessor, check_runs
from medvlm.models.quantized import check_quantizing
from medvlm.recipes import RECIPES
from medvlm.settings import DataSettings, ModelSettings, Recipe
from medvlm.stages import Stage
from medvlm.study import ImageRef, Sample
from medvlm.training.configuration import plan_config
from medvlm.training.fitting import check_fits
from medvlm.training.inputs import check_images
from medvlm.training.validation_data import held_out_share, validates


def intensity_recipes(names: Sequence[str] | None) -> list[IntensityRecipe] | None:
    """Intensity recipes by name, None for the general list.

    Raises:
        ValueError: If a name is unknown.
    """
    if names is None:
        return None
    if unknown := [name for name in names if name not in RECIPES]:
        raise ValueError(f"Unknown intensity recipes {unknown}; known: {', '.join(RECIPES)}.")
    return [RECIPES[name] for name in names]


def build_model(settings: ModelSettings, texts: Iterable[str], *, seed: int, meta: bool = False) -> tuple[Any, Any]:
    """The model of a recipe and its processor.

    Args:
        settings: The recipe's model section.
        texts: Of the training set; a decoder built from scratch gets a tokenizer that is trained on them.
        seed: Start of every weight that is not loaded.
        meta: Allocate no weights.

    Raises:
        WeightsError: If the source is a model of another kind than those composed here, or 4 bits cannot be used.
    """
    if settings.quantize is not None and not meta:
        check_quantizing()  # the stages will load it so
    if settings.source is not None:
        model, processor = load_vlm(settings.source)
        check_runs(settings.source, processor)
        if settings.intensity is not None and isinstance(processor, NativeProcessor):
            processor.set_recipes(intensity_recipes(settings.intensity) or [])
        return _with_prompt(model, processor, settings, seed)
    tokenizer: Any = settings.tokenizer
    if tokenizer is None and isinstance(settings.decoder, dict):
        tokenizer = train_tokenizer(texts, settings.vocabulary)
    model, processor = build_vlm(
        encoder=settings.encoder,
        decoder=settings.decoder,
        projector=settings.projector,
        compressor=settings.compressor,
        volume_encoder=settings.volume_encoder,
        tokenizer=tokenizer,
        template=settings.chat_template,
        recipes=intensity_recipes(settings.intensity),
        seed=seed,
        meta=meta,
    )
    return _with_prompt(model, processor, settings, seed)


def _with_prompt(model: Any, processor: Any, settings: ModelSettings, seed: int) -> tuple[Any, Any]:
    """The model with the learned tokens that the recipe asks for."""
    if settings.prompt_tokens is not None:
        add_learned_tokens(model, processor, settings.prompt_tokens, seed=seed)
    return model, processor


def training_texts(samples: Sequence[Sample], *, reasoning: bool) -> list[str]:
    """Every text that training can show: prompts and answers, mined ones included."""
    texts = [REASONING] if reasoning else []
    for sample in samples:
        texts += [user_text(sample), reference_text(sample, reasoning=reasoning)]
        if sample.weak_answer is not None:
            texts.append(reference_text(sample, reasoning=reasoning, weak=True))
    return texts


@dataclass(slots=True)
class Collate:
    """Makes the batch of an objective from drawn groups.

    Args:
        pixels: Prepared pixels of an image reference.
        strength: Name of the augmentation of 2D images; ``none`` leaves them.
        seed: Of the augmentation.
        middle: Value that the prepared pixels call 0.5 of the display range.
        half: Half of their display range.
    """

    pixels: PixelCache
    strength: str = "none"
    seed: int = 0
    middle: float = 0.0
    half: float = 1.0

    def __call__(self, drawn: Sequence[Drawn]) -> list[Ask]:
        """One ask a drawn group."""
        return [Ask(tuple(self._image(ref, item) for ref in item.samples[0].images), item.samples) for item in drawn]

    def _image(self, ref: ImageRef, item: Drawn) -> Tensor:
        image = self.pixels(ref)
        if self.strength == "none" or image.ndim != 3:
            return image
        shown = ((image - self.middle) / self.half + 1) / 2
        array = np.ascontiguousarray(shown.permute(1, 2, 0).numpy().clip(0, 1))
        changed = augment(self.strength)(array, (self.seed, item.epoch, item.index))
        return (torch.from_numpy(changed).permute(2, 0, 1) * 2 - 1) * self.half + self.middle


def phantom_root(recipe: Recipe) -> Path:
    """Where a phantom is made that names no root: beside the runs, for several to share; volumes apart from images."""
    modality = recipe.data.make.get("modality")
    return recipe.output / "data" / "_".join([recipe.data.name, *([str(modality)] if modality else [])])


def data_root(settings: DataSettings, recipe: Recipe) -> Path:
    """Where the set is; phantoms are made there when they are absent.

    Raises:
        ValueError: If the recipe names no root for a set that cannot be made.
    """
    if settings.parts:
        return phantom_root(recipe)  # nothing is read there: each part has a root of its own
    if settings.set in PHANTOM_SETS:
        return make_phantom(settings.set, settings.root or phantom_root(recipe), **settings.make)
    if settings.root is None:
        raise ValueError(f"Where is {settings.set!r}? Say data.root=FOLDER.")
    return settings.root


def stage_data(recipe: Recipe, stage: Stage, root: Path, collate: Collate) -> StudyData:
    """The data module of a stage; where any stage is validated, its questions for that are out of every training."""

    def keep(sample: Sample) -> bool:
        right_kind = stage.kinds is None or sample.kind in stage.kinds
        return right_kind and all(sample.categories.get(name) == value for name, value in stage.where.items())

    data = StudyData(
        recipe.data.name,
        root,
        collate=collate,
        batch_size=stage.images,
        max_questions=stage.questions,
        num_workers=recipe.data.workers,
        seed=recipe.seed,
        options=recipe.data.options | stage.options,
        keep=keep,
        mixture=mixture(recipe.data),
        difficulty=difficulty(recipe.data, stage),
        steps=stage.steps,
    )
    if validates(recipe):
        data.validate_share = held_out_share(data)
    return data


def difficulty(settings: DataSettings, stage: Stage) -> Difficulty | None:
    """Which questions a stage draws by their pass rates, and in which order; None where neither is asked for.

    Raises:
        ValueError: If an order is asked for without rates, or of a mixture.
    """
    if settings.rates is None:
        if stage.order != "random":
            where = "a mixture has shares instead" if settings.parts else "say data.rates=FILE (medvlm probe makes it)"
            raise ValueError(f"stage {stage.name!r}: order={stage.order} needs the pass rates of one set; {where}")
        return None
    return Difficulty(settings.rates, settings.low, settings.high, stage.order)


def mixture(settings: DataSettings) -> Mixture | None:
    """The mixture of a recipe; None for a single set."""
    if not settings.parts:
        return None
    return Mixture(tuple(Part(**dict(part)) for part in settings.parts), settings.temperature)


def set_texts(recipe: Recipe, root: Path) -> list[str]:
    """Training texts of the recipe's set, as its first stage reads it.

    Raises:
        SampleError: If the model cannot read the images of the set.
        ImageError: If a volume has too few or too many slices for it.
        WeightsError: If the model cannot fit a device.
    """
    unused: Any = None
    data = stage_data(recipe, recipe.stages[0], root, unused)
    data.setup("fit")
    settings, samples = recipe.model, data.samples["train"]
    config, _ = plan_config(settings)
    check_fits(recipe, config)
    check_images(
        settings, config, samples, recipes=intensity_recipes(settings.intensity), modality=recipe.data.modality
    )
    return training_texts(samples, reasoning=recipe.reasoning)
