"""Models that write reasoning: one in memory, or one behind an OpenAI-compatible address, asked in the same three ways.

``write`` answers a question with reasoning, ``step`` proposes the next step of a reasoning, ``finish`` goes on from
given steps to an answer. Everything that comes back is text, and is only ever read by the parser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from medvlm.endpoint import Endpoint, Said, user_message
from medvlm.generation.engine import Ask, Engine, ask_tree, encode_images
from medvlm.generation.prompts import user_text
from medvlm.generation.sampling import sample as draw
from medvlm.study import AnswerKind, ImageRef, Sample

FORMS: dict[AnswerKind, str] = {
    "choice": "the letter of the right option",
    "closed": "yes or no",
    "open": "a few words",
    "report": "the report",
    "box": "x0 y0 x1 y1 as shares of width and height",
    "number": "the number",
}
ASK = "First reason step by step about what the image and the question say. Then write between <answer> and </answer>"
HINT = (
    "The right answer is known to be: {answer}. Reason towards it from what can be seen, as if you had not been told."
)
STEP = "Write only the next step of the reasoning, one or two sentences, and do not give the final answer."


class Handle(Protocol):
    """A model that reasons."""

    @property
    def name(self) -> str:
        """What decides its texts: it is in the key of resumable work."""

    def write(self, samples: Sequence[Sample], *, seed: int, hint: bool = False) -> list[Said]:
        """One reasoned answer to each question; with a hint the right answer is told."""

    def step(self, sample: Sample, steps: Sequence[str], *, n: int, seed: int) -> list[str]:
        """Proposals for the next step after those given."""

    def finish(self, sample: Sample, trails: Sequence[Sequence[str]], *, n: int, seed: int) -> list[list[Said]]:
        """``n`` ways to go on from each list of steps to an answer; the text is what follows the steps."""


@dataclass(frozen=True, slots=True)
class EndpointHandle:
    """A model behind an address.

    Attributes:
        endpoint: The address.
        show: Data URIs of an image; what they show leaves the machine.
        temperature: Of sampling.
        max_tokens: Where an answer is cut.
        workers: Requests under way at once.
    """

    endpoint: Endpoint
    show: Callable[[ImageRef], Sequence[str]]
    temperature: float = 1.0
    max_tokens: int = 1024
    workers: int = 8

    @property
    def name(self) -> str:
        """Address, model and decoding."""
        return f"{self.endpoint.model} at {self.endpoint.url}, T={self.temperature:g}, {self.max_tokens} tokens"

    def write(self, samples: Sequence[Sample], *, seed: int, hint: bool = False) -> list[Said]:
        """See `Handle`."""
        return [found[0] for found in self._ask([(sample, task(sample, hint=hint)) for sample in samples], 1, seed)]

    def step(self, sample: Sample, steps: Sequence[str], *, n: int, seed: int) -> list[str]:
        """See `Handle`."""
        (found,) = self._ask([(sample, f"{_so_far(sample, steps)}\n\n{STEP}")], n, seed)
        return [said.text for said in found]

    def finish(self, sample: Sample, trails: Sequence[Sequence[str]], *, n: int, seed: int) -> list[list[Said]]:
        """See `Handle`."""
        wanted = f"Go on from there, briefly. Then write between <answer> and </answer>: {FORMS[sample.kind]}."
        return self._ask([(sample, f"{_so_far(sample, steps)}\n\n{wanted}") for steps in trails], n, seed)

    def _ask(self, asked: Sequence[tuple[Sample, str]], n: int, seed: int) -> list[list[Said]]:
        messages = [
            [user_message(text, [shown for ref in sample.images for shown in self.show(ref)])] for sample, text in asked
        ]
        return self.endpoint.chats(
            messages, workers=self.workers, n=n, seed=seed, temperature=self.temperature, max_tokens=self.max_tokens
        )


@dataclass(frozen=True, slots=True)
class EngineHandle:
    """A model in memory.

    Attributes:
        engine: The model; ask for reasoning if it was trained to reason between tags.
        pixels: Prepared pixels of an image reference.
        weights: Hash of its weights, which names it.
        temperature: Of sampling.
        max_tokens: Where an answer is cut.
    """

    engine: Engine
    pixels: Callable[[ImageRef], Tensor]
    weights: str
    temperature: float = 1.0
    max_tokens: int = 256

    @property
    def name(self) -> str:
        """Weights and decoding."""
        reasoning = self.engine.prompter.reasoning
        return f"{self.weights}, reasoning={reasoning}, T={self.temperature:g}, {self.max_tokens} tokens"

    def write(self, samples: Sequence[Sample], *, seed: int, hint: bool = False) -> list[Said]:
        """See `Handle`."""
        told = [replace(one, question=f"{one.question}\n{_hint(one)}") if hint else one for one in samples]
        replies = self.engine.generate(
            [self._ask(one) for one in told],
            max_new_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=seed,
        )
        return [Said(reply.text, reply.finished) for ((reply,),) in replies]

    def step(self, sample: Sample, steps: Sequence[str], *, n: int, seed: int) -> list[str]:
        """See `Handle`; a step is the first line that the model thinks."""
        (found,) = self._go_on(sample, [steps], n, seed)
        thoughts = [said.text.partition("</think>")[0] for said in found]
        return [next((line for line in text.splitlines() if line.strip()), "") for text in thoughts]

    def finish(self, sample: Sample, trails: Sequence[Sequence[str]], *, n: int, seed: int) -> list[list[Said]]:
        """See `Handle`."""
        return self._go_on(sample, trails, n, seed)

    def _ask(self, sample: Sample) -> Ask:
        return Ask(tuple(self.pixels(ref) for ref in sample.images), (sample,))

    @torch.no_grad()
    def _go_on(self, sample: Sample, trails: Sequence[Sequence[str]], n: int, seed: int) -> list[list[Said]]:
        """Sample below the steps, all trails in one tree: the images and the question are read once."""
        engine, ask = self.engine, self._ask(sample)
        tree = ask_tree(engine.prompter, ask)
        (leaf,) = tree.leaves
        opened = "<think>" if engine.prompter.reasoning else ""
        for steps in trails:
            begun = opened + "".join(f"{step}\n" for step in steps)
            if begun:
                tree.add(engine.prompter.completion(begun)[:-1], parent=leaf)
        (found,) = draw(
            engine.model,
            [tree],
            encode_images(engine.model, ask.images, engine.processor),
            n=n,
            max_new_tokens=self.max_tokens,
            temperature=self.temperature,
            stop=engine.prompter.stop,
            banned=engine.prompter.banned,
            generator=torch.Generator(engine.model.get_input_embeddings().weight.device).manual_seed(seed),
            pad_id=engine.processor.tokenizer.pad_token_id,
            layout=engine.processor.layout,
        )
        return [[Said(engine.prompter.decode(one.tokens), one.finished) for one in answers] for answers in found]


def task(sample: Sample, *, hint: bool = False) -> str:
    """What an endpoint is asked.

    Args:
        sample: The question.
        hint: Whether the right answer is told.
    """
    told = f"\n{_hint(sample)}" if hint else ""
    return f"{_question(sample)}\n\n{ASK}: {FORMS[sample.kind]}.{told}"


def _question(sample: Sample) -> str:
    """Question and options, without the instruction of the kind."""
    return user_text(sample).rpartition("\n")[0]


def _so_far(sample: Sample, steps: Sequence[str]) -> str:
    lines = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1)) or "(nothing yet)"
    return f"{_question(sample)}\n\nReasoning so far:\n{lines}"


def _hint(sample: Sample) -> str:
    return HINT.format(answer=sample.answer)
