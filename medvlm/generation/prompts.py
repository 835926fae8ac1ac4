"""How a sample becomes tokens: the same text in training, evaluation, ``predict`` and reports."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property, lru_cache
from string import ascii_uppercase
from typing import Any

from medvlm.study import AnswerKind, Sample

INSTRUCTIONS: dict[AnswerKind, str] = {
    "choice": "Answer with the letter.",
    "closed": "Answer briefly.",
    "open": "Answer briefly.",
    "report": "Write the report.",
    "box": "Answer with x0 y0 x1 y1.",
    "number": "Answer with a number.",
}
REASONING = "Think between <think> and </think>, then answer between <answer> and </answer>."


def prompt_hash() -> str:
    """Eight hex digits that change whenever a prompt text changes; printed beside every score.

    Examples:
        >>> len(prompt_hash())
        8
    """
    return hashlib.sha256(repr((sorted(INSTRUCTIONS.items()), REASONING)).encode()).hexdigest()[:8]


def user_text(sample: Sample) -> str:
    r"""Question, lettered options and the instruction: the sample's own, or that of its kind.

    Examples:
        >>> print(user_text(Sample("1", (), "Which side?", "left", "choice", options=("left", "right"))))
        Which side?
        A) left
        B) right
        Answer with the letter.
    """
    options = [f"{letter}) {option}" for letter, option in zip(ascii_uppercase, sample.options, strict=False)]
    instruction = INSTRUCTIONS[sample.kind] if sample.instruction is None else sample.instruction
    return "\n".join([sample.question, *options, *filter(None, [instruction])])


def reference_text(sample: Sample, *, reasoning: bool, weak: bool = False) -> str:
    """The completion that supervised fine-tuning imitates.

    A sample that brings one (``imitate``, see `medvlm.training.chains`) is imitated as it stands.

    Args:
        sample: A choice is answered with its letter.
        reasoning: Whether the rationale goes first, between ``<think>`` tags.
        weak: Whether to take the mined answer (and rationale) instead of the verified one.

    Raises:
        ValueError: If ``weak`` is asked for and the sample has no mined answer, a choice is not among its options, or
            ``imitate`` is no text.
    """
    if not weak and (text := sample.extra.get("imitate")) is not None:
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"Sample {sample.id!r}: imitate is {text!r}, expected the text to be imitated.")
        return text
    answer, rationale = sample.answer, sample.rationale
    if weak:
        if sample.weak_answer is None:
            raise ValueError(f"Sample {sample.id!r} has no mined answer (weak_answer).")
        answer, rationale = sample.weak_answer, str(sample.extra.get("weak_rationale", ""))
    if sample.kind == "choice":
        if answer not in sample.options:
            raise ValueError(f"Sample {sample.id!r}: answer {answer!r} is not among the options {sample.options}.")
        answer = ascii_uppercase[sample.options.index(answer)]
    if not reasoning:
        return answer
    return f"<think>{rationale}</think><answer>{answer}</answer>"


class Prompter:
    """Renders samples with the chat template of a processor and tokenises them, remembering what it has seen.

    Args:
        processor: It expands image placeholders (``prompt_ids``).
        reasoning: Whether answers are asked for between tags.
    """

    def __init__(self, processor: Any, *, reasoning: bool = False) -> None:
        self.processor, self.reasoning = processor, reasoning
        self._ids = lru_cache(maxsize=65536)(self._tokenise)
        self._prompt_ids = lru_cache(maxsize=65536)(self._tokenise_prompt)

    def prompt(self, sample: Sample, shots: Sequence[Sample] = ()) -> list[int]:
        """Tokens up to where the answer starts."""
        return list(self._prompt_ids(self.text(sample, shots)))

    def text(self, sample: Sample, shots: Sequence[Sample] = ()) -> str:
        """The prompt as text, one placeholder an image.

        Args:
            sample: The question.
            shots: Answered examples, each a turn of its own before the question.
        """
        messages: list[dict[str, Any]] = []
        for shot in shots:
            answer = reference_text(shot, reasoning=self.reasoning)
            messages += [self._turn(shot), {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
        messages.append(self._turn(sample))
        if self.reasoning:
            messages.insert(0, {"role": "system", "content": [{"type": "text", "text": REASONING}]})
        text: str = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return text

    def _turn(self, sample: Sample) -> dict[str, Any]:
        places: list[dict[str, str]] = [part for image in sample.images for part in self.processor.places(image.volume)]
        return {"role": "user", "content": [*places, {"type": "text", "text": user_text(sample)}]}

    def completion(self, text: str) -> list[int]:
        """Tokens of an answer, closed by the token that ends a turn."""
        return [*self._ids(text), self.stop[0]]

    @cached_property
    def stop(self) -> list[int]:
        """Tokens that end an answer."""
        return list(self.processor.stop_ids)

    @property
    def banned(self) -> list[int]:
        """Tokens that are never drawn: a sampled placeholder would break the next forward."""
        tokenizer = self.processor.tokenizer
        names = [*self.processor.placeholders, tokenizer.pad_token, tokenizer.bos_token]
        ids = {tokenizer.convert_tokens_to_ids(name) for name in names if name}
        return sorted(ids - set(self.stop))

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of an answer, without the closing token."""
        text: str = self.processor.tokenizer.decode(list(tokens), skip_special_tokens=True)
        return text.strip()

    def _tokenise_prompt(self, text: str) -> tuple[int, ...]:
        return tuple(self.processor.prompt_ids(text))

    def _tokenise(self, text: str) -> tuple[int, ...]:
        return tuple(self.processor.token_ids(text))
