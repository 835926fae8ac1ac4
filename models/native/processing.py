"""The processor of a native model: our intensity recipes make an 8-bit picture, its own processor does the rest.

How pixels become numbers stays stated: the recipes are saved beside the model's own processor files, all at one size,
so that every image has the same number of tokens and a prompt can be laid out before a pixel is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import BatchFeature

from medvlm.intensity import IntensityRecipe
from medvlm.recipes import default_recipes
from medvlm.study import ImageError, SampleError, WeightsError

from ..image_processing import MedVLMImageProcessor
from ..learned_prompt import learned_tokens
from ..tokens import image_token_ids
from ..turns import stop_ids
from .family import Family
from .layout import Layout

RECIPES_FILE = "medvlm_recipes.json"
SLICES = 32
"""Slices of a volume, each shown as an image, where the saved recipes do not say otherwise."""
CHUNK = 64


class NativeProcessor:
    """What the toolkit asks of a processor, answered by a native one.

    Args:
        native: The model's own processor.
        config: The model's configuration.
        family: What is special about its kind.
        recipes: Intensity recipes, tried in order; the general list if None. They get the model's size.
        slices: Slices that a volume shows.

    Raises:
        WeightsError: If the model is set to something that is not supported.
    """

    def __init__(
        self,
        native: Any,
        config: Any,
        family: Family,
        recipes: Sequence[IntensityRecipe] | None = None,
        slices: int = SLICES,
    ) -> None:
        family.check(config, native)
        self.native, self.family, self.slices = native, family, slices
        self.tokenizer: Any = native.tokenizer
        self.size = size = family.size(config, native)
        self.set_recipes(default_recipes(size) if recipes is None else recipes)
        window = getattr(config.get_text_config(), "sliding_window", None)
        self._longest = window if family.ahead == "prompt" else None
        self.image_token, self.image_token_id = str(native.image_token), int(config.image_token_id)
        sample = family.images(native, [torch.zeros((3, *size), dtype=torch.uint8)])
        self._expanded: str = native.replace_image_token(sample, 0)
        ids: list[int] = self.token_ids(self._expanded)
        self.image_tokens = ids.count(self.image_token_id)
        self.layout = Layout(self.image_token_id, family.grid(config, sample), family.ahead)
        around = {token for token in ids if token in self.tokenizer.all_special_ids}
        # the configuration names more than a prompt of ours shows: a drawn video token would ask for a video
        self._special = around | {token for token in image_token_ids(config) if token < len(self.tokenizer)}

    def set_recipes(self, recipes: Sequence[IntensityRecipe]) -> None:
        """Take other intensity recipes, tried in order; they get the model's size and number of slices."""
        sized = [recipe.model_copy(update={"size": self.size, "slices": self.slices}) for recipe in recipes]
        self.image_processor = MedVLMImageProcessor(sized, (0.0,) * 3, (1.0,) * 3)

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Tokens that only images and templates bring into a text; they are never generated."""
        return *self.tokenizer.convert_ids_to_tokens(sorted(self._special)), *learned_tokens(self.tokenizer)

    @cached_property
    def stop_ids(self) -> list[int]:
        """Tokens that end an answer; the first one is what the chat template writes there."""
        return stop_ids(self.native, self.tokenizer)

    def places(self, volume: bool) -> list[dict[str, str]]:
        """What stands for an image, or the slices of a volume, in a message."""
        return [{"type": "image"}] * (self.slices if volume else 1)

    def count_tokens(self, kind: Literal["image", "volume"]) -> int:
        """Placeholders of one image or volume."""
        return self.image_tokens * (self.slices if kind == "volume" else 1)

    def apply_chat_template(self, messages: Sequence[Any], **options: Any) -> str:
        """A conversation as text; without a template, its images and its texts one after another."""
        if self.native.chat_template is not None:
            text: str = self.native.apply_chat_template(messages, **options)
            return text
        parts = [part for message in messages for part in message["content"]]
        images = self.image_token * sum(part["type"] == "image" for part in parts)
        return str(images + "\n".join(part["text"] for part in parts if part["type"] == "text"))

    def prompt_ids(self, text: str) -> list[int]:
        """Ids of a rendered prompt as the model's own processor gives them.

        Raises:
            SampleError: If a prompt that is read in both directions is longer than the window of the decoder.
        """
        start = self.tokenizer.bos_token
        text = self.family.prompt(self.native, text)
        learned = "".join(learned_tokens(self.tokenizer))
        began = start is not None and text.removeprefix(learned).startswith(start)
        text = text.replace(self.image_token, self._expanded)
        ids: list[int] = self.tokenizer(text, add_special_tokens=not began)["input_ids"]
        if self._longest is not None and len(ids) > self._longest:
            raise SampleError(f"A prompt takes {len(ids)} tokens, the model reads at most {self._longest} both ways.")
        return ids

    def token_ids(self, text: str) -> list[int]:
        """Ids of a text, with nothing added."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def features(self, model: Any, images: Sequence[Tensor]) -> list[Tensor]:
        """Features ``(tokens, D)`` of each image; those of a volume's slices follow each other.

        Args:
            model: The model, without wrapper.
            images: As ``image_processor.pixels`` gives them: ``(3, H, W)`` or ``(S, 3, H, W)`` in [0, 1].

        Raises:
            ImageError: If a volume has another number of slices than prompts have placeholders for.
        """
        if odd := sorted({len(image) for image in images if image.ndim == 4} - {self.slices}):
            raise ImageError(f"A volume of {odd[0]} slices was given, the model is shown {self.slices} of each.")
        planes = [plane for image in images for plane in (image if image.ndim == 4 else image[None])]
        weight = model.get_input_embeddings().weight
        found: list[Tensor] = []
        for start in range(0, len(planes), CHUNK):
            pictures = [(plane * 255).round().clamp(0, 255).to(torch.uint8) for plane in planes[start : start + CHUNK]]
            inputs: BatchFeature = self.family.images(self.native, pictures)
            found += self.family.features(model, inputs.to(weight.device, weight.dtype))
        each = iter(found)
        return [torch.cat([next(each) for _ in range(len(image) if image.ndim == 4 else 1)]) for image in images]

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model's own processor files and, beside them, our recipes."""
        self.native.save_pretrained(str(folder))
        saved = {"slices": self.slices, "recipes": self.image_processor.recipes}
        (Path(folder) / RECIPES_FILE).write_text(json.dumps(saved, indent=1), encoding="utf-8")


def saved_recipes(folder: str | Path) -> dict[str, Any]:
    """What ``NativeProcessor.save_pretrained`` wrote, as arguments; nothing where it did not.

    Raises:
        WeightsError: If the file is damaged.
    """
    path = Path(folder) / RECIPES_FILE
    if not path.is_file():
        return {}
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        recipes = [IntensityRecipe.model_validate(recipe) for recipe in saved["recipes"]]
        return {"slices": int(saved["slices"]), "recipes": recipes}
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} does not hold intensity recipes: {error}") from error
