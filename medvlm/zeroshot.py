"""Images compared with texts that name classes, describe findings or are reports: no question, no training on labels.

A model that went through a contrastive stage has heads beside its weights; open_clip checkpoints have two towers::

    aligned = load_aligned("checkpoints/align/model")
    aligned.classify(["chest.dcm"], {"normal": ["The lungs are clear."], "nodule": ["Nodule.", "Round opacity."]})
    aligned.explain(["chest.dcm"], {"Lung Lesion": ["round opacity", "focal lung mass"]})
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from medvlm.descriptors import affirmed, denied
from medvlm.heads import AlignmentHeads, load_heads, study_tokens, text_ids, text_states
from medvlm.study import Image, WeightsError

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


class SharedSpace(ABC):
    """Images and texts as unit vectors of one space: what every kind of model answers from them."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Width of the space."""

    @property
    @abstractmethod
    def scale(self) -> Tensor:
        """What cosines are multiplied by before a softmax: one over the learned temperature."""

    @abstractmethod
    def prepare(self, image: Image) -> Tensor:
        """Pixels of an image as the model takes them."""

    @abstractmethod
    def embed_studies(self, studies: Sequence[Sequence[Tensor]]) -> Tensor:
        """Unit vectors ``(B, dim)`` of studies of one or more prepared images."""

    @abstractmethod
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors ``(T, dim)`` of texts."""

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
        if isinstance(sources, Tensor) and sources.shape[1:] == (self.dim,):
            return sources
        studies = [[self._pixels(image) for image in _several(source)] for source in sources]
        if not studies or not all(studies):
            raise ValueError("There is no image to compare; give at least one a study.")
        return torch.cat([self.embed_studies(part) for part in _chunks(studies)])

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors ``(T, dim)`` of texts.

        Raises:
            ValueError: If there is none, or one is empty.
        """
        if isinstance(texts, str) or not texts:
            raise ValueError("There is no text to compare images with; give a list of at least one.")
        if blank := [index for index, text in enumerate(texts) if not text.strip()]:
            raise ValueError(f"Text {blank[0] + 1} of {len(texts)} is empty; leave it out.")
        return torch.cat([self.embed_texts(part) for part in _chunks(texts)])

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
        scores = self.scale * self.images(images) @ normalize(classes, dim=-1).T
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

        return self.prepare(read_image(image))


class Aligned(SharedSpace):
    """A model of ours that went through a contrastive stage.

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

    @property
    def dim(self) -> int:
        """Width of the space."""
        return self.heads.dim

    @property
    def scale(self) -> Tensor:
        """One over the temperature that the heads learned."""
        return self.heads.scale

    def prepare(self, image: Image) -> Tensor:
        """Pixels by the model's own intensity recipes."""
        pixels: Tensor = self.processor.image_processor.pixels(image)
        return pixels

    def embed_studies(self, studies: Sequence[Sequence[Tensor]]) -> Tensor:
        """Heads over the projected tokens of all images of a study."""
        tokens = study_tokens(self.model, self.processor, studies)
        return torch.stack([self.heads.image(row)[0] for row in tokens])

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Heads over the decoder's states of each text."""
        tokenizer = self.processor.tokenizer
        ids = [text_ids(tokenizer, text) for text in texts]
        states = text_states(self.model, ids, tokenizer.pad_token_id)
        return torch.stack([self.heads.text(row, one.sentences)[0] for row, one in zip(states, ids, strict=True)])


def load_aligned(source: Path | str) -> SharedSpace:
    """A model that compares images with texts.

    Args:
        source: Folder of a contrastive stage's model, or folder or Hub name of an open_clip checkpoint
            (``open_clip_config.json`` with safetensors: BiomedCLIP, CONCH and their kind).

    Raises:
        WeightsError: If it is neither, or damaged.
    """
    folder = Path(source).expanduser()
    if folder.is_dir() and not (folder / "open_clip_config.json").is_file():
        return Aligned.load(folder)
    if not folder.is_dir() and str(source).count("/") != 1:
        raise WeightsError(
            f"There is no folder {source}. Give the model of a stage with objective: contrastive, or an open_clip "
            "checkpoint (a folder, or a Hub name like org/name)."
        )
    from medvlm.zeroshot_pair import PairedTowers

    return PairedTowers.load(str(source))


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
