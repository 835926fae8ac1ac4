"""Questions put to a server that samples: prompts, images and weights of a trainer as the server takes them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import ModulesToSaveWrapper
from torch import Tensor, nn

from medvlm import ranks
from medvlm.generation.engine import Ask
from medvlm.generation.prompts import Prompter
from medvlm.generation.remote import RemoteError, Server, Wanted
from medvlm.generation.sampling import Completion
from medvlm.models.native import NativeProcessor


class OutsideSampler:
    """Samples answers by a server; its weights are brought up to date before each batch.

    Args:
        server: Serves the model that is trained; it is checked here.
        prompter: Of the native model that is trained.

    Raises:
        ValueError: If the model is none that a server could hold (one composed here).
        RemoteError: If the server is not there, or not as it must be.
    """

    def __init__(self, server: Server, prompter: Prompter) -> None:
        if not isinstance(prompter.processor, NativeProcessor):
            raise ValueError("A server samples for native models (model.source) alone: leave `rollouts` out.")
        self.server, self.prompter, self.processor = server, prompter, prompter.processor
        self._sent = False
        server.check()

    def follow(self, model: Any) -> None:
        """Bring the server's weights up to date, from the first process; all of them the first time.

        Args:
            model: What is trained, its weights whole.
        """
        with ranks.in_turn():
            if ranks.is_first():
                self.server.update(plain_weights(model, trained_only=self._sent))
        self._sent = True

    def sample(self, asks: Sequence[Ask], wanted: Wanted, seed: int) -> list[list[list[Completion]]]:
        """Answers to every question, ``[ask][question][n]``; the images of an ask are sent once.

        Args:
            asks: Questions with their images.
            wanted: How answers are sampled.
            seed: With the question's id it seeds its answers, whichever process asks.
        """
        prompts, features, seeds = [], [], []
        for ask in asks:
            seen = self.server.features(_planes(ask.images)) if ask.images else None
            for question in ask.questions:
                prompt = self.prompter.prompt(question)
                prompts.append(prompt)
                features.append(seen and self._placed(seen, prompt))
                seeds.append(zlib.crc32(f"{seed}:{question.id}".encode()))
        each = iter(self.server.generate(prompts, features, wanted, seeds))
        return [[next(each) for _ in ask.questions] for ask in asks]

    def _placed(self, features: dict[str, Any], prompt: Sequence[int]) -> dict[str, Any]:
        """Features with their placeholders where a prompt has them."""
        runs = _runs(prompt, self.processor.image_token_id)
        there = features.get("mm_placeholders", {})
        if (placed := len(there.get("image", ()))) != len(runs):
            raise RemoteError(
                f"{self.server.url} places {placed} images, the prompt has {len(runs)} runs of image tokens; a model "
                "that shows an image in several runs cannot be sampled by a server."
            )
        return {**features, "mm_placeholders": {**there, "image": runs}}


def _runs(prompt: Sequence[int], token: int) -> list[dict[str, int]]:
    """Where a token stands, as neighbours together.

    Examples:
        >>> _runs([5, 9, 9, 5, 9], 9)
        [{'offset': 1, 'length': 2}, {'offset': 4, 'length': 1}]
    """
    found: list[dict[str, int]] = []
    for place, one in enumerate(prompt):
        if one != token:
            continue
        if found and found[-1]["offset"] + found[-1]["length"] == place:
            found[-1]["length"] += 1
        else:
            found.append({"offset": place, "length": 1})
    return found


def _planes(images: Sequence[Tensor]) -> list[Tensor]:
    """Images and the slices of volumes, one after another."""
    return [plane for image in images for plane in (image if image.ndim == 4 else image[None])]


@torch.no_grad()
def plain_weights(model: nn.Module, *, trained_only: bool = False) -> Iterator[tuple[str, Tensor]]:
    """Weights under the names that they have without adapters, which are folded in; the model is left as it is.

    Args:
        model: With adapters or without.
        trained_only: Leave out what is frozen and carries no adapter.
    """
    inside: list[str] = []
    seen: set[int] = set()
    for name, module in model.named_modules():
        if any(name.startswith(above) for above in inside):
            continue
        if isinstance(module, BaseTunerLayer):
            inside.append(f"{name}.")
            merged: Any = deepcopy(module)
            merged.merge()
            yield from _under(name, merged.get_base_layer())
        elif isinstance(module, ModulesToSaveWrapper):
            inside.append(f"{name}.")
            yield from _under(name, module.modules_to_save[module.active_adapters[0]])
        else:
            for own, weight in module.named_parameters(recurse=False):
                tied = id(weight) in seen  # told once, under its first name, as a model lists it
                seen.add(id(weight))
                if not tied and (weight.requires_grad or not trained_only):
                    yield (f"{name}.{own}" if name else own), weight


def _under(name: str, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for own, weight in module.named_parameters():
        yield f"{name}.{own}", weight
