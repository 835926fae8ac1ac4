"""Where an answer ends, by the chat template that a model was trained with."""

from __future__ import annotations

from typing import Any


def stop_ids(processor: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer; the first one is what the chat template writes there.

    A template may close a turn with a token of its own (``<|im_end|>``, ``<end_of_turn>``, ``<|eot_id|>``), while the
    tokenizer's ``eos_token`` ends a text.

    Args:
        processor: Renders conversations (``apply_chat_template``); without a template only the text ends.
        tokenizer: Its tokenizer.
    """
    end = int(tokenizer.eos_token_id)
    if processor.chat_template is None:
        return [end]
    text = {role: [{"type": "text", "text": role}] for role in ("user", "assistant")}
    turns = [{"role": role, "content": content} for role, content in text.items()]
    after = processor.apply_chat_template(turns, tokenize=False).rpartition("assistant")[2].strip()
    first = (tokenizer(after, add_special_tokens=False)["input_ids"] or [end])[0]
    return [first, end] if first in tokenizer.all_special_ids and first != end else [end]
