"""The loop of transformers that the reporting bench is beside: pairs of image and question through ``generate``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from medvlm.generation.prompts import Prompter
from medvlm.study import Sample
from tools.bench.evaluate_sides import TIE


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one picture."""

    path: Path
    sample: Sample


class Loop:
    """The loop that users write: image and question through the processor, ``generate``, decode.

    Args:
        model: As transformers runs it.
        native: Its processor.
        prompter: Says the prompt, what ends an answer, and what may not be said.
        tokens: Of an answer.
    """

    def __init__(self, model: Any, native: Any, prompter: Prompter, tokens: int) -> None:
        self.model, self.native, self.prompter, self.tokens = model, native, prompter, tokens

    def answers(self, asked: Sequence[Asked], pairs: int, image: Callable[[Path], Any]) -> list[str]:
        """All answers, so many pairs a call.

        Args:
            asked: Questions.
            pairs: Of a call.
            image: Gives the decoded picture.
        """
        found: list[str] = []
        for start in range(0, len(asked), pairs):
            rows, _ = self.generate(asked[start : start + pairs], image)
            found += [self.prompter.decode(row.tolist()) for row in rows]
        return found

    @torch.no_grad()
    def generate(
        self, asked: Sequence[Asked], image: Callable[[Path], Any], *, scores: bool = False
    ) -> tuple[Any, Any]:
        """New tokens ``(N, T)``, and the scores of each step where wanted."""
        texts = [self.prompter.text(one.sample) for one in asked]
        images = [[image(one.path)] for one in asked]
        inputs = self.native(images=images, text=texts, padding=True, return_tensors="pt")
        given: dict[str, Tensor] = {name: inputs[name] for name in ("input_ids", "attention_mask", "pixel_values")}
        done = self.model.generate(
            **given,
            do_sample=False,
            use_cache=True,
            max_new_tokens=self.tokens,
            suppress_tokens=self.prompter.banned,
            eos_token_id=self.prompter.stop,
            pad_token_id=self.native.tokenizer.pad_token_id,
            return_dict_in_generate=True,
            output_scores=scores,
        )
        return done.sequences[:, given["input_ids"].shape[1] :], done.scores if scores else None

    def ties(self, asked: Sequence[Asked], ours: Sequence[str], theirs: Sequence[str]) -> int:
        """How many of the answers that differ do so where the two best words are less than `TIE` apart."""
        pairs = zip(asked, ours, theirs, strict=True)
        return sum(self._tied(one, said) for one, said, other in pairs if said != other)

    def _tied(self, one: Asked, said: str) -> bool:
        tokens, scores = self.generate([one], decode, scores=True)
        for step, row in enumerate(scores):
            best = row[0].topk(2).values
            if float(best[0] - best[1]) < TIE:
                return True
            if not said.startswith(self.prompter.decode(tokens[0, : step + 1].tolist())):
                return False
        return False


def decode(path: Path) -> PIL.Image.Image:
    """A picture, whole."""
    with PIL.Image.open(path) as file:
        return file.convert("RGB")


def write_pictures(folder: Path, count: int, side: int) -> list[Path]:
    """Write noise as PNG.

    Args:
        folder: To write to.
        count: Pictures, each a study.
        side: Pixels of each side.
    """
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    for number in range(count):
        PIL.Image.fromarray(draw.integers(0, 256, (side, side, 3), np.uint8)).save(folder / f"{number:04d}.png")
    return sorted(folder.iterdir())
