"""The two sides of the evaluation bench: medvlm's examination, and transformers' ``generate`` over pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medvlm.evaluation.examination import Examination, Settings
from medvlm.evaluation.protocols import get_protocol
from medvlm.evaluation.runner import plain_loop
from medvlm.generation.engine import Engine
from medvlm.generation.prompts import Prompter
from medvlm.study import Sample
from tools.bench.evaluate_task import Task
from tools.bench.machine import Clock, Spent

TIE = 1e-4


def examine(task: Task, path: Path, batch: int) -> list[str]:
    """Answers as ``tools/evaluate.py`` asks for them: graded, and every record on disk.

    Args:
        task: Model and questions.
        path: Of the records; a new one.
        batch: Images answered together.
    """
    engine = Engine(task.model, task.processor)
    settings = Settings(batch=batch, max_new_tokens=task.answer, model_key="bench")

    def pixels(image: Any) -> Tensor:
        found: Tensor = task.processor.image_processor.pixels(task.images[image])
        return found

    with Examination(engine, task.samples, pixels, get_protocol("jsonl"), path, settings) as examination:
        plain_loop(examination)
        return [record.text for record in examination.latest()]


class Pairs:
    """One question-image pair a row, through the model's own processor and ``generate``.

    Args:
        task: Model and questions.
        batch: Pairs of a batch.
    """

    def __init__(self, task: Task, batch: int) -> None:
        self.task, self.batch = task, batch
        self.prompter = Prompter(task.processor)
        self.samples = [get_protocol("jsonl").ask(sample) for sample in task.samples]

    def answers(self) -> list[str]:
        """All answers, batch by batch."""
        found: list[str] = []
        for start in range(0, len(self.samples), self.batch):
            tokens, _ = self.generate(self.samples[start : start + self.batch])
            found += [self.prompter.decode(row.tolist()) for row in tokens]
        return found

    @torch.no_grad()
    def generate(self, samples: Sequence[Sample], *, logits: bool = False) -> tuple[Tensor, Any]:
        """New tokens ``(N, T)`` of some pairs, and the scores of each step where wanted.

        Args:
            samples: Questions with an image each.
            logits: Whether scores are kept.
        """
        texts = [self.prompter.text(sample) for sample in samples]
        images = [[self.task.images[sample.images[0]]] for sample in samples]
        inputs = self.task.native(images=images, text=texts, padding=True, return_tensors="pt")
        given = {name: inputs[name] for name in ("input_ids", "attention_mask", "pixel_values")}
        done = self.task.model.generate(
            **given,
            do_sample=False,
            use_cache=True,
            max_new_tokens=self.task.answer,
            suppress_tokens=self.prompter.banned,
            eos_token_id=self.prompter.stop,
            pad_token_id=self.task.processor.tokenizer.pad_token_id,
            return_dict_in_generate=True,
            output_scores=logits,
        )
        return done.sequences[:, given["input_ids"].shape[1] :], done.scores if logits else None


def compare(task: Task, ours: Sequence[str], theirs: Sequence[str], pairs: Pairs) -> dict[str, int]:
    """Answers that differ, and how many of them do so at a tie: two best words less than `TIE` apart.

    Args:
        task: Model and questions.
        ours: Texts of medvlm.
        theirs: Texts of transformers.
        pairs: Asks again for scores, where texts differ.
    """
    apart = [index for index, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other]
    ties = 0
    for index in apart:
        tokens, scores = pairs.generate([pairs.samples[index]], logits=True)
        for step, row in enumerate(scores):
            best = row[0].topk(2).values
            said = pairs.prompter.decode(tokens[0, : step + 1].tolist())
            if float(best[0] - best[1]) < TIE:
                ties += 1
                break
            if not ours[index].startswith(said):
                break
    return {"answers": len(ours), "differ": len(apart), "ties": ties}


def race(task: Task, questions: int, rounds: int, folder: Path) -> dict[str, Any]:
    """CPU seconds of both sides in turn, the first round warms up; and whether the answers are the same.

    Args:
        task: Model and questions.
        questions: Of an image.
        rounds: Timed ones.
        folder: For the records.
    """
    pairs = Pairs(task, len(task.samples))
    batch = len(task.samples) // questions
    spent: dict[str, list[Spent]] = {"theirs": [], "ours": []}
    for number in range(rounds + 1):
        clock = Clock()
        theirs = pairs.answers()
        spent["theirs"].append(clock.stop())
        clock = Clock()
        ours = examine(task, folder / f"{questions}-{number}.jsonl", batch)
        spent["ours"].append(clock.stop())
    return {"spent": {name: times[1:] for name, times in spent.items()}, **compare(task, ours, theirs, pairs)}
