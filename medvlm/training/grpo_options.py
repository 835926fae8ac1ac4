"""The numbers of GRPO and its family: what a recipe says, and what the objective takes for granted otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from medvlm.stages import AnyStage, GRPOStage
from medvlm.training.policy import METHODS, Aggregate, Level, Method, Place, Scale, TermOptions
from medvlm.training.policy.correction import Correction
from medvlm.training.policy.kl import Estimator


@dataclass(frozen=True, slots=True)
class GRPOOptions:
    """The numbers of the algorithm; see ``medvlm.stages.GRPOStage``. None takes what the loss has."""

    group: int = 8
    temperature: float = 1.0
    max_new_tokens: int = 64
    loss: str = "dapo"
    loss_options: Mapping[str, float] = field(default_factory=dict)
    scale: Scale | None = None
    normalise: Literal["together", "apart"] = "together"
    aggregate: Aggregate | None = None
    ratio: Level | None = None
    clip_low: float | None = None
    clip_high: float | None = None
    delta: float | None = None
    dual: float | None = None
    beta: float = 0.0
    kl: Estimator = "corrected"
    kl_place: Place | None = None
    reference: Literal["start", "copy"] = "start"
    reference_every: int = 0
    reference_mix: float = 0.6
    entropy_bonus: float = 0.0
    entropy_target: float | None = None
    entropy_quantile: float = 1.0
    correction: Correction | None = None
    correction_low: float | None = None
    correction_high: float | None = 3.0
    off_policy: float | None = None
    mask_truncated: bool = False
    mu: int = 1
    minibatches: int = 1
    resample: int = 0
    flat: Literal["count", "drop"] = "count"

    @property
    def method(self) -> Method:
        """The objective.

        Raises:
            ValueError: If there is none of this name.
        """
        if self.loss not in METHODS:
            raise ValueError(f"Unknown loss {self.loss!r}. Known: {', '.join(METHODS)}.")
        return METHODS[self.loss]

    def resolved(self) -> GRPOOptions:
        """The same with every None filled in that the loss has a value for.

        Raises:
            ValueError: If the loss has no such number, or two options exclude each other.
        """
        method = self.method
        self.numbers()
        self._check(method)
        return replace(
            self,
            scale=self.scale or method.scale,
            aggregate=self.aggregate or method.aggregate,
            ratio=self.ratio or method.level,
            kl_place=self.kl_place or method.kl_place,
        )

    def numbers(self) -> dict[str, float | None]:
        """The numbers of the loss, complete.

        Raises:
            ValueError: If the loss has no such number.
        """
        named = {name: getattr(self, name) for name in ("clip_low", "clip_high", "delta", "dual")}
        try:
            return self.method.fill({**named, **self.loss_options})
        except ValueError as error:
            raise ValueError(f"loss {self.loss!r}: {error}") from error

    def _check(self, method: Method) -> None:
        if self.normalise == "apart" and method.baseline != "group":
            raise ValueError(f"normalise: apart is defined within groups, loss {self.loss!r} has another baseline.")
        if method.baseline == "leave_one_out" and self.scale == "group":
            raise ValueError(f"scale: group does not go with loss {self.loss!r}: take batch or none.")
        if method.weighs_itself and (self.correction or "").startswith("sequence"):
            raise ValueError(f"loss {self.loss!r} takes a correction of tokens: token_truncate or token_mask.")
        if self.reference_every and not self.beta:
            raise ValueError("reference_every moves a reference that beta: 0 does not ask for: set beta, or drop it.")
        if self.kl_place == "reward" and self.normalise == "apart":
            raise ValueError(
                "A KL taken from the reward has no reward of its own: kl_place: loss with normalise: apart."
            )

    @property
    def taxed(self) -> bool:
        """Whether the KL to the reference is taken from the reward."""
        return self.beta > 0 and self.kl_place == "reward"

    @property
    def teaches_all(self) -> bool:
        """Whether completions without advantage have a gradient too, or are needed for one."""
        return self.beta > 0 or self.entropy_bonus > 0 or self.entropy_target is not None or self.entropy_quantile < 1

    @property
    def looks_ahead(self) -> bool:
        """Whether tokens are scored before the first optimiser step of a batch."""
        return self.minibatches > 1 or self.entropy_quantile < 1

    def terms(self, entropy_from: float | None) -> TermOptions:
        """What the terms of a loss depend on.

        Args:
            entropy_from: Entropy from which on tokens are learned from; None takes all.
        """
        return TermOptions(
            numbers=self.numbers(),
            level=self.ratio or self.method.level,
            kl=self.kl,
            correction=self.correction,
            correction_low=self.correction_low,
            correction_high=self.correction_high,
            off_policy=self.off_policy,
            entropy_from=entropy_from,
        )


def options_of(stage: GRPOStage) -> GRPOOptions:
    """The options that a stage asks for, complete.

    Raises:
        ValueError: See `GRPOOptions.resolved`.
    """
    return GRPOOptions(**{name: getattr(stage, name) for name in GRPOOptions.__slots__}).resolved()


def check_policies(stages: list[AnyStage]) -> None:
    """Refuse a recipe whose losses would be refused once their stage comes.

    Raises:
        ValueError: The message names the stage.
    """
    for stage in stages:
        if isinstance(stage, GRPOStage):
            try:
                options_of(stage)
            except ValueError as error:
                raise ValueError(f"Stage {stage.name}: {error}") from error
