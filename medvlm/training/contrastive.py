"""Stage zero: images (or volumes) and their reports are drawn together in one space, by the model's own parts.

An image is the projected tokens that the decoder would read, a report the decoder's hidden states over it; two small
heads map both (`medvlm.heads`). Encoder, projector and compressor learn what reports speak of before any answer is
imitated.

A contrastive batch is whole, for a pair's negatives are the other pairs. Where it does not fit one forward pass, its
embeddings are computed without gradients, the loss is differentiated by them, and each part goes through the model once
more to carry those gradients on (Gao et al., arXiv 2101.06983): the gradient is that of the whole batch. Several
processes embed their shares, tell each other the embeddings, and each carries on the gradients of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from medvlm.generation.engine import Ask
from medvlm.heads import AlignmentHeads, TextIds, TextPool, model_width, save_heads, study_tokens, text_ids, text_states
from medvlm.ranks import gather_counts, gather_objects, rank, world_size
from medvlm.study import Sample, SampleError
from medvlm.training.alignment import (
    clip_loss,
    label_similarity,
    local_loss,
    local_similarity,
    siglip_loss,
    soft_target_loss,
)
from medvlm.training.objective import Objective

Loss = Literal["clip", "siglip", "soft"]


@dataclass(frozen=True, slots=True)
class ContrastiveOptions:
    """What is compared, and how; see ``medvlm.stages.ContrastiveStage``."""

    loss: Loss = "clip"
    local: float = 0.0
    dim: int = 128
    text: TextPool = "last"
    sharpness: float = 10.0


@dataclass(frozen=True, slots=True)
class Pair:
    """The images of a study and its report."""

    images: tuple[Tensor, ...]
    report: str
    ids: TextIds


@dataclass(frozen=True, slots=True)
class Embedded:
    """Unit vectors of a pair: the image, its tokens, the report, its sentences."""

    image: Tensor
    patches: Tensor
    text: Tensor
    sentences: Tensor

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """All four."""
        return self.image, self.patches, self.text, self.sentences

    def leaf(self) -> Embedded:
        """The same numbers as the start of a graph of their own."""
        return Embedded(*(part.detach().requires_grad_() for part in self.parts))


class Contrastive(Objective):
    """Learn which report belongs to which image.

    Loss: ``contrastive`` + ``local`` x its weight, each a mean over the pairs of the batch.

    Args:
        *args: See `Objective`.
        options: What is compared, and how.
        **others: See `Objective`.
    """

    def __init__(self, *args: Any, options: ContrastiveOptions | None = None, **others: Any) -> None:
        super().__init__(*args, **others)
        self.options = options or ContrastiveOptions()
        scale, bias = (10.0, -10.0) if self.options.loss == "siglip" else (1 / 0.07, 0.0)  # the papers' starts
        self.heads = AlignmentHeads(
            model_width(self.model), self.options.dim, text=self.options.text, scale=scale, bias=bias, seed=self.seed
        )
        self.weights = {"contrastive": 1.0} | ({"local": self.options.local} if self.options.local else {})

    def learn(self, batch: Sequence[Ask]) -> None:
        """One step a batch.

        Raises:
            ValueError: If there are fewer than two different studies, or the model is sharded.
        """
        if self.sharded:
            raise ValueError("A contrastive stage has the whole model in every process: trainer.strategy=ddp.")
        pairs = self.pairs(batch)
        self.report({"pairs": sum(gather_counts(len(pairs))), "scale": float(self.heads.scale.detach())})
        self._update(partial(self._backward, pairs))

    def pairs(self, batch: Sequence[Ask]) -> list[Pair]:
        """The pairs of a batch; a study that was drawn twice (at the end of an epoch) is no negative of itself."""
        found: dict[Any, Pair] = {}
        for ask in batch:
            sample = report_of(ask.questions)
            if not ask.images:
                raise SampleError(f"Sample {sample.id!r} has a report and no image to pair it with.")
            ids = text_ids(self.processor.tokenizer, sample.answer)
            found.setdefault(sample.id, Pair(ask.images, sample.answer, ids))
        everyone = gather_objects([(name, rank()) for name in found])
        first = dict(reversed(everyone))  # a study that two processes drew is that of the first
        if len(first) < 2:
            raise ValueError(f"A contrastive batch needs at least 2 different studies, got {len(first)}: images >= 2.")
        return [pair for name, pair in found.items() if first[name] == rank()]

    def split_pairs(self, pairs: Sequence[Pair]) -> list[list[Pair]]:
        """Pairs in order, as many together as the limit of tokens allows."""
        parts: list[list[Pair]] = [[]]
        room = self.micro_tokens
        for pair in pairs:
            size = len(pair.ids.ids) + sum(self._tokens(image) for image in pair.images)
            if parts[-1] and size > room:
                parts.append([])
                room = self.micro_tokens
            parts[-1].append(pair)
            room -= size
        return parts

    def _tokens(self, image: Tensor) -> int:
        return int(self.processor.count_tokens("volume" if image.ndim == 4 else "image"))

    def embed(self, pairs: Sequence[Pair], part: int = 0) -> list[Embedded]:
        """Unit vectors of pairs; ``part`` numbers them in the batch, so that a second pass drops out the same."""
        torch.manual_seed(self.batch_seed + part)
        tokens = study_tokens(self.model, self.processor, [pair.images for pair in pairs])
        states = text_states(self.model, [pair.ids for pair in pairs], self.processor.tokenizer.pad_token_id)
        return [
            Embedded(*self.heads.image(seen), *self.heads.text(said, pair.ids.sentences))
            for seen, said, pair in zip(tokens, states, pairs, strict=True)
        ]

    def losses(self, embedded: Sequence[Embedded], reports: Sequence[str]) -> dict[str, Tensor]:
        """Loss parts of a whole batch."""
        image = torch.stack([one.image for one in embedded])
        text = torch.stack([one.text for one in embedded])
        best = (image @ text.T).argmax(1) == torch.arange(len(image), device=image.device)
        self.report({"found": float(best.float().mean())})
        found = {"contrastive": self._contrastive(image, text, reports)}
        if self.options.local:
            similar = local_similarity([one.patches for one in embedded], [one.sentences for one in embedded])
            found["local"] = local_loss(similar)
        return found

    def _contrastive(self, image: Tensor, text: Tensor, reports: Sequence[str]) -> Tensor:
        scale = self.heads.scale
        if self.options.loss == "clip":
            return clip_loss(image, text, scale)
        if self.options.loss == "siglip":
            return siglip_loss(image, text, scale, self.heads.bias.float())
        similarity = label_similarity(reports).to(image.device)
        return soft_target_loss(image, text, scale, similarity, sharpness=self.options.sharpness)

    def _backward(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """Gradients of the whole batch, in as many parts as it takes."""
        parts, reports = self.split_pairs(pairs), gather_objects([pair.report for pair in pairs])
        if len(parts) == 1 and world_size() == 1:
            return self._differentiate(self.embed(parts[0]), reports)
        with torch.no_grad():
            leaves = [[one.leaf() for one in self.embed(part, index)] for index, part in enumerate(parts) if part]
        values = self._differentiate(self._of_all([one for part in leaves for one in part]), reports)
        for index, (part, kept) in enumerate(zip(parts, leaves, strict=False)):
            outputs = [tensor for one in self.embed(part, index) for tensor in one.parts]
            grads = [tensor.grad for one in kept for tensor in one.parts]
            # gradients are averaged over processes: each carries on those of its own pairs alone
            used = [(one, grad * world_size()) for one, grad in zip(outputs, grads, strict=True) if grad is not None]
            torch.autograd.backward([output for output, _ in used], [grad for _, grad in used])
        return values

    def _of_all(self, own: Sequence[Embedded]) -> list[Embedded]:
        """Embeddings of all processes in the order of the batch; the own ones are the same objects."""
        told = gather_objects([Embedded(*(part.detach().cpu() for part in one.parts)) for one in own])
        found = [Embedded(*(part.to(self.device) for part in one.parts)) for one in told]
        first = sum(gather_counts(len(own))[: rank()])
        return [*found[:first], *own, *found[first + len(own) :]]

    def _differentiate(self, embedded: Sequence[Embedded], reports: Sequence[str]) -> dict[str, float]:
        found = self.losses(embedded, reports)
        self.manual_backward(torch.stack([self.weights[name] * value for name, value in found.items()]).sum())
        return {name: float(value.detach()) for name, value in found.items()}

    def save_beside(self, folder: Path) -> None:
        """Write the heads, with which the model compares images and texts."""
        save_heads(self.heads, folder)


def report_of(questions: Sequence[Sample]) -> Sample:
    """The sample of a group that carries its report.

    Raises:
        SampleError: If none does.
    """
    for sample in questions:
        if sample.kind == "report" and sample.answer.strip():
            return sample
    raise SampleError(f"Sample {questions[0].id!r} has no report beside its image; leave it out (kinds: [report]).")
