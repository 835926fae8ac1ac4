"""Images compared with texts that name classes, describe findings or are reports: no question, no training on labels.

A model that went through a contrastive stage has heads beside its weights::

    aligned = Aligned.load("checkpoints/align/model")
    aligned.classify(["chest.dcm"], {"normal": ["The lungs are clear."], "nodule": ["Nodule.", "Round opacity."]})
    aligned.explain(["chest.dcm"], {"Lung Lesion": ["round opacity", "focal lung mass"]})
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from medvlm.descriptors import affirmed, denied
from medvlm.heads import AlignmentHeads, load_heads, study_tokens, text_ids, text_states

TEMPERATURE = 0.5
"""Divides the products of an observation and its denial, as in Xplainer."""
CHUNK = 32


@dataclass(frozen=True, slots=True)
class Explained:
    """A finding by its observations.

    Attributes:
        finding: Its name.
        probability: Of the finding.
        observations: Probability of each of its observations.
    """

    finding: str
    probability: float
    observations: Mapping[str, float]


class Aligned:
    """A model whose images and texts share a space.

    Args:
        model: In evaluation mode.
        processor: Its processor.
        heads: Those that were trained with it.
    """

    def __init__(self, model: Any, processor: Any, heads: AlignmentHeads) -> None:
        self.model, self.processor, self.heads = model, processor, heads

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Load a model and its heads from the folder of a contrastive stage.

        Raises:
            WeightsError: If there is no model, or it has no heads.
        """
        from medvlm.models import load_vlm

        model, processor = load_vlm(folder)
        return cls(model, processor, load_heads(folder, model))

    @torch.no_grad()
    def images(self, sources: Sequence[Any] | Tensor) -> Tensor:
        """Unit vectors ``(B, dim)`` of studies.

        Args:
            sources: Each prepared pixels, a file, a folder of slices or an array; or a sequence of these, which are one
                study. What this method returned is taken as it is.

        Raises:
            ImageError: If one cannot be read.
            ValueError: If there is none.
        """
        if isinstance(sources, Tensor) and sources.shape[1:] == (self.heads.dim,):
            return sources
        studies = [[self._pixels(image) for image in _several(source)] for source in sources]
        if not studies or not all(studies):
            raise ValueError("There is no image to compare; give at least one a study.")
        tokens = (row for part in _chunks(studies) for row in study_tokens(self.model, self.processor, part))
        return torch.stack([self.heads.image(row)[0] for row in tokens])

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors ``(T, dim)`` of texts.

        Raises:
            ValueError: If there is none, or one is empty.
        """
        if not texts:
            raise ValueError("There is no text to compare images with; give at least one.")
        tokenizer, found = self.processor.tokenizer, []
        for part in _chunks([text_ids(tokenizer, text) for text in texts]):
            states = text_states(self.model, part, tokenizer.pad_token_id)
            found += [self.heads.text(row, text.sentences)[0] for row, text in zip(states, part, strict=True)]
        return torch.stack(found)

    def classify(self, images: Sequence[Any] | Tensor, prompts: Mapping[str, Sequence[str]]) -> Tensor:
        """Probability of each class, ``(B, classes)``, rows of sum 1 (CLIP, arXiv 2103.00020).

        Args:
            images: See `images`.
            prompts: Texts of each class; several are averaged in the shared space.

        Raises:
            ValueError: If there are fewer than two classes, or one has no text.
        """
        if len(prompts) < 2 or not all(prompts.values()):
            raise ValueError(f"classes {list(prompts)}: give at least two, with a text each (explain() takes one)")
        classes = torch.stack([self.texts(texts).mean(0) for texts in prompts.values()])
        scores = self.heads.scale * self.images(images) @ normalize(classes, dim=-1).T
        return scores.softmax(-1).detach()

    def explain(
        self, images: Sequence[Any] | Tensor, observations: Mapping[str, Sequence[str]]
    ) -> list[list[Explained]]:
        """Probability of findings from that of what they look like (Xplainer, arXiv 2303.13391).

        An observation has ``p = softmax((v t+, v t-) / 0.5)`` of its statement and its denial, a finding the geometric
        mean ``P`` of its ``p``. Said is ``P / (P + N)`` with ``N`` that of the denials, above one half where the paper
        calls a finding present.

        Args:
            images: See `images`.
            observations: Noun phrases of each finding, such as ``medvlm.descriptors.DESCRIPTORS``.

        Raises:
            ValueError: If there is no finding, or one has no observation.
        """
        if not observations or not all(observations.values()):
            raise ValueError(f"findings {list(observations)}: give at least one, with an observation each")
        phrases = [phrase for several in observations.values() for phrase in several]
        stated, not_stated = (
            self.texts([affirmed(one) for one in phrases]),
            self.texts([denied(one) for one in phrases]),
        )
        margins = self.images(images) @ (stated - not_stated).T / TEMPERATURE
        return [list(_findings(row, observations)) for row in margins]

    def retrieve(self, images: Sequence[Any] | Tensor, texts: Sequence[str]) -> Tensor:
        """Cosine of every image with every text, ``(B, T)``: the highest of a row is the text that fits it best."""
        return self.images(images) @ self.texts(texts).T

    def _pixels(self, image: Any) -> Tensor:
        if isinstance(image, Tensor):
            return image
        from medvlm.datamodules.readers import read_image

        pixels: Tensor = self.processor.image_processor.pixels(read_image(image))
        return pixels


def _findings(margins: Tensor, observations: Mapping[str, Sequence[str]]) -> Iterator[Explained]:
    """The findings of one image; the ratio of geometric means is a sigmoid of the mean margin."""
    left = margins
    for finding, phrases in observations.items():
        own, left = left[: len(phrases)], left[len(phrases) :]
        each = dict(zip(phrases, own.sigmoid().tolist(), strict=True))
        yield Explained(finding, float(own.mean().sigmoid()), each)


def _several(source: Any) -> Sequence[Any]:
    return source if isinstance(source, list | tuple) else [source]


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
