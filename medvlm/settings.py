"""What a recipe may say: the sections of a run, typed; an unknown key is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from medvlm.study import Repair

FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
TAKEN = ("init", "model")  # folders of a run that are no stage's


class Settings(BaseModel):
    """Base of every section: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class ModelSettings(Settings):
    """Which model: a folder or hub id as it is (``source``), or parts to be composed."""

    source: str | None = None
    """Folder or hub id of a whole vision-language model; the parts below are then unused."""
    encoder: str | dict[str, Any] = "siglip_tiny"
    """Name of an encoder, folder or hub id, or a mapping with ``name`` and its options."""
    decoder: str | dict[str, Any] = Field(default_factory=lambda: {"model_type": "qwen3"})
    """Folder or hub id of a causal language model, or the numbers of one built from scratch."""
    projector: dict[str, Any] = Field(default_factory=lambda: {"kind": "mlp"})
    """``kind`` and its options."""
    compressor: dict[str, Any] | None = None
    """How the slices of a volume become a fixed number of tokens; None for a model of 2D images."""
    volume_encoder: str | dict[str, Any] | None = None
    """A 3D encoder of volumes beside ``encoder``; None lets their slices pass ``encoder`` one by one."""
    tokenizer: str | None = None
    """Folder or hub id; None takes the decoder's own, or trains one on the texts of the training set."""
    vocabulary: Annotated[int, Field(ge=300)] = 1024
    """Size of a tokenizer that is trained here."""
    intensity: list[str] | None = None
    """Names of intensity recipes, tried in order; None takes the general list."""
    freeze: list[Literal["vision", "projector", "decoder"]] = []
    """Parts that are not trained."""
    lora: dict[str, Any] | None = None
    """``parts``, ``rank``, ``alpha``, ``dropout``, ``method`` (lora, dora, rslora, pissa), ``also_train``: adapters on
    these parts, all else frozen; None: no adapters."""


class PartSettings(Settings):
    """One set of a mixture."""

    set: str
    """Name of a set."""
    root: Path
    """Its folder."""
    name: str = ""
    """Prefix of its sample ids; the set's name if empty."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    cap: Annotated[int, Field(ge=1)] | None = None
    """Most groups (images with their questions) of it in an epoch."""
    options: dict[str, Any] = {}
    """Keyword arguments of the set's loader."""
    rates: Path | None = None
    """JSON file ``{"id": pass rate}`` or a rollouts folder; kept are training questions with ``low < rate < high``."""
    low: Annotated[float, Field(ge=0, le=1)] = 0.0
    high: Annotated[float, Field(ge=0, le=1)] = 1.0


class DataSettings(Settings):
    """Which set and where it is, or several sets and how they are mixed."""

    set: str = "thorax"
    """Name of a set."""
    root: Path | None = None
    """Its folder; the phantoms make theirs when it is absent."""
    options: dict[str, Any] = {}
    """Keyword arguments of the set's loader; of a mixture, those that every part takes."""
    parts: list[PartSettings] = []
    """Several sets in one stream, instead of ``set`` and ``root``."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Of a mixture: 1 is proportional to size, a large one equal shares."""
    make: dict[str, Any] = {}
    """For phantoms: how many patients, which seed, which size."""
    cache_gb: Annotated[float, Field(ge=0)] = 2.0
    """Memory for prepared pixels."""
    modality: str | None = None
    """DICOM modality of files that cannot say it (NIfTI), where the set does not say it either."""
    repair: Repair = False
    """Whether irregular series are resampled instead of refused: by ourselves, or by ``dcm2niix``."""
    cache: Path | None = None
    """Folder where prepared pixels are also kept, for later epochs and runs; several runs may share it."""
    cache_disk_gb: Annotated[float, Field(gt=0)] = 50.0
    """Most that the folder may hold; what was used longest ago goes first."""
    decode: Literal["full", "fit"] = "full"
    """``fit`` decodes compressed planes at the size that the model needs, within a stated tolerance."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that read images."""
    augment: bool = False
    """Gentle 2D augmentation of training images (no mirror: sides matter)."""

    @property
    def name(self) -> str:
        """What the data is called in results: the set, or ``mixture``."""
        return "mixture" if self.parts else self.set

    @property
    def sets(self) -> list[str]:
        """Names of all sets that it reads."""
        return [part.set for part in self.parts] or [self.set]


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
    baselines: list[Literal["majority", "blank", "shuffled"]] | None = None
    """What else is scored beside it; None takes those of the evaluate section."""


class SFTStage(Stage):
    """Supervised fine-tuning on reference answers."""

    objective: Literal["sft"]
    weak: bool = False
    """Whether to imitate the answers mined from reports instead of the verified ones."""


class GRPOStage(Stage):
    """Group relative policy optimisation on verified answers."""

    objective: Literal["grpo"]
    group: Annotated[int, Field(ge=2)] = 8
    """Completions a question (G)."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    rewards: dict[str, float] = {"accuracy": 1.0, "format": 0.1}
    """Weight of each reward, by name or ``package.module:function``."""
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


class EvaluateSettings(Settings):
    """How the held-out split is scored."""

    split: Literal["validate", "test"] = "test"
    """Which split of the set is held out."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Most images; None takes all."""
    batch: Annotated[int, Field(ge=1)] = 64
    """Images answered together."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    baselines: list[Literal["majority", "blank", "shuffled"]] = ["majority", "blank", "shuffled"]
    protocol: str | None = None
    """Protocol by name; None takes the one of the set."""


class TrainerSettings(Settings):
    """Where and how a run is executed."""

    accelerator: str = "auto"
    devices: int | str = 1
    strategy: str = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true"] = "32-true"
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads of torch; None leaves its default."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Memory of one device in GiB; ``--dry-run`` then says what does not fit."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 50
    """Batches between checkpoints; a killed run goes on from the last one."""
    log_every: Annotated[int, Field(ge=1)] = 1
    progress: bool = True
    tensorboard: bool = True
    wandb: str | None = None
    """W&B project; needs the ``wandb`` extra."""


class Recipe(Settings):
    """One run: data, a model and a list of stages."""

    name: FolderName
    purpose: str
    """One line for the list of recipes."""
    seed: int = 0
    output: Path = Path("checkpoints")
    """The run's folder is ``output/name``."""
    reasoning: bool = False
    """Whether answers carry their reasoning between tags."""
    note: str = ""
    """What a reader of the results must know; printed with them."""
    model: ModelSettings = ModelSettings()
    data: DataSettings = DataSettings()
    stages: Annotated[list[Annotated[AnyStage, Field(discriminator="objective")]], Field(min_length=1)]
    evaluate: EvaluateSettings = EvaluateSettings()
    trainer: TrainerSettings = TrainerSettings()
    reports: Annotated[int, Field(ge=0)] = 0
    """Studies of the test split that the last stage's model reports on at the end."""

    @property
    def folder(self) -> Path:
        """Where the run leaves everything."""
        return self.output / self.name

    @model_validator(mode="after")
    def _stages_start_from_earlier_ones(self) -> Recipe:
        seen: list[str] = []
        for stage in self.stages:
            if stage.name in seen:
                raise ValueError(f"two stages are called {stage.name!r}")
            if stage.name in TAKEN:
                raise ValueError(f"no stage can be called {stage.name!r}: the run has a folder of that name")
            if stage.start not in (None, "init", *seen):
                raise ValueError(f"stage {stage.name!r} starts from {stage.start!r}, which is no earlier stage {seen}")
            seen.append(stage.name)
        return self
