"""What can be known of a recipe's model and texts before any weight is read: configuration, tokenizer, token counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from transformers import AutoProcessor

from medvlm.generation.prompts import REASONING, Prompter, reference_text, user_text
from medvlm.models import MedVLMConfig, train_tokenizer
from medvlm.models.build import find_spec, find_volume_spec, make_processor
from medvlm.models.learned_prompt import learned_tokens
from medvlm.models.native import check_runs, wrap
from medvlm.models.tokenizer import load_tokenizer
from medvlm.models.weights import explained
from medvlm.settings import Recipe
from medvlm.study import Sample, WeightsError
from medvlm.training.build import intensity_recipes, training_texts

LOOKED_AT = 256  # samples of a stage whose tokens are counted
CHARACTERS = 4  # characters of a token, where no tokenizer is at hand


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of a text: mean and most."""

    mean: float
    most: int

    @classmethod
    def of(cls, counts: Sequence[int]) -> Lengths:
        """The mean and the most of some counts."""
        return cls(fmean(counts), max(counts))


def image_tokens(config: Any) -> int:
    """Decoder tokens of one image.

    Raises:
        WeightsError: If the model decides by the image's size.
    """
    for name in ("image_tokens", "mm_tokens_per_image", "image_seq_length"):
        if (count := getattr(config, name, None)) is not None:
            return int(count)
    raise WeightsError(
        f"A {config.model_type!r} model decides on an image's tokens by its size; they cannot be planned."
    )


class TokenCounter:
    """Counts the tokens of prompts and answers, by the real tokenizer where it is at hand."""

    def __init__(self, recipe: Recipe, config: Any, samples: Sequence[Sample]) -> None:
        self.notes: list[str] = []
        self.reasoning = recipe.reasoning
        self.prompter: Prompter | None = None
        self.learned = recipe.model.prompt_tokens or 0
        try:
            processor = _processor(recipe, config, some(samples))
        except WeightsError as error:
            self.notes.append(f"no tokenizer: {error}; {CHARACTERS} characters are counted as a token.")
            self.image_tokens = image_tokens(config)
            self.volume_tokens = config.volume_tokens if isinstance(config, MedVLMConfig) else self.image_tokens
        else:
            self.prompter = Prompter(processor, reasoning=recipe.reasoning)
            self.learned -= len(learned_tokens(processor.tokenizer))  # a prompt shows those that are there
            self.image_tokens, self.volume_tokens = processor.count_tokens("image"), processor.count_tokens("volume")

    def prompt(self, sample: Sample) -> int:
        """Tokens of a prompt, images included."""
        if self.prompter is not None:
            return self.learned + len(self.prompter.prompt(sample))
        shown = sum(self.volume_tokens if image.volume else self.image_tokens for image in sample.images)
        return self.learned + shown + self._text(user_text(sample) + REASONING * self.reasoning)

    def answer(self, sample: Sample, *, weak: bool) -> int:
        """Tokens of the reference answer."""
        text = reference_text(sample, reasoning=self.reasoning, weak=weak)
        return self._text(text) if self.prompter is None else len(self.prompter.completion(text))

    @staticmethod
    def _text(text: str) -> int:
        return math.ceil(len(text) / CHARACTERS)


def _processor(recipe: Recipe, config: Any, samples: Sequence[Sample]) -> Any:
    """The processor with which tokens are counted.

    Raises:
        WeightsError: If it is not at hand; it is not fetched.
    """
    settings = recipe.model
    if settings.source is not None:
        with explained(settings.source):
            processor = AutoProcessor.from_pretrained(settings.source, trust_remote_code=False, local_files_only=True)
            processor = wrap(processor, config, settings.source)
            check_runs(settings.source, processor)
            return processor
    source = settings.tokenizer or (settings.decoder if isinstance(settings.decoder, str) else None)
    if source is None and not samples:
        raise WeightsError("it is trained on the data, which is not there")
    if source is not None:
        if not Path(source).is_dir():
            raise WeightsError(f"that of {source} would be downloaded")
        with explained(source):
            tokenizer = load_tokenizer(source)
    else:
        tokenizer = train_tokenizer(training_texts(samples, reasoning=recipe.reasoning), settings.vocabulary)
    return make_processor(
        config,
        tokenizer,
        find_spec(settings.encoder),
        intensity_recipes(settings.intensity),
        volume=find_volume_spec(settings.volume_encoder),
        template=settings.chat_template,
    )


def some(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Not more samples than are looked at, from beginning to end."""
    return samples[:: max(1, math.ceil(len(samples) / LOOKED_AT))]
