"""What the learning bench does with one run: train a recipe, answer a test set, keep both and do neither twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medvlm.config import load_config
from medvlm.datamodules.sets.phantom import load_thorax, make_phantom
from medvlm.evaluation.protocols import get_protocol
from medvlm.evaluation.records import Record, read_records
from medvlm.evaluation.runner import evaluate
from medvlm.files import write_whole
from medvlm.generation.engine import Engine
from medvlm.models import load_vlm
from medvlm.settings import Recipe
from medvlm.stages import AnyStage
from medvlm.study import Sample
from medvlm.training.run import pixel_cache, prepare, train_stage

THREADS = 1
TINY = (
    "data.make={patients: 60, size: 32}",
    "model.encoder={name: siglip_tiny, image_size: 32, patch_size: 8, width: 32, layers: 1}",
    "model.decoder={model_type: qwen3, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, "
    "num_attention_heads: 2, num_key_value_heads: 1, head_dim: 16, tie_word_embeddings: true}",
)
"""Overrides with which a run of any part ends within seconds and learns nothing: for tests."""


@dataclass(frozen=True, slots=True)
class TestSet:
    """A phantom root that is answered.

    Attributes:
        name: What it is called in tables and folders.
        make: What makes its root.
        options: Of the set's loader.
        about: In words.
    """

    __test__ = False

    name: str
    make: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where everything is kept, and how large it is.

    Attributes:
        work: Folder of runs, roots, answers and tables.
        quick: Whether everything is tiny.
        patients: The first so many of the cohort are made for test sets, and those held out among them answered.
    """

    work: Path
    quick: bool = False
    patients: int = 1200

    @property
    def root(self) -> Path:
        """The radiographs that everything is trained on."""
        return self.work / "data" / "thorax"

    def recipe(self, config: str, seed: int, *overrides: str, place: str | None = None) -> Recipe:
        """A shipped recipe, its run at ``work/PLACE/seedN``.

        Args:
            config: Name of the recipe.
            seed: Of the run.
            *overrides: Further settings.
            place: Folder of its runs; the recipe's name where None.
        """
        output = self.work / (place or config) / f"seed{seed}"
        common = [f"seed={seed}", f"output={output}", "reports=0", f"trainer.threads={THREADS}"]
        common += ["trainer.progress=false", "trainer.tensorboard=false"]
        recipe = load_config(config, [*common, *(TINY if self.quick else ()), *overrides])
        if recipe.data.set == "thorax" and recipe.data.root is None and "modality" not in recipe.data.make:
            recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"root": self.root})})
        return recipe.model_copy(update={"stages": [self._short(stage) for stage in recipe.stages]})

    def _short(self, stage: AnyStage) -> AnyStage:
        if not self.quick:
            return stage
        few = {"steps": 1, "images": 4, "micro_tokens": 4096}
        return stage.model_copy(update={**few, "max_new_tokens": 4} if stage.objective == "grpo" else few)

    def train(self, recipe: Recipe, *, last: str | None = None) -> Path:
        """Train the stages of a recipe that are not trained yet, and return the run's folder.

        Args:
            recipe: Of the run.
            last: The stage after which to stop; None trains all.
        """
        names = [stage.name for stage in recipe.stages]
        stages = recipe.stages[: names.index(last or names[-1]) + 1]
        if not all((recipe.folder / stage.name / "model").is_dir() for stage in stages):
            run = prepare(recipe)
            for stage in stages:
                print(f"training {recipe.folder}: {stage.name}", flush=True)
                train_stage(run, stage)
        return recipe.folder

    def root_of(self, test: TestSet) -> Path:
        """The root of a test set, made if it is absent; that of training where the set names no other."""
        if not test.make:
            return self.root
        small: dict[str, Any] = {"patients": 60, "size": 32} if self.quick else {"patients": self.patients}
        return make_phantom("thorax", self.work / "data" / f"thorax_{test.name}", **small, **test.make)

    def samples(self, test: TestSet, kinds: Sequence[str], limit: int | None = None) -> list[Sample]:
        """Questions of held-out patients.

        Args:
            test: Of which set.
            kinds: Forms of answer.
            limit: Most images.
        """
        loaded = load_thorax(self.root_of(test), "test", kinds=list(kinds), **{"per_image": 6, **test.options})
        found = [sample for sample in loaded if int(sample.group.rpartition("-")[2]) < self.patients]
        images = list(dict.fromkeys(sample.images for sample in found))[: 4 if self.quick else limit]
        return [sample for sample in found if sample.images in set(images)]

    def answers(
        self,
        model: Path,
        test: TestSet,
        kinds: Sequence[str],
        path: Path,
        *,
        limit: int | None = None,
        reasoning: bool = True,
    ) -> list[Record]:
        """What a model answers; kept in ``path`` and not asked again.

        Args:
            model: Folder of the model.
            test: Which images.
            kinds: Forms of answer.
            path: A JSONL file.
            limit: Most images.
            reasoning: Whether reasoning is asked for.
        """
        done = path.with_suffix(".done")
        if not done.is_file():
            print(f"answering {path}", flush=True)
            loaded, processor = load_vlm(model)
            data = self.recipe("cxr_r1", 0).data
            evaluate(
                Engine(loaded, processor, reasoning=reasoning),
                self.samples(test, kinds, limit),
                pixel_cache(data, processor.image_processor),
                get_protocol("thorax"),
                path,
                batch=128,
                max_new_tokens=4 if self.quick else 96,
            )
            write_whole(done, "")
        return read_records(path)
