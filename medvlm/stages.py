"""What a recipe may say of a stage: one class an objective, typed; an unknown key is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, model_validator

from medvlm.settings_base import Settings
from medvlm.validation import ValidateSettings

FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Baseline = Literal["majority", "position", "blank", "shuffled", "wrong"]
Corruption = Literal["side", "added", "denied", "size", "other"]


PolicyLoss = Literal[
    "grpo",
    "dr_grpo",
    "dapo",
    "bnpo",
    "gspo",
    "gspo_token",
    "cispo",
    "sapo",
    "rloo",
    "reinforce_pp",
    "reinforce_pp_baseline",
    "luspo",
    "vespo",
]


class Stage(Settings):
    """What every stage has."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    name: FolderName
    start: str | None = None
    """The earlier stage whose model this one starts from, or ``init``; None takes the one before."""
    steps: Annotated[int, Field(ge=1)] = 100
    """Batches; a batch is one optimiser step (``mu`` x ``minibatches`` of them in GRPO)."""
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
    where: dict[str, str] = Field(default_factory=dict)
    """Keep training samples whose categories have these values."""
    kinds: list[str] | None = None
    """Keep training samples of these kinds of answer."""
    order: Literal["random", "easy_first", "hard_first"] = "random"
    """Of training questions over the steps, by their pass rates (``data.rates``)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the set's loader, over those of the data section."""
    evaluate: bool = True
    """Whether the stage's model is scored on the test split."""
    protocol: str | None = None
    """Protocol by name; None takes that of the evaluate section."""
    baselines: list[Baseline] | None = None
    """What else is scored beside it; None takes those of the evaluate section."""
    validation: Annotated[ValidateSettings | None, Field(alias="validate")] = None
    """Scores the model while it is trained, and chooses its weights; None does neither."""


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
    options: dict[str, Any] = Field(default_factory=dict)
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


class RolloutServer(Settings):
    """A vLLM server, in its own environment, that samples instead of the trainer; for native models."""

    url: Annotated[str, Field(pattern=r"^https?://[^/]+(/.*[^/])?$")]
    """``http://host:port``."""
    timeout: Annotated[float, Field(gt=0)] = 240.0
    """Seconds until a request is given up."""
    tries: Annotated[int, Field(ge=1)] = 4
    """Attempts at a request that meets no server, or a passing trouble."""


class GRPOStage(Stage):
    """Group relative policy optimisation on verified answers."""

    objective: Literal["grpo"]
    group: Annotated[int, Field(ge=2)] = 8
    """Completions a question (G)."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    rollouts: RolloutServer | None = None
    """A server that samples the completions; None samples them here."""
    rewards: dict[str, float | RewardTerm] = Field(default={"accuracy": 1.0, "format": 0.1})
    """Weight of each reward, by name or ``package.module:function``; or its weight, gate, schedule and options."""
    on_reward_error: Literal["stop", "skip"] = "stop"
    """Whether a reward that fails ends the run, or its completion is left out and counted."""
    loss: PolicyLoss = "dapo"
    """The objective; what is None below is as this one has it (``medvlm.training.policy``, one file each)."""
    loss_options: dict[str, float] = Field(default_factory=dict)
    """Numbers that only this loss has, such as ``tau_negative`` of sapo."""
    scale: Literal["group", "batch", "none"] | None = None
    """What centred rewards are divided by."""
    normalise: Literal["together", "apart"] = "together"
    """Whether several rewards are summed and then compared, or each is compared in its group first (GDPO)."""
    aggregate: Literal["token", "sequence", "sum", "constant", "micro"] | None = None
    """Mean over tokens (DAPO), over sequences of their means (GRPO) or sums, over a constant (Dr. GRPO), or BNPO's."""
    ratio: Literal["token", "sequence", "sequence_token", "product"] | None = None
    """What the importance ratio is taken over."""
    clip_low: Annotated[float, Field(gt=0, lt=1)] | None = None
    clip_high: Annotated[float, Field(gt=0)] | None = None
    """Distance from 1; in cispo the cap itself."""
    delta: Annotated[float, Field(gt=1)] | None = None
    """Most that the ratio counts where it is not clipped (two-sided clipping)."""
    dual: Annotated[float, Field(gt=1)] | None = None
    """Most that a token of a bad answer costs, in advantages (dual clip)."""
    beta: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the KL to the reference; 0 keeps no reference."""
    kl: Literal["k1", "k2", "k3", "corrected"] = "corrected"
    """Its estimator; ``corrected`` alone has the value and the gradient of the KL."""
    kl_place: Literal["loss", "reward"] | None = None
    """Whether the KL is a part of the loss or taken from the reward (as ``k1``, whatever the estimator)."""
    reference: Literal["start", "copy"] = "start"
    """The stage's start with adapters switched off where that is possible, or always a copy of it."""
    reference_every: Annotated[int, Field(ge=0)] = 0
    """Batches after which the reference follows the policy (it is a copy then); 0 leaves it where it is."""
    reference_mix: Annotated[float, Field(gt=0, le=1)] = 0.6
    """How far it follows: this share of the policy's weights."""
    entropy_bonus: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the mean entropy, which is subtracted from the loss."""
    entropy_target: Annotated[float, Field(gt=0)] | None = None
    """Entropy below which the bonus acts and grows; above it shrinks. None leaves its weight alone."""
    entropy_quantile: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the tokens, those of highest entropy, whose policy is learned from; costs a forward pass."""
    correction: Literal["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"] | None = None
    """Weights for what sampler and trainer disagree on; completions sampled here need none."""
    correction_low: Annotated[float, Field(ge=0)] | None = None
    correction_high: Annotated[float, Field(gt=0)] | None = 3.0
    """Bounds of these weights."""
    off_policy: float | None = None
    """Bad answers are left out once the policy has moved away from them by more than this (DeepSeek-V3.2)."""
    mask_truncated: bool = False
    """Whether completions cut at the limit are left out of the loss."""
    mu: Annotated[int, Field(ge=1)] = 1
    """Passes over one batch of rollouts."""
    minibatches: Annotated[int, Field(ge=1)] = 1
    """Optimiser steps of a pass, each on its share of the contexts; more than one costs a forward pass."""
    resample: Annotated[int, Field(ge=0)] = 0
    """Times that questions whose answers all earned the same are asked again (dynamic sampling)."""
    flat: Literal["count", "drop"] = "count"
    """Whether groups without variance count in the mean."""

    @model_validator(mode="after")
    def _shares(self) -> GRPOStage:
        if self.minibatches > self.images:
            raise ValueError(
                f"minibatches ({self.minibatches}) share the contexts of a batch: at most images ({self.images})"
            )
        return self


class ContrastiveStage(Stage):
    """Stage zero: images and their reports in one space, before any answer is imitated."""

    objective: Literal["contrastive"]
    images: Annotated[int, Field(ge=2)] = 64
    """Pairs a batch; each is the negative of all others, so that a larger batch is a harder task."""
    kinds: list[str] | None = Field(default_factory=lambda: ["report"])
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

    @model_validator(mode="after")
    def _asks_nothing(self) -> ContrastiveStage:
        if self.validation is not None:
            raise ValueError("validate asks questions, and a contrastive stage learns to answer none: leave it out")
        return self


class PairSettings(Settings):
    """Where the pairs of a preference stage come from; they are kept in the stage's ``pairs.jsonl``."""

    source: Literal["corrupted", "sampled", "rollouts", "file", "data"] = "corrupted"
    """The reference report against itself made wrong; the best against the worst of answers that the stage's start
    samples, or that an earlier run sampled (``rollouts``); a file of pairs of this set; or the samples themselves, if
    they have ``chosen`` and ``rejected`` (``data``)."""
    path: Path | None = None
    """Of ``file``: the pairs; of ``rollouts``: the folder of a GRPO stage's rollouts."""
    how: list[Corruption] = Field(default_factory=lambda: list(get_args(Corruption)))
    """How reports are made wrong: side swapped, finding added or denied, size changed, somebody else's report."""
    each: Annotated[int, Field(ge=1)] = 1
    """Most pairs of a report, each by another corruption."""
    answers: Annotated[int, Field(ge=2)] = 4
    """Answers that are sampled for a question."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    limit: Annotated[int, Field(ge=1)] | None = None
    """Most questions that are sampled for; None takes all."""
    rewards: dict[str, float | RewardTerm] = Field(default={"finding_f1": 1.0})
    """What scores sampled answers, by name or ``package.module:function``."""
    chosen: Literal["best", "reference"] = "best"
    """Whether the best of the sampled answers is chosen, or the reference answer; the worst one is rejected."""
    by: str = "reward"
    """What ranks the answers of a rollouts folder: the total reward, or a part by name."""
    margin: Annotated[float, Field(gt=0)] = 0.1
    """Least difference of two scores; ties are dropped."""
    shortest: Annotated[float, Field(ge=0)] = 0.8
    """Least length of the chosen answer over that of the rejected one."""
    longest: Annotated[float, Field(gt=0)] = 1.25

    @model_validator(mode="after")
    def _check(self) -> PairSettings:
        if (self.source in ("file", "rollouts")) != (self.path is not None):
            raise ValueError(f"pairs.source={self.source} and pairs.path={self.path}: file and rollouts need a path")
        if self.chosen == "reference" and self.source != "sampled":
            raise ValueError(f"pairs.chosen=reference is for pairs.source=sampled, not {self.source}")
        return self


class PreferenceStage(Stage):
    """Preference learning: of two answers to a question, the better one gains on the worse one."""

    objective: Literal["preference"]
    loss: Literal["dpo", "rpo", "ipo", "simpo", "orpo", "cpo", "kto"] = "dpo"
    beta: Annotated[float, Field(gt=0)] | None = None
    """Scale of the implicit reward; None takes the usual one of the loss."""
    alpha: Annotated[float, Field(ge=0)] | None = None
    """Weight of the negative log-likelihood of the chosen answers; None takes the usual one (1 for RPO, ORPO and CPO,
    else 0)."""
    gamma: Annotated[float, Field(ge=0)] = 1.375
    """Margin of SimPO."""
    smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of pairs that DPO, RPO and CPO believe to be the wrong way round."""
    weight_good: Annotated[float, Field(gt=0)] = 1.0
    """Weight of wanted answers in KTO."""
    weight_bad: Annotated[float, Field(gt=0)] = 1.0
    reference: Literal["live", "once"] = "live"
    """Whether the reference is asked at every step, or once for all pairs before the first: then no copy of the model
    is kept, and images cannot be augmented."""
    pairs: PairSettings = PairSettings()

    @model_validator(mode="after")
    def _check(self) -> PreferenceStage:
        if self.reference == "once" and self.loss == "kto":
            raise ValueError("reference=once: KTO asks the reference about other answers at every step; take live")
        return self


AnyStage = SFTStage | GRPOStage | ContrastiveStage | PreferenceStage
