"""A small head that says of each step of a reasoning whether it holds, from the decoder's states at the steps' ends.

Med-PRM (Yun et al. 2025, arXiv 2506.11474) trains a language model to verify steps against guidelines; here a linear
map on a frozen decoder does, trained on labels such as `medvlm.evaluation.steps.step_labels` mines from reports. It
reads text alone: the question and the steps so far. What it learned is saved beside the weights of its model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from medvlm.heads import TextIds, model_width, text_states
from medvlm.study import WeightsError

FILE = "steps.safetensors"
"""File beside a model's weights that holds its step head."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Steps of an answer.

    Attributes:
        question: What was asked.
        steps: In order.
        labels: Whether each holds; empty where nobody said.
    """

    question: str
    steps: tuple[str, ...]
    labels: tuple[bool, ...] = ()


class StepHead(nn.Module):
    """One number a state: the log-odds that a step holds; 0 before training.

    Args:
        width: Of the decoder.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.score = nn.LayerNorm(width), nn.Linear(width, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Log-odds ``(S,)`` of states ``(S, width)``."""
        scores: Tensor = self.score(self.norm(states.float()))
        return scores.squeeze(-1)


def step_ids(tokenizer: Any, reasoning: Reasoning) -> TextIds:
    """Tokens of a question and its steps, and where each step stands among them.

    Args:
        tokenizer: The decoder's.
        reasoning: At least one step.

    Raises:
        ValueError: If there is no step, or one is empty.
    """
    if not reasoning.steps or not all(step.strip() for step in reasoning.steps):
        raise ValueError(f"steps {list(reasoning.steps)}: expected at least one, and none empty")
    ids = [] if tokenizer.bos_token_id is None else [int(tokenizer.bos_token_id)]
    ids += tokenizer(reasoning.question, add_special_tokens=False)["input_ids"]
    spans = []
    for step in reasoning.steps:
        first = len(ids)
        ids += tokenizer(f" {step.strip()}", add_special_tokens=False)["input_ids"]
        spans.append((first, len(ids)))
    return TextIds(tuple(ids), tuple(spans))


@torch.no_grad()
def step_states(model: Any, tokenizer: Any, reasonings: Sequence[Reasoning], batch: int = 16) -> list[Tensor]:
    """State of the decoder at the end of each step, ``(S, width)`` a reasoning; a step sees those before it only.

    Args:
        model: A composed model or any Hugging Face one with a decoder.
        tokenizer: Its tokenizer.
        reasonings: Questions with steps.
        batch: How many go through together.
    """
    found: list[Tensor] = []
    for start in range(0, len(reasonings), batch):
        texts = [step_ids(tokenizer, reasoning) for reasoning in reasonings[start : start + batch]]
        states = text_states(model, texts, tokenizer.pad_token_id or 0)
        found += [
            rows[[end - 1 for _, end in text.sentences]].float() for rows, text in zip(states, texts, strict=True)
        ]
    return found


def train_step_head(
    model: Any,
    tokenizer: Any,
    reasonings: Sequence[Reasoning],
    *,
    steps: int = 200,
    lr: float = 1e-2,
    decay: float = 1e-2,
) -> tuple[StepHead, float]:
    """Train a head on labelled steps; the decoder stays as it is and reads each reasoning once.

    Args:
        model: See `step_states`.
        tokenizer: Its tokenizer.
        reasonings: With a label a step.
        steps: Steps of the optimiser, each over all reasonings.
        lr: Learning rate.
        decay: Weight decay.

    Returns:
        The head, and the cross-entropy at the end (0.69 is chance).

    Raises:
        ValueError: If a step has no label, or all labels are the same.
    """
    if wrong := [one for one in reasonings if len(one.labels) != len(one.steps)]:
        raise ValueError(f"{len(wrong[0].steps)} steps have {len(wrong[0].labels)} labels: {wrong[0].steps[:1]}...")
    labels = torch.tensor([float(label) for one in reasonings for label in one.labels])
    if len(set(labels.tolist())) < 2:
        raise ValueError(f"all {len(labels)} steps have the same label; a head learns from steps that hold and others")
    states = torch.cat(step_states(model, tokenizer, reasonings))
    labels = labels.to(states.device)
    head = StepHead(model_width(model)).to(states.device)
    optimizer = torch.optim.AdamW(head.parameters(), lr=lr, weight_decay=decay)
    loss = binary_cross_entropy_with_logits(head(states), labels)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = binary_cross_entropy_with_logits(head(states), labels)
        torch.autograd.backward(loss)
        optimizer.step()
    return head.eval(), float(loss.detach())


@torch.no_grad()
def step_probabilities(
    head: StepHead, model: Any, tokenizer: Any, reasonings: Sequence[Reasoning]
) -> list[list[float]]:
    """Probability that each step holds.

    Args:
        head: What was trained.
        model: The model with which it was.
        tokenizer: Its tokenizer.
        reasonings: Questions with steps.
    """
    return [head(states).sigmoid().tolist() for states in step_states(model, tokenizer, reasonings)]


def save_step_head(head: StepHead, folder: Path) -> None:
    """Write a head beside a model's weights."""
    save_file({name: value.detach().cpu().contiguous() for name, value in head.state_dict().items()}, folder / FILE)


def load_step_head(folder: Path | str, model: Any) -> StepHead:
    """Read the head that was trained with a model.

    Args:
        folder: Of the model.
        model: Which model will use it; its width is compared.

    Raises:
        WeightsError: If there is none, the file is damaged, or belongs to another model.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise WeightsError(
            f"{folder} has no {FILE}: train a head (medvlm.step_head.train_step_head) and save it there."
        )
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged: {error}") from None
    head = StepHead(model_width(model))
    try:
        head.load_state_dict(weights)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit a decoder of width {model_width(model)}: {error}") from None
    return head.eval()
