"""CPU seconds and memory of one training step on a volume, for each compressor and number of slices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import torch

from medvlm.models import build_vlm, tiny_decoder, train_tokenizer
from tools.bench.machine import Clock, medians

KEEP = "slices_keep"


def _plain(tokens: int, slices: int) -> dict[str, Any]:
    return {"tokens": tokens}


def _layers(tokens: int, slices: int) -> dict[str, Any]:
    """As many slabs as leave four tokens to each, so that left and right, front and back stay apart."""
    depth = math.gcd(tokens, 16)
    while depth > 1 and tokens // depth < 4:
        depth //= 2
    return {"tokens": tokens, "depth": depth}


def _focus(tokens: int, slices: int) -> dict[str, Any]:
    return {"tokens": tokens, "whole": tokens // 4, "depth": math.gcd(tokens // 4, 4)}


def _every(tokens: int, slices: int) -> dict[str, Any]:
    return {"slices": slices}


def _heads(tokens: int, slices: int) -> dict[str, Any]:
    return {"tokens": tokens, "heads": 4}


KINDS: Mapping[str, Callable[[int, int], dict[str, Any]]] = {
    KEEP: _every,
    "slices_pool": _layers,
    "slices_perceiver": _heads,
    "slices_merge": _plain,
    "slices_prune": _plain,
    "slices_focus": _focus,
}


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of the model and its budget."""

    image: int
    patch: int
    vision: tuple[int, int]  # width, layers
    decoder: tuple[int, int]
    tokens: int


SIZES = {
    "small": Size(64, 8, (128, 4), (128, 4), 64),
    "tiny": Size(32, 8, (32, 1), (32, 1), 8),
}


def compressor_of(kind: str, tokens: int, slices: int) -> dict[str, Any]:
    """Options of a compressor that gives ``tokens``; ``slices_keep`` gives all of its ``slices``.

    Examples:
        >>> compressor_of("slices_pool", 24, 32), compressor_of("slices_keep", 24, 32)
        ({'kind': 'slices_pool', 'tokens': 24, 'depth': 4}, {'kind': 'slices_keep', 'slices': 32})
    """
    return {"kind": kind, **KINDS[kind](tokens, slices)}


def measure_cost(size: Size, kinds: Sequence[str], slices: Sequence[int], repeats: int) -> dict[str, Any]:
    """Figures of every compressor at every number of slices, ratios to keep-everything, growth of memory.

    Returns:
        ``kinds``: a list of rows a compressor; ``memory_exponent``: log of added memory over log of slices.
    """
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for count in sorted(slices):
        rows = {kind: _alone(size, kind, count, repeats) for kind in kinds}
        for kind, row in rows.items():
            if KEEP in rows and kind != KEEP:
                row["ratio_cpu"] = rows[KEEP]["cpu_s"] / row["cpu_s"]
                row["ratio_memory"] = rows[KEEP]["added_mb"] / row["added_mb"]
            found[kind].append(row)
    growth = {kind: exponent(rows) for kind, rows in found.items() if len(rows) > 1}
    return {"kinds": found, "memory_exponent": growth}


def exponent(rows: Sequence[Mapping[str, float]]) -> float:
    """How memory grows from the fewest to the most slices: 1 is linear, 2 quadratic.

    Examples:
        >>> exponent([{"slices": 32, "added_mb": 10.0}, {"slices": 128, "added_mb": 160.0}])
        2.0
    """
    first, last = rows[0], rows[-1]
    return math.log(last["added_mb"] / first["added_mb"]) / math.log(last["slices"] / first["slices"])


def _alone(size: Size, kind: str, slices: int, repeats: int) -> dict[str, Any]:
    """Figures of a process of its own: what one measurement freed would hide what the next one needs."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(_steps, size, kind, slices, repeats).result()


def _steps(size: Size, kind: str, slices: int, repeats: int) -> dict[str, Any]:
    (vision_width, vision_layers), (width, layers) = size.vision, size.decoder
    model, processor = build_vlm(
        encoder={
            "name": "siglip_tiny",
            "image_size": size.image,
            "patch_size": size.patch,
            "width": vision_width,
            "layers": vision_layers,
        },
        decoder=tiny_decoder("qwen3", width=width, layers=layers, max_position_embeddings=65_536),
        projector={"kind": "mlp", "merge": 2},
        compressor=compressor_of(kind, size.tokens, slices),
        tokenizer=train_tokenizer(["is there an effusion? yes no"], 300),
    )
    ids = torch.tensor([processor.token_ids("is there an effusion? <volume> yes")])
    volume = torch.randn(1, slices, 3, size.image, size.image, generator=torch.Generator().manual_seed(0))
    start, spent = Clock().stop().peak or 0, []
    for _ in range(repeats + 1):
        clock = Clock()
        model(input_ids=ids, pixel_values_videos=volume, labels=ids, use_cache=False).loss.backward()
        spent.append(clock.stop())
    figures = medians(spent[1:])
    return {
        "slices": slices,
        "tokens": model.config.volume_tokens,
        "added_mb": max(figures["peak_gb"] * 1e3 - start / 1e6, 0.1),
        **figures,
    }
