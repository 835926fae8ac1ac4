"""Which model answered: its name, the hash of its weights, and what it says it was trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from medvlm.accepts import TAKES_ALL, Accepts, accepts_of
from medvlm.study import WeightsError

CARD = "medvlm.json"
"""File beside the weights in which a training run says what the model is."""

DISCLAIMER = "Research software: not for clinical use. A machine wrote this; no clinician has checked it."
READS = ("priors", "history")
"""What a model may understand beside the study itself."""
PHANTOM_SETS = ("thorax", "tissue")
"""Sets whose patients are computed: what a model learned from them is not medicine."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of a model.

    Attributes:
        name: Recipe or folder name, never a path.
        weights: First 12 hex digits of the SHA-256 of its weights.
        reasoning: Whether it was trained to reason between tags before it answers.
        trained_on: The sets it was trained on, joined by ``+``; empty if it does not say.
        warnings: What every reader of its answers must know.
        accepts: What it takes, beyond its intensity recipes.
        kinds: Forms of answer that it was trained on, as its card says; empty if it does not say.
        reads: What it understands beside one study: ``priors``, ``history``. A model of a recipe reads what its card
            says, and else nothing: shown what it never saw, it falls silent or says anything. Others read all.
    """

    name: str
    weights: str
    reasoning: bool
    trained_on: str
    warnings: tuple[str, ...]
    accepts: Accepts = TAKES_ALL
    kinds: tuple[str, ...] = ()
    reads: tuple[str, ...] = READS


def identify(folder: Path, name: str = "") -> Identity:
    """Read what a model folder says of itself.

    Args:
        folder: Holds safetensors, and ``medvlm.json`` if medvlm trained the model.
        name: What to call a model that does not say; the folder's name (or that of the run it lies in) if empty.

    Raises:
        WeightsError: If there are no weights, or the card is damaged.
    """
    card = read_card(folder)
    trained_on = str(card.get("trained_on", ""))
    warnings = [DISCLAIMER]
    sets = set(trained_on.split("+"))
    if sets & set(PHANTOM_SETS) or "phantom" in trained_on.lower():
        only = "" if sets - set(PHANTOM_SETS) else " only"
        warnings.append(
            f"The model was trained on computed phantoms ({trained_on}){only}: its answers are not medicine."
        )
    note = str(card.get("note") or "")
    return Identity(
        name=str(card.get("recipe") or name or _folder_name(folder.resolve())),
        weights=weights_hash(folder)[:12],
        reasoning=bool(card.get("reasoning", False)),
        trained_on=trained_on,
        warnings=(*warnings, note) if note else tuple(warnings),
        accepts=accepts_of(card, CARD),
        kinds=tuple(map(str, card.get("kinds", ()))),
        reads=tuple(map(str, card.get("reads", () if "recipe" in card else READS))),
    )


def _folder_name(folder: Path) -> str:
    return folder.parent.name if folder.name == "model" else folder.name


def read_card(folder: Path) -> Mapping[str, Any]:
    """What a training run left beside the weights; empty where there is nothing.

    Raises:
        WeightsError: If the card is there but is no JSON object.
    """
    path = folder / CARD
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path} is damaged ({error}); copy it again or delete it.") from None
    if not isinstance(card, dict):
        raise WeightsError(f"{path} holds a {type(card).__name__}, expected an object like {{'reasoning': true}}.")
    return card


def weights_hash(folder: Path) -> str:
    """SHA-256 of the weights: that of the file (as ``sha256sum`` prints it), or of all shards' hashes in order.

    Raises:
        WeightsError: If there are none.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise WeightsError(f"{folder} has no safetensors; the weights are missing.")
    hashes = [_file_hash(path, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


@lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, changed: int) -> str:
    """Read a file once, as long as its size and time of change stay."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
