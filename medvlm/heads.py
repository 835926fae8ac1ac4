"""Two small heads that put the images and the reports that one model reads into one space.

There is no second tower: an image is the projected tokens that the decoder would read, a report is the decoder's own
hidden states over it. What a contrastive stage trains, `medvlm.zeroshot` uses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from medvlm.generation.engine import encode_images
from medvlm.logps import unwrap
from medvlm.study import WeightsError

FILE = "alignment.safetensors"
"""File beside a model's weights that holds its heads."""
MOST_SCALE = 100.0
"""The learned scale (one over the temperature) never counts more than this, as in CLIP."""

TextPool = Literal["last", "mean"]
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\s*\n\s*")


@dataclass(frozen=True, slots=True)
class TextIds:
    """Tokens of a report, and where each of its sentences stands among them (first, one past the last)."""

    ids: tuple[int, ...]
    sentences: tuple[tuple[int, int], ...]


class AlignmentHeads(nn.Module):
    """Maps of image tokens and text states to unit vectors, and the scale and bias of their products.

    An image is the mean of its tokens weighted by a learned query, which is the plain mean at the start.

    Args:
        width: Of the decoder.
        dim: Of the shared space.
        text: Whether a report is its ``last`` hidden state, which has read all of it, or the ``mean`` of all.
        scale: One over the temperature, at the start.
        bias: Added to scaled products by the sigmoid loss, at the start.
        seed: Start of the maps.
    """

    def __init__(
        self,
        width: int,
        dim: int = 128,
        *,
        text: TextPool = "last",
        scale: float = 1 / 0.07,
        bias: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.width, self.dim, self.pool = width, dim, text
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.image_norm, self.text_norm = nn.LayerNorm(width), nn.LayerNorm(width)
            self.image_map, self.text_map = nn.Linear(width, dim, bias=False), nn.Linear(width, dim, bias=False)
        self.query = nn.Parameter(torch.zeros(width))
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = nn.Parameter(torch.tensor(bias))

    @property
    def scale(self) -> Tensor:
        """What products of unit vectors are multiplied by."""
        return self.log_scale.float().exp().clamp(max=MOST_SCALE)

    def image(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors of an image ``(dim,)`` and of its tokens ``(N, dim)``.

        Args:
            tokens: Projected tokens ``(N, width)``.
        """
        normed = self.image_norm(tokens.to(self.query.dtype))
        weights = (normed @ self.query / math.sqrt(self.width)).softmax(0)
        mapped = self.image_map(normed).float()
        return normalize(weights.float() @ mapped, dim=-1), normalize(mapped, dim=-1)

    def text(self, states: Tensor, sentences: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Unit vectors of a report ``(dim,)`` and of its sentences ``(S, dim)``.

        Args:
            states: Hidden states ``(L, width)``.
            sentences: First and one past the last token of each.
        """
        whole = states[-1] if self.pool == "last" else states.mean(0)
        rows = torch.stack([whole, *(states[first:end].mean(0) for first, end in sentences)])
        mapped = normalize(self.text_map(self.text_norm(rows.to(self.query.dtype))).float(), dim=-1)
        return mapped[0], mapped[1:]


def text_ids(tokenizer: Any, text: str) -> TextIds:
    """Tokens of a report, sentence by sentence, closed by the token that ends a turn.

    A sentence has the same tokens wherever it stands, so that a prompt of one sentence is read like a part of a report.

    Raises:
        ValueError: If there is nothing to read.
    """
    ids = [] if tokenizer.bos_token_id is None else [int(tokenizer.bos_token_id)]
    spans = []
    for sentence in filter(None, (part.strip() for part in _SENTENCE_END.split(text))):
        first = len(ids)
        ids += tokenizer(f" {sentence}", add_special_tokens=False)["input_ids"]
        spans.append((first, len(ids)))
    if not spans:
        raise ValueError("The text of a pair is empty; give a report, or leave the image out.")
    return TextIds((*ids, int(tokenizer.eos_token_id)), tuple(spans))


def text_states(model: Any, texts: Sequence[TextIds], pad_id: int) -> list[Tensor]:
    """Hidden states of the decoder over each text alone, ``(L, width)`` each.

    Args:
        model: A composed model or any Hugging Face one with a decoder.
        texts: What `text_ids` made.
        pad_id: Fills up shorter rows; nothing sees it.
    """
    model = unwrap(model)
    device = model.get_input_embeddings().weight.device
    lengths = [len(text.ids) for text in texts]
    ids = pad_sequence([torch.tensor(text.ids) for text in texts], batch_first=True, padding_value=pad_id)
    mask = (torch.arange(ids.shape[1]) < torch.tensor(lengths)[:, None]).long()
    output = model.get_decoder()(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
    states: Tensor = output.last_hidden_state
    return [row[:length] for row, length in zip(states, lengths, strict=True)]


def study_tokens(model: Any, processor: Any, studies: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Projected tokens ``(N, width)`` of each study, those of its images (or volumes) end to end.

    What a model adds to deeper layers of its decoder (Qwen3-VL) stands behind the first ``width`` channels and is left.
    """
    width = model_width(model)
    tokens = iter(encode_images(model, [image for study in studies for image in study], processor))
    return [torch.cat([next(tokens)[:, :width] for _ in study]) for study in studies]


def model_width(model: Any) -> int:
    """Width of a model's decoder."""
    return int(unwrap(model).config.get_text_config().hidden_size)


def save_heads(heads: AlignmentHeads, folder: Path) -> None:
    """Write the heads beside a model's weights."""
    weights = {name: value.detach().cpu().contiguous() for name, value in heads.state_dict().items()}
    save_file(weights, folder / FILE, {"format": "pt", "text": heads.pool})


def load_heads(folder: Path | str, model: Any = None) -> AlignmentHeads:
    """Read the heads that were trained with a model.

    Args:
        folder: Of the model.
        model: Which model will use them; its width is compared.

    Raises:
        WeightsError: If there are none, the file is damaged, or they belong to another model.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise WeightsError(f"{folder} has no {FILE}: give the model of a stage with objective: contrastive.")
    try:
        weights = load_file(path)
        with safe_open(path, "pt") as file:
            pool = (file.metadata() or {}).get("text")
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged: {error}") from None
    if pool not in get_args(TextPool) or "image_map.weight" not in weights:
        raise WeightsError(f"{path} holds no alignment heads: it says text={pool!r} and has {sorted(weights)}.")
    dim, width = weights["image_map.weight"].shape
    heads = AlignmentHeads(width, dim, text=cast(TextPool, pool))
    try:
        heads.load_state_dict(weights)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit: {error}") from None
    if model is None:
        return heads.eval()
    if model_width(model) != width:
        raise WeightsError(f"{path} is for a decoder of width {width}, the model's is {model_width(model)} wide.")
    return heads.to(unwrap(model).get_input_embeddings().weight.device).eval()
