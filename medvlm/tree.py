"""The prefix tree: a context (system text, images, shared question text) carries branches, all in one row.

A segment sees its ancestors and itself, never a sibling, and its positions go on from its parent's last token. So one
row gives the log-probabilities that one row per branch would give, and the context is computed once. Segments nest: a
context may carry questions, each of which carries sampled answers.

Supervised fine-tuning, preference losses, GRPO and choice scoring all build trees; sampling (``medvlm.generation``)
extends the same rows token by token over the same visibility rule. (Shared-prefix training: Prefix Grouper, 2025.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK_TOKENS, CHUNK_SCORES = 256, 1 << 21
"""Tokens that go through the head together: as many as give this many scores, but never fewer than this."""
KEPT_SCORES = 1 << 26
"""Up to so many (256 MB) are kept for the backward pass; more are computed again there."""


@dataclass(slots=True)
class Segment:
    """A run of tokens below one parent; ``weights`` says how much each of its tokens counts in a loss (0 = prompt)."""

    tokens: list[int]
    parent: int
    weights: list[float]


@dataclass(slots=True)
class Tree:
    """One context and its branches.

    Attributes:
        segments: The context first (parent -1), then every branch, each after its parent.
    """

    segments: list[Segment]

    @classmethod
    def of(cls, context: Sequence[int]) -> Tree:
        """Start a tree from its context.

        Raises:
            ValueError: If the context is empty: the first token of a branch is predicted by the context's last one.
        """
        if not context:
            raise ValueError("A tree needs a context of at least one token.")
        return cls([Segment(list(context), -1, [0.0] * len(context))])

    def add(self, tokens: Sequence[int], weights: Sequence[float] | None = None, *, parent: int = 0) -> int:
        """Hang a branch below ``parent`` and return its index; without weights every token counts 1.

        Raises:
            ValueError: If the branch is empty, its weights have another length, or the parent does not exist.
        """
        if not tokens:
            raise ValueError("A branch needs at least one token.")
        if weights is not None and len(weights) != len(tokens):
            raise ValueError(f"A branch of {len(tokens)} tokens got {len(weights)} weights.")
        if not 0 <= parent < len(self.segments):
            raise ValueError(f"Parent {parent} does not exist; the tree has {len(self.segments)} segments.")
        self.segments.append(Segment(list(tokens), parent, [1.0] * len(tokens) if weights is None else list(weights)))
        return len(self.segments) - 1

    @classmethod
    def from_sequences(cls, sequences: Sequence[Sequence[int]], weights: Sequence[Sequence[float]]) -> Tree:
        """Share the longest common prompt of several (prompt + answer) sequences.

        Only tokens of weight 0 are shared, so that no answer token is counted once for two answers, and each branch
        keeps at least one token.
        """
        firsts = [next((i for i, weight in enumerate(row) if weight), len(row) - 1) for row in weights]
        shared = 0
        while shared < min(firsts) and len({sequence[shared] for sequence in sequences}) == 1:
            shared += 1
        tree = cls.of(sequences[0][:shared])
        for sequence, row in zip(sequences, weights, strict=True):
            tree.add(sequence[shared:], row[shared:])
        return tree

    @property
    def leaves(self) -> list[int]:
        """Indices of the segments that carry nothing."""
        parents = {segment.parent for segment in self.segments}
        return [index for index in range(len(self.segments)) if index not in parents]

    def __len__(self) -> int:
        """Tokens in the row."""
        return sum(len(segment.tokens) for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Rows:
    """Several trees as a batch: ``B`` rows of ``L`` tokens, at most ``S`` segments a row, ``T`` counted tokens.

    Attributes:
        ids: Tokens ``(B, L)``.
        positions: Position of each token on its path from the root ``(B, L)``.
        segments: Segment of each token ``(B, L)``, -1 where padded.
        ancestors: ``(B, S, S)``; ``[b, i, j]`` is true if segment i may see segment j.
        row, source, target: ``(T,)`` where each counted token stands, and the token whose output predicts it.
        branch: ``(T,)`` the (tree-local) segment of each counted token.
        weights: ``(T,)``.
    """

    ids: Tensor
    positions: Tensor
    segments: Tensor
    ancestors: Tensor
    row: Tensor
    source: Tensor
    target: Tensor
    branch: Tensor
    weights: Tensor

    def to(self, device: torch.device | str) -> Rows:
        """Move every tensor."""
        return Rows(*(getattr(self, name).to(device) for name in self.__slots__))

    @property
    def tokens(self) -> Tensor:
        """The counted tokens ``(T,)``."""
        return self.ids[self.row, self.target]


def ancestry(trees: Sequence[Tree], extra: int = 0) -> Tensor:
    """Which segment sees which, ``(B, S + extra, S + extra)``; every segment sees itself.

    Args:
        trees: The rows.
        extra: Room for segments that a sampler will add.
    """
    size = max(len(tree.segments) for tree in trees) + extra
    sees = torch.eye(size, dtype=torch.bool).repeat(len(trees), 1, 1)
    for row, tree in enumerate(trees):
        for index, segment in enumerate(tree.segments[1:], start=1):
            sees[row, index] |= sees[row, segment.parent]
    return sees


def pack(trees: Sequence[Tree], pad_id: int, *, padding_side: Literal["left", "right"] = "right") -> Rows:
    """Lay trees out as rows of one length.

    Args:
        trees: At least one.
        pad_id: Token that fills the shorter rows; it is never seen.
        padding_side: Where it goes; the log-probabilities do not depend on it.

    Raises:
        ValueError: If there is no tree.
    """
    if not trees:
        raise ValueError("There is no tree to pack.")
    length = max(map(len, trees))
    ids = torch.full((len(trees), length), pad_id)
    positions = torch.zeros_like(ids)
    segments = torch.full_like(ids, -1)
    counted: list[tuple[int, int, int, int, float]] = []
    for row, tree in enumerate(trees):
        column = length - len(tree) if padding_side == "left" else 0
        ends: list[tuple[int, int]] = []  # of each segment: column and position of its last token
        for index, segment in enumerate(tree.segments):
            size = len(segment.tokens)
            last, position = ends[segment.parent] if segment.parent >= 0 else (-1, -1)
            ids[row, column : column + size] = torch.tensor(segment.tokens)
            positions[row, column : column + size] = torch.arange(position + 1, position + 1 + size)
            segments[row, column : column + size] = index
            for offset, weight in enumerate(segment.weights):
                if weight:
                    counted.append((row, column + offset - 1 if offset else last, column + offset, index, weight))
            column += size
            ends.append((column - 1, position + size))
    where = torch.tensor([item[:4] for item in counted], dtype=torch.long).reshape(-1, 4)
    weights = torch.tensor([item[4] for item in counted], dtype=torch.float32)
    rows, sources, targets, branches = where.unbind(1)
    return Rows(ids, positions, segments, ancestry(trees), rows, sources, targets, branches, weights)


def visible(
    query: tuple[Tensor, Tensor], key: tuple[Tensor, Tensor], ancestors: Tensor, window: int | None = None
) -> Tensor:
    """Which keys each query sees, ``(B, Q, K)``.

    Args:
        query: Segments and positions of the queries, each ``(B, Q)``.
        key: The same of the keys, each ``(B, K)``.
        ancestors: See `Rows`.
        window: Sliding window in tokens, counted along the path; None sees everything before.
    """
    (query_segments, query_positions), (key_segments, key_positions) = query, key
    batch = torch.arange(len(ancestors), device=ancestors.device)[:, None, None]
    sees = ancestors[batch, query_segments.clamp(min=0)[:, :, None], key_segments.clamp(min=0)[:, None, :]]
    distance = query_positions[:, :, None] - key_positions[:, None, :]
    sees = sees & (distance >= 0) & (key_segments >= 0)[:, None, :] & (query_segments >= 0)[:, :, None]
    return sees if window is None else sees & (distance < window)


def attention_masks(
    config: Any, sees: Tensor, windowed: Tensor | None, dtype: torch.dtype
) -> Tensor | dict[str, Tensor]:
    """Additive masks in the form a Hugging Face decoder takes: one, or one for each kind of layer.

    A query that sees nothing (padding) is given everything instead: its output is never read, and a row of minus
    infinity would be NaN. An additive mask means the same to eager and to SDPA attention; a boolean one does not.
    """

    def additive(allowed: Tensor) -> Tensor:
        allowed = allowed | ~allowed.any(-1, keepdim=True)
        mask = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
        return mask.masked_fill_(~allowed, torch.finfo(dtype).min)[:, None]

    if windowed is None:
        return additive(sees)
    if "full_attention" in (getattr(config, "layer_types", None) or ()):
        return {"full_attention": additive(sees), "sliding_attention": additive(windowed)}
    return additive(windowed)


def sliding_window(config: Any) -> int | None:
    """Tokens that the sliding layers of a decoder see, None if it has no such layer."""
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and "sliding_attention" not in kinds:
        return None
    window = getattr(config, "sliding_window", None)
    return None if window is None else int(window)


def embed(model: Any, ids: Tensor, features: Sequence[Tensor]) -> Tensor:
    """Token embeddings with image features in the place of their placeholders, ``(B, L, D)``.

    Args:
        model: A composed model, or any Hugging Face one with ``image_token_id`` in its config.
        ids: Tokens ``(B, L)``.
        features: One ``(tokens, D)`` tensor a placeholder group, in the order of rows.

    Raises:
        ValueError: If the features have another number of tokens than the placeholders.
    """
    embeddings: Tensor = model.get_input_embeddings()(ids)
    config = model.config
    tokens = [getattr(config, name, None) for name in ("image_token_id", "video_token_id")]
    places = torch.isin(ids, torch.tensor([token for token in tokens if token is not None], device=ids.device))
    wanted, given = int(places.sum()), sum(len(feature) for feature in features)
    if wanted != given:
        raise ValueError(f"The text has {wanted} image placeholders, the images give {given} tokens.")
    if not given:
        return embeddings
    flat = torch.cat(list(features)).to(embeddings.dtype)
    return embeddings.masked_scatter(places[..., None], flat)


def unwrap(model: Any) -> Any:
    """The Hugging Face model below a PEFT wrapper; its LoRA layers stay in place."""
    from peft import PeftModel

    wrapper: Any = PeftModel
    return model.get_base_model() if isinstance(model, wrapper) else model


def logits(model: Any, hidden: Tensor) -> Tensor:
    """Next-token scores in fp32 for decoder outputs ``(..., D)``, with the soft cap and scale that some heads have."""
    head: Any = model.get_output_embeddings()
    scores: Tensor = head(hidden).float()
    config = model.config.get_text_config()
    scale, cap = getattr(config, "logits_scaling", None), getattr(config, "final_logit_softcapping", None)
    if scale:
        scores = scores / scale
    return torch.tanh(scores / cap) * cap if cap else scores


def branch_logps(
    model: Any, rows: Rows, features: Sequence[Tensor] = (), *, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of every counted token, one forward over context + branches.

    Args:
        model: A composed model or any Hugging Face causal language model, PEFT wrapper included.
        rows: What `pack` made, on the model's device.
        features: Image features in row order, see `embed`.
        temperature: Divides the scores, as the sampler did.

    Returns:
        Two ``(T,)`` fp32 tensors in the order of ``rows``; the entropy (nats) carries no gradient.
    """
    model = unwrap(model)
    config = model.config.get_text_config()
    embeddings = embed(model, rows.ids, features)
    place = (rows.segments, rows.positions)
    window = sliding_window(config)
    windowed = None if window is None else visible(place, place, rows.ancestors, window)
    masks = attention_masks(config, visible(place, place, rows.ancestors), windowed, embeddings.dtype)
    output = model.get_decoder()(
        inputs_embeds=embeddings, attention_mask=masks, position_ids=rows.positions, use_cache=False
    )
    hidden, tokens = output.last_hidden_state[rows.row, rows.source], rows.tokens
    return token_logps(model, hidden, tokens, temperature=temperature)


def token_logps(model: Any, hidden: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of tokens from the decoder outputs that predict them.

    The scores of all tokens over a large vocabulary are the largest tensor of a training step: they are computed a
    chunk at a time, and where they are many, again in the backward pass instead of being kept.

    Args:
        model: Has the head.
        hidden: ``(T, D)``.
        tokens: ``(T,)``.
        temperature: Divides the scores.

    Returns:
        Two ``(T,)`` fp32 tensors; the entropy (nats) carries no gradient.
    """
    vocabulary = int(model.config.get_text_config().vocab_size)
    size = max(CHUNK_TOKENS, CHUNK_SCORES // vocabulary)

    def chunk(hidden: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        scores = logits(model, hidden)
        scores = scores if temperature == 1 else scores / temperature
        logps = scores.log_softmax(-1)  # not scores - logsumexp: that rounds at the size of the scores
        with torch.no_grad():
            entropy = -logps.exp().mul_(logps).sum(-1)
        return logps.gather(-1, tokens[:, None])[:, 0], entropy

    pairs = zip(hidden.split(size), tokens.split(size), strict=True)
    if len(hidden) * vocabulary > KEPT_SCORES:
        parts = [checkpoint(chunk, *pair, use_reentrant=False, preserve_rng_state=False) for pair in pairs]
    else:
        parts = [chunk(*pair) for pair in pairs]
    logps, entropy = zip(*parts, strict=True)
    return torch.cat(logps), torch.cat(entropy)
