"""What a recipe may say of a stage: one class an objective, typed; an unknown key is an error."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Baseline = Literal["majority", "blank", "shuffled"]


class Settings(BaseModel):
    """Base of every section: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Stage(Settings):
    """What every stage has."""

    name: FolderName
    start: str | None = None
    """The earlier stage whose model this one starts from, or ``init``; None takes the one before."""
    steps: Annotated[int, Field(ge=1)] = 100
    """Batches; a batch is one optimiser step (``mu`` of them in GRPO)."""
    images: Annotated[int, Field(ge=1)] = 16
    """Images (contexts) a batch."""
    questions: Annotated[int, Field(ge=1)] = 8
    """Most questions of one image in one context."""
    lr: Annotated[float, Field(gt=0)] = 1e-5
    warmup: Annotated[int, Field(ge=0)] = 0
    """Batches over which the learning rate rises."""
    decay: Literal["cosine", "linear", "none"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    micro_tokens: Annotated[int, Field(ge=1)] = 16384
    """Most padded tokens in one forward pass; a batch is split, its gradient does not change."""
    where: dict[str, str] = {}
    """Keep training samples whose categories have these values."""
    kinds: list[str] | None = None
    """Keep training samples of these kinds of answer."""
    options: dict[str, Any] = {}
    """Keyword arguments of the set's loader, over those of the data section."""
    evaluate: bool = True
    """Whether the stage's model is scored on the test split."""
    protocol: str | None = None
    """Protocol by name; None takes that of the evaluate section."""
    baselines: list[Baseline] | None = None
    """What else is scored beside it; None takes those of the evaluate section."""


class SFTStage(Stage):
    """Supervised fine-tuning on reference answers."""

    objective: Literal["sft"]
    weak: bool = False
    """Whether to imitate the answers mined from reports instead of the verified ones."""


class RewardTerm(Settings):
    """What a recipe may say of one reward beside its weight."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    weight: float = 1.0
    gate: str | None = None
    """Another reward of the stage: where it earns nothing (0 or less), this one earns nothing either."""
    starts: Annotated[int, Field(ge=0, alias="from")] = 0
    """The first batch in which it counts."""
    until: Annotated[int, Field(ge=1)] | None = None
    """The batch at which its weight has become ``to``, in a straight line from ``from``."""
    to: float | None = None
    options: dict[str, Any] = {}
    """Keyword arguments of the reward function."""

    @model_validator(mode="after")
    def _check(self) -> RewardTerm:
        if (self.until is None) != (self.to is None):
            raise ValueError("a weight that changes needs both `until` (the batch) and `to` (the weight from then on)")
        if self.until is not None and self.until <= self.starts:
            raise ValueError(f"`until` ({self.until}) must come after `from` ({self.starts})")
        return self

    def weight_at(self, step: int) -> float:
        """The weight at a batch, counted from 0.

        Examples:
            >>> term = RewardTerm.model_validate({"weight": 1, "from": 10, "until": 20, "to": 0.5})
            >>> [term.weight_at(step) for step in (0, 10, 15, 99)]
            [0.0, 1.0, 0.75, 0.5]
        """
        if step < self.starts:
            return 0.0
        if self.until is None or self.to is None:
            return self.weight
        share = min((step - self.starts) / (self.until - self.starts), 1.0)
        return self.weight + share * (self.to - self.weight)


class GRPOStage(Stage):
    """Group relative policy optimisation on verified answers."""

    objective: Literal["grpo"]
    group: Annotated[int, Field(ge=2)] = 8
    """Completions a question (G)."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    rewards: dict[str, float | RewardTerm] = {"accuracy": 1.0, "format": 0.1}
    """Weight of each reward, by name or ``package.module:function``; or its weight, gate, schedule and options."""
    on_reward_error: Literal["stop", "skip"] = "stop"
    """Whether a reward that fails ends the run, or its completion is left out and counted."""
    scale: Literal["group", "batch", "none"] = "group"
    """What centred rewards are divided by."""
    aggregate: Literal["token", "sequence", "constant"] = "token"
    """Mean over the tokens of the batch (DAPO), over sequences of their means (GRPO), or over a constant (Dr. GRPO)."""
    clip_low: Annotated[float, Field(gt=0, lt=1)] = 0.2
    clip_high: Annotated[float, Field(gt=0)] = 0.28
    beta: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the KL to the reference (the stage's start, or the adapter switched off); 0 keeps no reference."""
    mu: Annotated[int, Field(ge=1)] = 1
    """Optimiser steps on one batch of rollouts."""
    mask_truncated: bool = False
    """Whether completions cut at the limit are left out of the loss."""


class ContrastiveStage(Stage):
    """Stage zero: images and their reports in one space, before any answer is imitated."""

    objective: Literal["contrastive"]
    images: Annotated[int, Field(ge=2)] = 64
    """Pairs a batch; each is the negative of all others, so that a larger batch is a harder task."""
    kinds: list[str] | None = ["report"]
    """Only reports are paired."""
    loss: Literal["clip", "siglip", "soft"] = "clip"
    """InfoNCE, pairwise sigmoid, or InfoNCE whose target is spread over reports with the same findings (MedCLIP)."""
    local: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the alignment of each sentence with the image tokens that it attends to; 0 leaves it out."""
    dim: Annotated[int, Field(ge=1)] = 128
    """Width of the shared space."""
    text: Literal["last", "mean"] = "last"
    """Whether a report is its last hidden state or the mean of all."""
    sharpness: Annotated[float, Field(gt=0)] = 10.0
    """Of the soft target: 1 is the paper's, a large one is InfoNCE."""


AnyStage = SFTStage | GRPOStage | ContrastiveStage
