"""What a recipe may say: the sections of a run, typed; an unknown key is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from medvlm.settings_base import Settings
from medvlm.stages import AnyStage, Baseline, FolderName
from medvlm.study import Repair

ProbeName = Literal["negation", "refusal", "errors"]
PLAIN: tuple[Baseline, ...] = ("majority", "position", "blank", "shuffled")
TAKEN = ("init", "model")  # folders of a run that are no stage's


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
    chat_template: str | None = None
    """``short`` or a Jinja file, for a decoder without a chat template; None takes the decoder's own."""
    vocabulary: Annotated[int, Field(ge=300)] = 1024
    """Size of a tokenizer that is trained here."""
    intensity: list[str] | None = None
    """Names of intensity recipes, tried in order; None takes the general list."""
    freeze: list[Literal["vision", "projector", "decoder"]] = Field(default_factory=list)
    """Parts that are not trained."""
    lora: dict[str, Any] | None = None
    """``parts``, ``rank``, ``alpha``, ``dropout``, ``method`` (lora, dora, rslora, rsdora, pissa, adalora) and
    ``also_train``: adapters on these parts, all else frozen; None: no adapters."""
    attention: Literal["eager", "sdpa", "flex_attention"] | None = None
    """How the decoder attends while it is trained; ``flex_attention`` (CUDA) skips what branches do not see."""
    quantize: Literal["4bit"] | None = None
    """``4bit``: adapters are trained over weights in 4 bits (QLoRA; CUDA and the ``qlora`` extra)."""
    prompt_tokens: Annotated[int, Field(ge=1)] | None = None
    """Learned tokens that every prompt begins with (prompt tuning), all else frozen; None: none."""

    @model_validator(mode="after")
    def _one_way_of_training(self) -> ModelSettings:
        if self.prompt_tokens is not None and (self.lora is not None or self.freeze):
            raise ValueError("prompt_tokens freezes all else: leave out lora and freeze")
        if self.quantize is not None and self.lora is None:
            raise ValueError("quantize=4bit: weights in 4 bits cannot be trained, say which adapters are (lora)")
        if self.quantize is not None and (self.lora or {}).get("method") in ("pissa", "dora", "rsdora"):
            raise ValueError("quantize=4bit: pissa and dora need the weights themselves; take lora, rslora or adalora")
        return self


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
    options: dict[str, Any] = Field(default_factory=dict)
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
    options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the set's loader; of a mixture, those that every part takes."""
    parts: list[PartSettings] = Field(default_factory=list)
    """Several sets in one stream, instead of ``set`` and ``root``."""
    rates: Path | None = None
    """JSON file ``{"id": pass rate}`` (``medvlm probe``) or a rollouts folder; kept are training questions with
    ``low < rate < high``. Of a mixture, each part has its own."""
    low: Annotated[float, Field(ge=0, le=1)] = 0.0
    high: Annotated[float, Field(ge=0, le=1)] = 1.0
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Of a mixture: 1 is proportional to size, a large one equal shares."""
    make: dict[str, Any] = Field(default_factory=dict)
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

    @model_validator(mode="after")
    def _rates_of_one_set(self) -> DataSettings:
        if self.rates is not None and self.parts:
            raise ValueError("rates are of one set: in a mixture, give each part its own (data.parts.0.rates)")
        if self.rates is not None and not self.low < self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self

    @property
    def name(self) -> str:
        """What the data is called in results: the set, or ``mixture``."""
        return "mixture" if self.parts else self.set

    @property
    def sets(self) -> list[str]:
        """Names of all sets that it reads."""
        return [part.set for part in self.parts] or [self.set]


class EvaluateSettings(Settings):
    """How the held-out split is scored."""

    split: Literal["validate", "test"] = "test"
    """Which split of the set is held out."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Most images; None takes all."""
    batch: Annotated[int, Field(ge=1)] = 64
    """Images answered together."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    baselines: list[Baseline] = Field(default_factory=lambda: [*PLAIN])
    """What must do worse; ``wrong`` (images of another kind) is one more, and asks the model all questions again."""
    probes: list[ProbeName] = Field(default_factory=list)
    """Further questions whose answers are tables of the score: ``negation``, ``refusal``, ``errors``."""
    protocol: str | None = None
    """Protocol by name; None takes the one of the set."""
    answering: str = "greedy"
    """``greedy``, ``letters``, ``texts``, ``vote:N``, ``pass:N``, ``refine:N`` or ``budget:MIN:MAX``."""
    temperature: Annotated[float, Field(gt=0)] | None = None
    """Of the draws; None takes 0.7 where answers are drawn."""
    shots: Annotated[int, Field(ge=0)] = 0
    """Answered training examples before each question."""
    orders: Annotated[int, Field(ge=1)] = 1
    """Orders in which the options of a choice are asked."""
    probabilities: bool = True
    """Whether greedy answers carry the probabilities of their options, for calibration."""


class TrainerSettings(Settings):
    """Where and how a run is executed."""

    accelerator: str = "auto"
    devices: int | str = 1
    """How many of a machine, their numbers ('0,1'), or ``auto``; they share the batch of a stage, whose losses are the
    same however many there are."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """Machines; the launcher (torchrun, SLURM) starts one process a device."""
    strategy: str = "auto"
    """``ddp`` (the model in every process; ``auto`` takes it for several devices), ``fsdp`` (each holds a share of
    weights, gradients and moments: FSDP2), or ``deepspeed_stage_1`` to ``_3`` (CUDA and the package)."""
    strategy_options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of Lightning's DeepSpeed strategy."""
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
