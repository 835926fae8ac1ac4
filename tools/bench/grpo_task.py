"""What both sides of the GRPO bench are given: model, questions, images, a reward; and what is counted of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from medvlm.generation.prompts import Prompter
from medvlm.models import build_vlm, tiny_decoder, train_tokenizer
from medvlm.study import ImageRef, Sample
from tools.bench.machine import Spent, medians


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of a bench."""

    image: int
    patch: int
    vision: tuple[int, int]  # width, layers
    decoder: tuple[int, int]
    vocabulary: int
    words: int  # of a question
    limit: int  # tokens of a completion
    spread: int  # lengths are exponential with this mean before they are cut at the limit
    group: int
    micro_rows: int  # of TRL: its fastest here, 17 % faster than all rows at once
    micro_tokens: int  # of medvlm: one tree
    prompts: int = 4


SIZES = {
    "small": Size(224, 16, (256, 6), (256, 6), 8192, 26, 119, 55, group=8, micro_rows=4, micro_tokens=1024),
    "tiny": Size(32, 8, (32, 1), (32, 1), 512, 6, 12, 5, group=4, micro_rows=4, micro_tokens=64),
}


@dataclass(slots=True)
class Side:
    """One trainer's model, and what its steps cost and touched."""

    model: Any
    stop: int
    spent: list[Spent] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    images: int = 0
    tokens: int = 0
    scored: int = 0
    planned: list[int] = field(default_factory=list)
    drawn: int = 0

    def count(self) -> None:
        """Count images, decoder tokens and tokens scored by the head in every forward from now on."""

        def vision(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self.images += len(kwargs["pixel_values"])

        def decoder(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self.tokens += kwargs["inputs_embeds"].shape[:2].numel()

        def head(module: Any, args: tuple[Any, ...]) -> None:
            self.scored += args[0].shape[:-1].numel()

        self.model.get_output_embeddings().register_forward_pre_hook(head)
        self.model.get_encoder("image").register_forward_pre_hook(vision, with_kwargs=True)
        self.model.get_decoder().register_forward_pre_hook(decoder, with_kwargs=True)

    def plan(self, lengths: Sequence[int]) -> None:
        """Let the next completions have these lengths; an empty plan leaves the model as it is."""
        self.planned, self.drawn = list(lengths), 0

    def follow_plans(self) -> None:
        """Let the head, while it samples, say the stop token where the plan ends a completion, and nowhere else."""

        def end(module: Any, args: tuple[Any, ...], output: Tensor) -> None:
            if not self.planned or torch.is_grad_enabled():
                return
            scores = output.view(-1, output.shape[-1])
            scores[:, self.stop] = -torch.inf
            if self.drawn:  # no plan ends at the first token: medvlm scores it once for all samples of a prompt
                whole = len(scores) == len(self.planned)  # TRL goes on with rows that have ended, medvlm does not
                left = [length for length in self.planned if whole or length > self.drawn]
                closing = [row for row, length in enumerate(left) if length == self.drawn + 1]
                scores[closing] = -torch.inf
                scores[closing, self.stop] = 0.0
            self.drawn += 1

        self.model.get_output_embeddings().register_forward_hook(end)

    def figures(self) -> dict[str, Any]:
        """Medians over the steps after the first, which warms up; counts are means over all steps."""
        steps = len(self.spent)
        return medians(self.spent[1:]) | {
            "steps": steps - 1,
            "vision_images": self.images / steps,
            "decoder_tokens": round(self.tokens / steps),
            "scored_tokens": round(self.scored / steps),
            "completion_tokens": round(fmean(self.lengths), 1),
            "cpu_s_each": [round(one.cpu, 3) for one in self.spent[1:]],
        }


@dataclass(slots=True)
class Task:
    """What both sides are given."""

    size: Size
    samples: list[Sample]
    images: list[PIL.Image.Image]
    model: Any
    processor: Any
    stop: int
    banned: list[int]


def share_of_early_letters(completions: Sequence[Any], **columns: Any) -> list[float | None]:
    """A reward that differs between nearly any two random texts; TRL's completions are messages, ours are texts."""
    texts = [text if isinstance(text, str) else text[0]["content"] for text in completions]
    letters = [[letter for letter in text.lower() if letter.isalpha()] for text in texts]
    return [sum(letter < "m" for letter in found) / max(1, len(found)) for found in letters]


def build_task(size: Size) -> Task:
    """A random model, made-up words and noise images: what is measured does not depend on what is said."""
    draw = Random(0)
    words = ["".join(draw.choices("aeioubdgklmnprst", k=draw.randint(3, 9))) for _ in range(6000)]
    (vision_width, vision_layers), (width, layers) = size.vision, size.decoder
    model, processor = build_vlm(
        encoder={
            "name": "siglip_tiny",
            "image_size": size.image,
            "patch_size": size.patch,
            "width": vision_width,
            "layers": vision_layers,
        },
        decoder=tiny_decoder("qwen3", width=width, layers=layers),
        projector={"kind": "mlp", "merge": 1},
        compressor={"kind": "slices_pool", "tokens": 16, "depth": 1},
        tokenizer=train_tokenizer([" ".join(words)], size.vocabulary),
    )
    noise = np.random.default_rng(0).integers(0, 256, (size.prompts, size.image, size.image, 3), dtype=np.uint8)
    samples = [
        Sample(str(index), (ImageRef(Path(f"{index}.png")),), " ".join(draw.choices(words, k=size.words)), "", "open")
        for index in range(size.prompts)
    ]
    prompter = Prompter(processor)
    return Task(
        size, samples, [PIL.Image.fromarray(one) for one in noise], model, processor, prompter.stop[0], prompter.banned
    )


def lengths_of(size: Size, step: int) -> list[int]:
    """Uneven lengths of the completions of a step, the same for both sides; one beyond the limit is cut there."""
    draw = Random(step)
    return [min(size.limit + 1, 2 + int(draw.expovariate(1 / size.spread))) for _ in range(size.prompts * size.group)]
