"""Sample answers below prefix trees: contexts are prefilled once and their cache is shared by all branches.

A decoding step appends one column for each branch that still runs, to the row of its tree, under the visibility rule
of ``medvlm.tree``. No cache is copied for a second sample, finished branches cost nothing, and rows without a running
branch leave the batch, as do columns that no running branch sees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from medvlm.generation.cache import RowCache
from medvlm.generation.draws import Draws, RankDraws, draw, exact_dtype
from medvlm.logps import attention_masks, decoder_inputs, logits, sliding_window, unwrap
from medvlm.rows import Rows, ancestry, pack, visible
from medvlm.tree import Tree

if TYPE_CHECKING:
    from medvlm.models.native.layout import Layout

LIVE = 0.75
"""Columns are taken out of the cache once fewer than this share of them are seen by a running branch."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A sampled answer.

    Attributes:
        tokens: Its tokens, the stop token included.
        logps: Log-probability of each token, at the sampling temperature (at 1 where the choice was greedy).
        finished: Whether it ended with a stop token; False if it was cut at the limit.
        watched: Before each of its tokens, the log-probability of every token that was watched there.
    """

    tokens: tuple[int, ...]
    logps: tuple[float, ...]
    finished: bool
    watched: tuple[tuple[float, ...], ...] = ()


@dataclass(slots=True)
class _Branch:
    """A running answer: its number, row, segment, and of its next token the place on the path and the position."""

    number: int
    row: int
    segment: int
    place: int
    position: int
    tokens: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    watched: list[tuple[float, ...]] = field(default_factory=list)
    finished: bool = False

    def take(self, token: int, logp: float, stop: Collection[int]) -> None:
        self.tokens.append(token)
        self.logps.append(logp)
        self.finished = token in stop


@torch.no_grad()
def sample(
    model: Any,
    trees: Sequence[Tree],
    features: Sequence[Tensor] = (),
    *,
    n: int = 1,
    max_new_tokens: int,
    temperature: float = 1.0,
    stop: Collection[int],
    banned: Sequence[int] = (),
    generator: Draws | None = None,
    pad_id: int = 0,
    layout: Layout | None = None,
    watch: Sequence[Sequence[int]] = (),
) -> list[list[list[Completion]]]:
    """Sample ``n`` answers below every leaf of every tree.

    Args:
        model: A composed model or any Hugging Face causal language model.
        trees: One row each; their leaves are prompts.
        features: Image features in row order, see `medvlm.logps.embed`.
        n: Answers below each leaf.
        max_new_tokens: Where an answer is cut.
        temperature: 0 takes the likeliest token; otherwise scores are divided by it. There is no top-p or top-k: a
            policy gradient needs the log-probabilities of the distribution that was sampled from.
        stop: Tokens that end an answer.
        banned: Tokens that are never drawn (image placeholders, padding).
        generator: Source of randomness, on the model's device; `RankDraws` if several processes sample one batch, of
            which a share may be empty; `OwnDraws` if each answer has its own.
        pad_id: Token for the padding of shorter rows.
        layout: How the model places image tokens, see `medvlm.rows.pack`.
        watch: For each leaf of each tree, tokens whose log-probability is given before every token of its answers.

    Returns:
        ``[tree][leaf][sample]``, in the order of ``trees`` and of their leaves.
    """
    found = []
    if trees:
        state = _Decoder(unwrap(model), trees, features, n, pack(trees, pad_id, layout=layout), pad_id)
        found = _run(state, max_new_tokens, temperature, stop, banned, generator, watch)
    if isinstance(generator, RankDraws):
        generator.finish(exact_dtype(generator.generator.device))
    return found


def _run(
    state: _Decoder,
    max_new_tokens: int,
    temperature: float,
    stop: Collection[int],
    banned: Sequence[int],
    generator: Draws | None,
    watch: Sequence[Sequence[int]],
) -> list[list[list[Completion]]]:
    """Decode until every branch has ended, or is cut."""
    forbidden = torch.tensor(list(banned), dtype=torch.long, device=state.device)
    running = state.branches
    scores = state.prefill()
    for step in range(max_new_tokens):
        logps = torch.log_softmax(scores / (temperature or 1.0), dim=-1)
        if watch:
            _look(running, logps, watch, state.n)
        drawn = draw(logps, temperature, forbidden, generator, [branch.number for branch in running])
        for branch, token, logp in zip(running, *drawn, strict=True):
            branch.take(token, logp, stop)
        keep = [not branch.finished for branch in running]
        running = [branch for branch, kept in zip(running, keep, strict=True) if kept]
        if not running or step == max_new_tokens - 1:
            break
        scores = state.step(running)
    return state.collect()


def _look(running: Sequence[_Branch], logps: Tensor, watch: Sequence[Sequence[int]], n: int) -> None:
    """Write down what each running branch gives the tokens that are watched below its leaf."""
    wanted = [watch[branch.number // n] for branch in running]
    rows = [row for row, tokens in enumerate(wanted) for _ in tokens]
    each = iter(logps[rows, [token for tokens in wanted for token in tokens]].tolist())
    for branch, tokens in zip(running, wanted, strict=True):
        branch.watched.append(tuple(next(each) for _ in tokens))


class _Decoder:
    """The growing rows: cache, segments and positions of every column, and the branches."""

    def __init__(
        self, model: Any, trees: Sequence[Tree], features: Sequence[Tensor], n: int, rows: Rows, pad_id: int
    ) -> None:
        self.model, self.trees, self.features, self.n, self.pad_id = model, trees, features, n, pad_id
        self.config = model.config.get_text_config()
        self.device = model.get_input_embeddings().weight.device
        self.cache = RowCache()
        rows = rows.to(self.device)
        self.ids, self.segments, self.positions, self.rotary = rows.ids, rows.segments, rows.positions, rows.rotary
        self.blocks = rows.blocks
        most = max(len(tree.leaves) for tree in trees) * n
        self.ancestors = ancestry(trees, most)
        self.branches = [branch for row, tree in enumerate(trees) for branch in self._hang(row, tree)]
        self.running = len(self.branches)
        self.ancestors = self.ancestors.to(self.device)

    def _hang(self, row: int, tree: Tree) -> list[_Branch]:
        """The ``n`` new segments below each leaf of one tree."""
        branches: list[_Branch] = []
        segment = len(tree.segments)
        first = sum(len(other.leaves) for other in self.trees[:row]) * self.n
        for leaf in tree.leaves:
            inside = self.segments[row] == leaf
            last = int(self.positions[row][inside][-1])
            position = int(self.rotary[..., row, :][..., inside].max())  # what follows an image stands beyond all of it
            for _ in range(self.n):
                self.ancestors[row, segment] |= self.ancestors[row, leaf]
                branches.append(_Branch(first + len(branches), row, segment, last + 1, position + 1))
                segment += 1
        return branches

    def prefill(self) -> Tensor:
        """Compute contexts and prompts once; scores of the first token of every branch ``(N, V)``."""
        query = (self.segments, self.positions)
        inputs = decoder_inputs(self.model, self.ids, self.features)
        hidden = self._forward(inputs, self.rotary, query, query, self.blocks)
        ends = [
            (row, int((self.segments[row] == leaf).nonzero()[-1]))
            for row, tree in enumerate(self.trees)
            for leaf in tree.leaves
        ]
        row, column = torch.tensor(ends, device=self.device).unbind(1)
        return logits(self.model, hidden[row, column]).repeat_interleave(self.n, dim=0)

    def step(self, running: list[_Branch]) -> Tensor:
        """Append the last token of every running branch; scores of the next one ``(len(running), V)``."""
        if len(running) < self.running:
            self._drop(running)
            self.running = len(running)
        slots, taken = [], Counter[int]()
        for branch in running:
            slots.append((branch.row, taken[branch.row]))
            taken[branch.row] += 1
        row, slot = torch.tensor(slots, device=self.device).unbind(1)
        shape = (len(self.segments), max(taken.values()))
        ids = torch.full(shape, self.pad_id, device=self.device)
        segments, positions = torch.full_like(ids, -1), torch.zeros_like(ids)
        ids[row, slot] = torch.tensor([branch.tokens[-1] for branch in running], device=self.device)
        segments[row, slot] = torch.tensor([branch.segment for branch in running], device=self.device)
        positions[row, slot] = torch.tensor([branch.place for branch in running], device=self.device)
        rotary = self.rotary.new_zeros((*self.rotary.shape[:-2], *shape))
        rotary[..., row, slot] = torch.tensor([branch.position for branch in running], device=self.device)
        for branch in running:
            branch.place += 1
            branch.position += 1
        blocks = None if self.blocks is None else torch.full_like(ids, -1)
        if self.blocks is not None and blocks is not None:
            self.blocks = torch.cat([self.blocks, blocks], dim=1)
        self.segments = torch.cat([self.segments, segments], dim=1)
        self.positions = torch.cat([self.positions, positions], dim=1)
        inputs = {"inputs_embeds": self.model.get_input_embeddings()(ids)}
        hidden = self._forward(inputs, rotary, (segments, positions), (self.segments, self.positions), blocks)
        return logits(self.model, hidden[row, slot])

    def _forward(
        self,
        inputs: Mapping[str, Any],
        rotary: Tensor,
        query: tuple[Tensor, Tensor],
        key: tuple[Tensor, Tensor],
        blocks: Tensor | None,
    ) -> Tensor:
        same = None if blocks is None or self.blocks is None else (blocks, self.blocks)
        window = sliding_window(self.config)
        windowed = None if window is None else visible(query, key, self.ancestors, window, same)
        sees = visible(query, key, self.ancestors, blocks=same)
        masks = attention_masks(self.config, sees, windowed, inputs["inputs_embeds"].dtype)
        hidden: Tensor = self.model.get_decoder()(
            **inputs,
            attention_mask=masks,
            position_ids=rotary,
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        return hidden

    def _drop(self, running: list[_Branch]) -> None:
        """Let rows without a running branch leave the batch, and columns that none sees once they are many."""
        alive = self._alive(running)
        rows = torch.tensor(sorted({branch.row for branch in running}), device=self.device)
        size = int(alive.sum(1).max())
        if len(rows) == len(alive) and size > LIVE * alive.shape[1]:
            return
        alive, columns = alive[rows].sort(dim=1, descending=True, stable=True)
        alive, columns = alive[:, :size], columns[:, :size]
        self.cache.take(rows, columns)
        self.segments = self.segments[rows].gather(1, columns).masked_fill(~alive, -1)
        self.positions = self.positions[rows].gather(1, columns)
        if self.blocks is not None:
            self.blocks = self.blocks[rows].gather(1, columns)
        self.ancestors = self.ancestors[rows]
        moved = {row: new for new, row in enumerate(rows.tolist())}
        for branch in running:
            branch.row = moved[branch.row]

    def _alive(self, running: list[_Branch]) -> Tensor:
        """Which columns a running branch sees, ``(B, K)``."""
        places = torch.tensor([(branch.row, branch.segment) for branch in running], device=self.device)
        row, segment = places.unbind(1)
        needed = torch.zeros(self.ancestors.shape[::2], dtype=torch.int32, device=self.device)
        needed.index_add_(0, row, self.ancestors[row, segment].int())
        return (needed.gather(1, self.segments.clamp(min=0)) > 0) & (self.segments >= 0)

    def collect(self) -> list[list[list[Completion]]]:
        """Completions by tree, leaf and sample: the order in which the branches were hung."""
        done = iter(Completion(tuple(b.tokens), tuple(b.logps), b.finished, tuple(b.watched)) for b in self.branches)
        return [[[next(done) for _ in range(self.n)] for _ in tree.leaves] for tree in self.trees]
