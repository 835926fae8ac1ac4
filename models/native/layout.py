"""Where the tokens of a prefix tree stand and which of them see ahead, for decoders that treat image tokens otherwise.

Most decoders count one position a token and look back only. Qwen-VL gives an image's tokens a place in time, height
and width (M-RoPE: Qwen2-VL, arXiv 2409.12191, section 2.1); Gemma 3 lets the tokens of one image see each other, and
PaliGemma all tokens of the prompt (prefix LM: PaliGemma, arXiv 2407.07726, section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor


class Branch(Protocol):
    """What is needed of a tree's segment (``medvlm.tree.Segment``)."""

    tokens: list[int]
    parent: int
    weights: list[float]


@dataclass(frozen=True, slots=True)
class Layout:
    """The rule of a model.

    Attributes:
        image_token: Id of an image's tokens.
        grid: Rows and columns of an image's tokens, where positions have three axes; None counts one position a token.
        ahead: Which tokens see later ones too: none, those of the same ``image``, or those of the same ``prompt``.
    """

    ONE_QUESTION: ClassVar[str] = (
        "This model reads its whole prompt in both directions, so that two questions cannot share an image: ask one "
        "question at a time (questions=1)."
    )

    image_token: int
    grid: tuple[int, int] | None = None
    ahead: Literal["none", "image", "prompt"] = "none"

    def axes(self, segments: Sequence[Branch]) -> Tensor:
        """Positions in time, height and width of every token of a tree, ``(3, L)``.

        Text advances all three axes by one a token. An image's tokens share one time and stand in their rows and
        columns; what follows goes on beyond the longer side.

        Args:
            segments: In row order, each after its parent.

        Raises:
            ValueError: If a segment holds only a part of an image.
        """
        parts: list[Tensor] = []
        ends: list[int] = []
        for segment in segments:
            part, end = self._axes(segment.tokens, ends[segment.parent] if segment.parent >= 0 else 0)
            parts.append(part)
            ends.append(end)
        return torch.cat(parts, dim=1)

    def _axes(self, tokens: Sequence[int], start: int) -> tuple[Tensor, int]:
        rows, columns = self.grid or (1, 1)
        parts, index = [], 0
        while index < len(tokens):
            end = index + rows * columns
            if tokens[index] != self.image_token:
                parts.append(torch.full((3, 1), start))
                index, start = index + 1, start + 1
                continue
            if any(token != self.image_token for token in tokens[index:end]) or end > len(tokens):
                raise ValueError(f"A segment holds only a part of an image of {rows} x {columns} tokens.")
            place = torch.meshgrid(torch.zeros(1).long(), torch.arange(rows), torch.arange(columns), indexing="ij")
            parts.append(torch.stack(place).reshape(3, -1) + start)
            index, start = end, start + max(rows, columns)
        return torch.cat(parts, dim=1), start

    def blocks(self, segments: Sequence[Branch]) -> Tensor:
        """Block of every token of a tree, ``(L,)``; tokens of one block see each other, -1 is none.

        Args:
            segments: In row order, each after its parent.

        Raises:
            ValueError: If a block would have to reach from a segment into one that hangs below it.
        """
        if self.ahead == "prompt":
            return self._prompt(segments)
        found, block = [], -1
        for segment in segments:
            parent = segments[segment.parent].tokens if segment.parent >= 0 else [-1]
            if segment.tokens[0] == parent[-1] == self.image_token:
                raise ValueError("An image stands partly in a branch and partly in what carries it.")
            inside = [token == self.image_token for token in segment.tokens]
            for index, image in enumerate(inside):
                block += image and not (index and inside[index - 1])
                found.append(block if image else -1)
        return torch.tensor(found)

    def _prompt(self, segments: Sequence[Branch]) -> Tensor:
        first, others = segments[0], segments[1:]
        if any(not weight for segment in others for weight in segment.weights):
            raise ValueError(self.ONE_QUESTION)
        return torch.tensor([0] * len(first.tokens) + [-1] * sum(len(segment.tokens) for segment in others))
