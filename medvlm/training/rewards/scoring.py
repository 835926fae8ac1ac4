"""The rewards of a stage as one object: every function asked, gated, weighted by the step and summed."""

from __future__ import annotations

import logging
import math
import numbers
from collections.abc import Mapping, Sequence
from functools import partial
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from medvlm.stages import RewardTerm
from medvlm.study import MedvlmError
from medvlm.training.rewards import Reward, find_reward

if TYPE_CHECKING:
    from medvlm.training.rollouts import Rollout

OnError = Literal["stop", "skip"]
Columns = Mapping[str, Sequence[Any]]
FIELDS = ("id", "images", "question", "answer", "kind", "options", "categories", "rationale", "extra")
COLUMNS = (*FIELDS, "completion_ids", "finished")
LONGEST_SHOWN = 200

_LOG = logging.getLogger(__name__)


class RewardError(MedvlmError, ValueError):
    """A reward function failed; the message names it, the sample and the completion."""


class RewardSet:
    """Reward functions by name, with their weights, gates and schedules.

    Args:
        terms: Weight of each reward, or all that a recipe says of it (``medvlm.stages.RewardTerm``).
        on_error: What happens if a function raises or gives no finite number: ``stop`` ends the run; ``skip`` gives the
            completion no reward at all, so that it teaches nothing, and counts it.

    Raises:
        ValueError: If a name, a gate or an option does not exist, or gates form a circle.
    """

    def __init__(self, terms: Mapping[str, float | RewardTerm], *, on_error: OnError = "stop") -> None:
        self.terms = {name: term_of(term) for name, term in terms.items()}
        self.functions = {name: with_options(name, term.options) for name, term in self.terms.items()}
        self.on_error = on_error
        self.measured: dict[str, float] = {}  # of the last scoring, beside the parts: what a run reports
        for name in self.terms:
            _gates_of(name, self.terms)

    @property
    def names(self) -> tuple[str, ...]:
        """The rewards in order, as the columns of the parts."""
        return tuple(self.terms)

    def weights(self, step: int) -> list[float]:
        """Weight of each reward at a step, counted from 0."""
        return [term.weight_at(step) for term in self.terms.values()]

    def score(self, texts: Sequence[str], columns: Columns, step: int = 0) -> tuple[Tensor, Tensor]:
        """Ask every function that counts at this step.

        Args:
            texts: Completions, ``B`` of them.
            columns: The fields of their samples, one entry a completion.
            step: Batches done so far; schedules depend on it.

        Returns:
            Parts ``(B, F)`` after gates, NaN where a function does not apply (or is not asked yet), and the weighted
            sums ``(B,)``, NaN where none applies. Where one failed, all of the completion's are NaN.

        Raises:
            RewardError: If a function fails and errors stop the run.
        """
        parts = torch.full((len(texts), len(self.terms)), torch.nan)
        failed = torch.zeros(len(texts), dtype=torch.bool)
        for index, (name, term) in enumerate(self.terms.items()):
            if term.starts <= step and texts:  # a process may have none
                values = self._ask(name, texts, columns)
                failed |= torch.tensor([value is None for value in values], dtype=torch.bool)
                parts[:, index] = torch.tensor([torch.nan if value is None else value for value in values])
        self.measured = self._measure(failed, step)
        parts = self._gated(parts).masked_fill(failed[:, None], torch.nan)
        return parts, combine_rewards(parts, self.weights(step))

    def _measure(self, failed: Tensor, step: int) -> dict[str, float]:
        """How many completions a failing reward left out, and the weights that change over the steps."""
        moving = {name for name, term in self.terms.items() if term.starts or term.until}
        weights = dict(zip(self.names, self.weights(step), strict=True))
        counted = {"reward_failed": float(failed.sum())} if self.on_error == "skip" else {}
        return counted | {f"weight/{name}": weights[name] for name in self.names if name in moving}

    def _gated(self, parts: Tensor) -> Tensor:
        """Take the credit of a reward where its gate, itself gated, earned nothing; a punishment stays."""
        out = parts.clone()
        for name in self.terms:
            index = self.names.index(name)
            for gate in _gates_of(name, self.terms):
                closed = parts[:, self.names.index(gate)] <= 0
                out[:, index] = torch.where(closed, out[:, index].clamp(max=0), out[:, index])
        return out

    def _ask(self, name: str, texts: Sequence[str], columns: Columns) -> list[float | None]:
        """Values of one function: NaN where it does not apply, None where it failed (and failing is allowed)."""
        try:
            values = list(self.functions[name](list(texts), **columns))
        except Exception as error:  # the user's own code may raise anything: it is named, then raised or counted
            if len(texts) == 1:
                self._failed(name, f"raised {type(error).__name__}: {error}", texts[0], columns, 0, error)
                return [None]
            alone = [self._ask(name, [text], _at(columns, place))[0] for place, text in enumerate(texts)]
            if self.on_error == "stop":
                raise RewardError(f"Reward {name!r} raised on {len(texts)} completions, on none alone.") from error
            return alone
        if len(values) != len(texts):
            raise RewardError(f"Reward {name!r} returned {len(values)} values for {len(texts)} completions.")
        return [self._number(name, value, texts[place], columns, place) for place, value in enumerate(values)]

    def _number(self, name: str, value: Any, text: str, columns: Columns, place: int) -> float | None:
        """A returned value as a finite number, NaN for None; anything else is a failure."""
        if value is None:
            return math.nan
        if isinstance(value, numbers.Real) and math.isfinite(value):
            return float(value)
        self._failed(name, f"returned {value!r}, expected a finite number or None", text, columns, place)
        return None

    def _failed(
        self, name: str, what: str, text: str, columns: Columns, place: int, cause: Exception | None = None
    ) -> None:
        """Stop the run, or say that a completion is left out; both name the reward, the sample and the completion."""
        sample = columns["id"][place] if "id" in columns else f"number {place}"
        message = f"Reward {name!r} {what} (sample {sample}, completion {text[:LONGEST_SHOWN]!r})."
        if self.on_error == "stop":
            raise RewardError(f"{message} To leave such completions out: on_reward_error: skip.") from cause
        _LOG.warning("%s It is left out.", message)


def term_of(term: float | RewardTerm) -> RewardTerm:
    """What a recipe says of a reward; a number alone is its weight."""
    return term if isinstance(term, RewardTerm) else RewardTerm(weight=term)


def reward_columns(rollouts: Sequence[Rollout]) -> dict[str, list[Any]]:
    """What reward functions are told of each completion: its sample's fields, its tokens, whether it ended by itself.

    Args:
        rollouts: Sampled completions.
    """
    columns: dict[str, list[Any]] = {name: [getattr(rollout.sample, name) for rollout in rollouts] for name in FIELDS}
    columns["completion_ids"] = [rollout.completion.tokens for rollout in rollouts]
    columns["finished"] = [rollout.completion.finished for rollout in rollouts]
    return columns


def combine_rewards(rewards: Tensor, weights: Sequence[float]) -> Tensor:
    """Weighted sum over reward functions.

    Args:
        rewards: ``(B, F)``; NaN where a function does not apply, which is no zero: it is left out of the sum.
        weights: One a function.

    Returns:
        ``(B,)``; NaN where no function applies.

    Examples:
        >>> combine_rewards(torch.tensor([[1.0, 0.5], [1.0, float("nan")]]), [1.0, 0.1])
        tensor([1.0500, 1.0000])
    """
    total = torch.nansum(rewards * torch.tensor(weights, dtype=rewards.dtype), dim=1)
    return total.masked_fill(rewards.isnan().all(dim=1), torch.nan)


def with_options(name: str, options: Mapping[str, Any]) -> Reward:
    """A reward function with its options bound.

    Args:
        name: Of the reward, or ``package.module:function``.
        options: Its keyword arguments.

    Raises:
        ValueError: If there is no such reward, or it has no such option.
    """
    reward = find_reward(name)
    taken = {
        parameter.name: parameter
        for parameter in list(signature(reward).parameters.values())[1:]
        if parameter.kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD) and parameter.name not in COLUMNS
    }
    if unknown := [option for option in options if option not in taken]:
        raise ValueError(f"Reward {name!r} has no option {unknown[0]!r}; it has: {', '.join(taken) or 'none'}.")
    missing = [option for option, parameter in taken.items() if parameter.default is Parameter.empty]
    if missing := [option for option in missing if option not in options]:
        raise ValueError(f"Reward {name!r} needs the option {missing[0]!r}: {{{name}: {{options: {{...}}}}}}.")
    return partial(reward, **options) if options else reward


def _gates_of(name: str, terms: Mapping[str, RewardTerm]) -> list[str]:
    """The gate of a reward, its gate, and so on."""
    gates: list[str] = []
    gate = terms[name].gate
    while gate is not None:
        if gate not in terms:
            raise ValueError(f"The gate {gate!r} of reward {name!r} is none of its rewards: {', '.join(terms)}.")
        if gate in (name, *gates):
            raise ValueError(f"Reward {name!r} is gated by itself: {' <- '.join([name, *gates, gate])}.")
        gates.append(gate)
        gate = terms[gate].gate
    return gates


def _at(columns: Columns, place: int) -> dict[str, list[Any]]:
    return {name: [values[place]] for name, values in columns.items()}
