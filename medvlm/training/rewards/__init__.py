"""Rewards: plain functions ``f(completions, **columns) -> list[float | None]``, the signature that TRL's users know.

``None`` means "does not apply" and never counts as 0. The columns are the samples' fields, one entry a completion:
``answer``, ``kind``, ``options``, ``categories``, ``extra``.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from medvlm.training.rewards.verifiable import accuracy_reward, format_reward

Reward = Callable[..., list[float | None]]

REWARDS: dict[str, Reward] = {"accuracy": accuracy_reward, "format": format_reward}


def find_reward(name: str) -> Reward:
    """The reward called ``name``, or the user's own at ``package.module:function``.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if ":" in name:
        return _outside(name)
    if name not in REWARDS:
        near = get_close_matches(name, REWARDS) or sorted(REWARDS)
        raise ValueError(f"Unknown reward {name!r}. Nearest: {', '.join(near)}; your own: package.module:function.")
    return REWARDS[name]


def _outside(path: str) -> Reward:
    module, _, attribute = path.partition(":")
    try:
        found: dict[str, Any] = vars(import_module(module))
    except ModuleNotFoundError as error:
        raise ValueError(f"reward {path!r}: {error}. It must be an installed package.module:function.") from error
    if not callable(found.get(attribute)):
        raise ValueError(f"reward {path!r}: {module} has no function {attribute!r}.")
    reward: Reward = found[attribute]
    return reward
