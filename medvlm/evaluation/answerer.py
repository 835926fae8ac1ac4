"""What can be evaluated, and the key under which its records may be continued."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

from medvlm.evaluation.answering.settings import Answering
from medvlm.evaluation.protocols import Protocol as ScoringProtocol
from medvlm.evaluation.showing import ImageMode
from medvlm.generation.engine import Ask, Reply
from medvlm.generation.options import Texts, Tokens


class Answerer(Protocol):
    """What is evaluated: `medvlm.generation.engine.Engine`, or anything that answers like it."""

    @property
    def model(self) -> Any:
        """The model, whose weights name the run."""

    @property
    def prompter(self) -> Any:
        """Says by ``reasoning`` whether answers are asked for between tags, and makes tokens of texts and back."""

    def held(self) -> AbstractContextManager[None]:
        """Inside, an image that is asked again is not read again."""

    def generate(
        self,
        asks: Sequence[Ask],
        *,
        n: int = 1,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        apart: bool = False,
        starts: Tokens = (),
        options: Texts = (),
    ) -> list[list[list[Reply]]]:
        """Answers as ``[ask][question][n]``; plain greedy ones are asked for by ``n`` and ``max_new_tokens`` alone."""

    def score(
        self, asks: Sequence[Ask], options: Texts, *, starts: Tokens = (), total: bool = False, ends: bool = True
    ) -> list[list[list[float]]]:
        """Log-probability of option texts as ``[ask][question][option]``."""


def weights_hash(model: torch.nn.Module) -> str:
    """Sixteen hex digits that change with any weight.

    Args:
        model: A model; its parameters and buffers are read once.
    """
    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def run_key(
    engine: Answerer,
    protocol: ScoringProtocol,
    *,
    max_new_tokens: int,
    image: ImageMode = "real",
    shown: str = "",
    seed: int = 0,
    model_key: str | None = None,
    answering: Answering | None = None,
    shots: str = "",
) -> str:
    """Twelve hex digits of model, protocol and decoding: records are only continued under the same ones.

    Args:
        engine: Gives the weights and whether it asks for reasoning.
        protocol: How answers are scored.
        max_new_tokens: Longest answer.
        image: What is shown.
        shown: What changes with the pairing of questions and other images, which depends on all questions of the run.
        seed: Seed of the shuffling, of draws and of shots.
        model_key: Name of the weights; None computes `weights_hash`.
        answering: How questions are answered; None is greedily.
        shots: What changes with the examples that questions are shown.
    """
    parts: dict[str, Any] = {
        "model": weights_hash(engine.model) if model_key is None else model_key,
        "protocol": protocol.fingerprint,
        "reasoning": bool(engine.prompter.reasoning),
        "max_new_tokens": max_new_tokens,
        "image": [image, seed, shown] if image in ("shuffled", "wrong") else image,
    }
    parts |= {} if answering is None else answering.key(seed)
    parts |= {"shots": shots} if shots else {}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
