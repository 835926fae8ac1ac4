"""Answers from a model: one read of the images for all questions about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from medvlm.generation.prompts import Prompter
from medvlm.generation.sampling import Completion, sample
from medvlm.logps import branch_logps, unwrap
from medvlm.models.native import NativeProcessor
from medvlm.rows import pack
from medvlm.study import Sample
from medvlm.tree import Tree


@dataclass(frozen=True, slots=True)
class Ask:
    """Questions about the same images.

    Attributes:
        images: Prepared pixels, ``(3, H, W)`` an image or ``(S, 3, H, W)`` a volume, in the samples' order.
        questions: Samples that all show exactly these images.
    """

    images: tuple[Tensor, ...]
    questions: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: its text, tokens, their log-probabilities, and whether it ended by itself."""

    text: str
    tokens: tuple[int, ...]
    logps: tuple[float, ...]
    finished: bool


def encode_images(model: Any, images: Sequence[Tensor], processor: Any = None, *, chunk: int = 64) -> list[Tensor]:
    """Image features ``(tokens, D)``, each distinct tensor encoded once.

    Args:
        model: A composed model, or a native one.
        images: Prepared pixels; one and the same tensor object is one image.
        processor: The model's; a native one brings the model's own preprocessing.
        chunk: Images (or volumes) of a shape that go through the encoder together.
    """
    model = unwrap(model)
    weight = model.get_input_embeddings().weight
    distinct = {id(image): image for image in images}
    shapes: dict[tuple[int, ...], list[int]] = {}
    for key, image in distinct.items():
        shapes.setdefault(tuple(image.shape), []).append(key)
    features: dict[int, Tensor] = {}
    for keys in shapes.values():
        for start in range(0, len(keys), chunk):
            part = keys[start : start + chunk]
            pixels = [distinct[key] for key in part]
            if isinstance(processor, NativeProcessor):
                found: Sequence[Tensor] = processor.features(model, pixels)
            else:
                found = _composed(model, torch.stack(pixels).to(weight.device, weight.dtype))
            features |= dict(zip(part, found, strict=True))
    return [features[id(image)] for image in images]


def _composed(model: Any, pixels: Tensor) -> Sequence[Tensor]:
    """Features of images ``(N, 3, H, W)`` or volumes ``(N, S, 3, H, W)``."""
    if pixels.ndim == 5:
        found: Sequence[Tensor] = model.get_video_features(pixel_values_videos=pixels).pooler_output
    else:
        found = model.get_image_features(pixel_values=pixels).pooler_output
    return found


def ask_tree(prompter: Prompter, ask: Ask) -> Tree:
    """The tree of an ask: what all questions share, then one prompt branch a question.

    A single question is split before its last token, so that the form is the same: a context that carries prompts.
    Where prompts are read in both directions, it stays whole.

    Raises:
        ValueError: If there are several questions for a model whose prompts cannot share an image.
    """
    layout = prompter.processor.layout
    if layout is not None and layout.ahead == "prompt":
        if len(ask.questions) != 1:
            raise ValueError(layout.ONE_QUESTION)
        return Tree.of(prompter.prompt(ask.questions[0]))
    prompts = [prompter.prompt(question) for question in ask.questions]
    return Tree.from_sequences(prompts, [[0.0] * len(prompt) for prompt in prompts])


class Engine:
    """A model and its processor, ready to answer.

    Args:
        model: A composed model; it is used as it is (call ``eval()`` before, or be in training on purpose).
        processor: Its processor.
        reasoning: Whether answers are asked for between tags.
    """

    def __init__(self, model: Any, processor: Any, *, reasoning: bool = False) -> None:
        self.model, self.processor = model, processor
        self.prompter = Prompter(processor, reasoning=reasoning)

    @torch.no_grad()
    def generate(
        self,
        asks: Sequence[Ask],
        *,
        n: int = 1,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[list[list[Reply]]]:
        """Answer every question ``n`` times.

        Returns:
            ``[ask][question][n]``.

        Raises:
            ValueError: If an ask has no question, or its images do not fill the placeholders of its prompts.
        """
        if not asks:
            return []
        if self._alone(asks):
            single = _single(asks)
            alone = self.generate(single, n=n, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
            return _regrouped(asks, alone)
        trees = [ask_tree(self.prompter, ask) for ask in asks]
        features = encode_images(self.model, [image for ask in asks for image in ask.images], self.processor)
        device = unwrap(self.model).get_input_embeddings().weight.device
        found = sample(
            self.model,
            trees,
            features,
            n=n,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            stop=self.prompter.stop,
            banned=self.prompter.banned,
            generator=torch.Generator(device).manual_seed(seed),
            pad_id=self.processor.tokenizer.pad_token_id,
            layout=self.processor.layout,
        )
        return [[[self._reply(answer) for answer in answers] for answers in leaves] for leaves in found]

    @torch.no_grad()
    def score(self, asks: Sequence[Ask], options: Sequence[Sequence[Sequence[str]]]) -> list[list[list[float]]]:
        """Mean log-probability of every option text of every question, from one read of the images.

        Args:
            asks: What is asked.
            options: ``[ask][question][option]`` texts.

        Returns:
            Numbers in the shape of ``options``.
        """
        if self._alone(asks):
            return _regrouped(
                asks, self.score(_single(asks), [[texts] for questions in options for texts in questions])
            )
        trees = [ask_tree(self.prompter, ask) for ask in asks]
        places = []
        for tree, questions in zip(trees, options, strict=True):
            for leaf, texts in zip(tree.leaves, questions, strict=True):
                places.append([tree.add(self.prompter.completion(text), parent=leaf) for text in texts])
        # prompts weigh nothing, so what is counted is exactly the option tokens, tree by tree and option by option
        rows = pack(trees, self.processor.tokenizer.pad_token_id, layout=self.processor.layout).to(self.model.device)
        features = encode_images(self.model, [image for ask in asks for image in ask.images], self.processor)
        logps, _ = branch_logps(self.model, rows, features)
        means = iter(_means(logps, rows.row, rows.branch))
        return [[[next(means) for _ in texts] for texts in questions] for questions in options]

    def _alone(self, asks: Sequence[Ask]) -> bool:
        """Whether questions must be asked one at a time: where prompts are read in both directions."""
        layout = self.processor.layout
        return layout is not None and layout.ahead == "prompt" and any(len(ask.questions) > 1 for ask in asks)

    def _reply(self, answer: Completion) -> Reply:
        return Reply(self.prompter.decode(answer.tokens), answer.tokens, answer.logps, answer.finished)


def _single(asks: Sequence[Ask]) -> list[Ask]:
    """One ask a question; the images stay the same objects, so that each is still encoded once."""
    return [Ask(ask.images, (question,)) for ask in asks for question in ask.questions]


def _regrouped(asks: Sequence[Ask], found: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """What was found for each question, by ask again."""
    each = iter(found)
    return [[next(each)[0] for _ in ask.questions] for ask in asks]


def _means(logps: Tensor, row: Tensor, branch: Tensor) -> list[float]:
    """Mean of each run of one (row, branch)."""
    keys = torch.stack([row, branch], dim=1)
    _, counts = torch.unique_consecutive(keys, dim=0, return_counts=True)
    return [float(part.mean()) for part in logps.split(counts.tolist())]
