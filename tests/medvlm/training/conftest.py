"""Batches of a few questions, and a real trainer that runs one objective over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.utils.data import DataLoader

from medvlm.generation.engine import Ask
from medvlm.generation.prompts import Prompter
from medvlm.study import ImageRef, Sample
from medvlm.training.grpo import GRPO, GRPOOptions
from medvlm.training.objective import Objective
from medvlm.training.rewards import REWARDS
from medvlm.training.rollouts import Rollout
from medvlm.training.run import prepare, train_stage
from medvlm.training.step import Schedule

Curve = list[dict[str, float]]


class Recorder(Callback):
    """What was logged at each batch."""

    def __init__(self) -> None:
        self.curve: Curve = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *unused: Any) -> None:
        self.curve.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def question(ask: int, index: int, images: tuple[ImageRef, ...]) -> Sample:
    sides = ("left", "right", "left lung", "no side")[: 2 + index]
    answer = sides[(ask + index) % len(sides)]
    text = ["Is there a nodule?", "On which side is the pleural effusion?", "Where?"][index]
    extra: dict[str, Any] = {"rationale": f"lung {ask}", "weak_answer": sides[0], "extra": {"weak_rationale": "seen"}}
    return Sample(f"{ask}-{index}", images, text, answer, "choice", options=sides, **extra)


@pytest.fixture
def batch() -> list[Ask]:
    """Four contexts of 1, 3, 2 and 1 questions; the third shows two images."""
    draw = torch.Generator().manual_seed(3)
    asks = []
    for ask, (questions, shown) in enumerate([(1, 1), (3, 1), (2, 2), (1, 1)]):
        images = tuple(ImageRef(Path(f"{ask}{place}.png")) for place in range(shown))
        pixels = tuple(torch.randn(3, 32, 32, generator=draw) for _ in images)
        asks.append(Ask(pixels, tuple(question(ask, index, images) for index in range(questions))))
    return asks


@pytest.fixture
def fit() -> Callable[..., Curve]:
    """Train a module on batches, one step each (``mu`` in GRPO), and return what it logged."""

    def run(module: Any, batches: Sequence[Sequence[Ask]]) -> Curve:
        recorder = Recorder()
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=1,
            logger=False,
            callbacks=[recorder],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        loader: Any = DataLoader(list(batches), batch_size=None, collate_fn=lambda item: item)  # type: ignore[arg-type]
        trainer.fit(module, loader)
        return recorder.curve

    return run


@pytest.fixture
def gradients() -> Callable[[Any], dict[str, Tensor]]:
    """Gradients that a model holds, by name."""

    def read(model: Any) -> dict[str, Tensor]:
        found = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
        return {name: grad.clone() for name, grad in found.items()}

    return read


@pytest.fixture
def same_gradients() -> Callable[[dict[str, Tensor], dict[str, Tensor]], None]:
    """Assert that two sets of gradients are equal up to fp32 sums in another order, and not all zero."""

    def compare(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
        assert found.keys() == wanted.keys()
        assert max(float(grad.abs().max()) for grad in wanted.values()) > 1e-4
        for name, grad in found.items():
            scale = max(1.0, float(wanted[name].abs().max()))
            torch.testing.assert_close(grad, wanted[name], atol=1e-6 * scale, rtol=1e-4, msg=f"{name}: {scale=}")

    return compare


def letters(completions: Sequence[str], **columns: Any) -> list[float | None]:
    """A reward that differs within nearly every group of random text."""
    return [(sum(map(ord, text)) % 7) / 7 for text in completions]


def constant(completions: Sequence[str], **columns: Any) -> list[float | None]:
    return [0.25] * len(completions)


def short(completions: Sequence[str], **columns: Any) -> list[float | None]:
    return [1.0]


def abstains(completions: Sequence[str], **columns: Any) -> list[float | None]:
    return [None] * len(completions)


def rare(completions: Sequence[str], **columns: Any) -> list[float | None]:
    """A reward that few completions earn."""
    return [float(sum(map(ord, text)) % 5 == 0) for text in completions]


@pytest.fixture
def grpo(monkeypatch: pytest.MonkeyPatch) -> Callable[..., GRPO]:
    """Make a module with a toy reward; many tokens end an answer, so that random text has different lengths."""
    for reward in (letters, constant, short, abstains, rare):
        monkeypatch.setitem(REWARDS, reward.__name__, reward)
    stop = property(lambda self: [self.processor.tokenizer.eos_token_id, *range(60, 160)])
    monkeypatch.setattr(Prompter, "stop", stop)

    def make(tiny: Any, reward: str = "letters", *, kind: type[GRPO] = GRPO, lr: float = 0.0, **options: Any) -> GRPO:
        schedule = Schedule(lr=lr, steps=10, clip_norm=1.0 if lr else 1e9, decay="none")
        others = {name: options.pop(name) for name in ("log", "micro_tokens", "seed") if name in options}
        numbers = replace(GRPOOptions(group=4, max_new_tokens=6, temperature=1.3), **options)
        return kind(*tiny, schedule, rewards={reward: 1.0}, options=numbers, **others)

    return make


@pytest.fixture
def plain_logps() -> Callable[..., Tensor]:
    """Log-probabilities of one completion by the model's own forward of one row."""

    def compute(module: GRPO, ask: Ask, rollout: Rollout, model: Any = None) -> Tensor:
        prompt, tokens = module.prompter.prompt(rollout.sample), list(rollout.completion.tokens)
        ids = torch.tensor([prompt + tokens])
        scores = (model or module.model)(input_ids=ids, pixel_values=torch.stack(ask.images)).logits[0].float()
        logps = (scores / module.options.temperature).log_softmax(-1)
        chosen: Tensor = logps[len(prompt) - 1 : -1].gather(1, torch.tensor(tokens)[:, None])[:, 0]
        return chosen

    return compute


@pytest.fixture
def answered() -> Callable[..., list[tuple[Ask, Rollout]]]:
    """Each rollout with the ask that it answers."""

    def join(batch: Sequence[Ask], rollouts: Sequence[Rollout]) -> list[tuple[Ask, Rollout]]:
        asks = {question.id: ask for ask in batch for question in ask.questions}
        return [(asks[rollout.sample.id], rollout) for rollout in rollouts]

    return join


@pytest.fixture
def break_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets a batch fail from now on, as a lost GPU would: its optimiser step, or (``learn``) all of it."""

    def breaking(step: int, method: str = "_update", patch: pytest.MonkeyPatch = monkeypatch) -> None:
        whole = getattr(Objective, method)

        def failing(module: Objective, *args: Any) -> None:
            if module.batches_done == step:
                raise RuntimeError("lost the GPU")
            whole(module, *args)

        patch.setattr(Objective, method, failing)

    return breaking


@pytest.fixture
def train_until(monkeypatch: pytest.MonkeyPatch, break_at: Callable[..., None]) -> Callable[..., None]:
    """Trains the first stage of a recipe until a batch fails; afterwards nothing fails any more."""

    def training(recipe: Any, step: int, method: str = "_update") -> None:
        with monkeypatch.context() as patch:
            break_at(step, method, patch)
            prepared = prepare(recipe)
            with pytest.raises(RuntimeError, match="lost the GPU"):
                train_stage(prepared, recipe.stages[0])

    return training
