from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from medvlm.models import train_tokenizer
from medvlm.models.templates import SHORT, with_images
from medvlm.models.tokenizer import add_placeholders, chat_template
from medvlm.study import WeightsError

TEXTS = [
    "Is there a pleural effusion?",
    "naïve café, 3 mm² ≥ 2 µm",
    "肺水腫 🫁",
    "tabs\tand\nlines  and   spaces ",
    "<think> left side </think> <answer> B </answer>",
    "0.25 0.3 0.99 1.00",
    "\x00\x7f\ufeff",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_comes_back(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_words_of_the_corpus_are_single_tokens(tokenizer: Any) -> None:
    for word in (" pleural", " effusion", " pneumothorax", " left"):
        assert len(tokenizer(word)["input_ids"]) == 1


def test_tags_are_single_and_survive_skipping_special_tokens(tokenizer: Any) -> None:
    ids = tokenizer("<image><answer>B</answer><|end|>")["input_ids"]
    assert len(ids) == 5
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<answer>B</answer>"


def test_saved_and_loaded(tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert (again.eos_token, again.pad_token, again.padding_side) == ("<|end|>", "<|pad|>", "left")


def test_same_corpus_same_tokenizer() -> None:
    corpus = ["b a", "a b", "c c a"] * 3
    assert train_tokenizer(corpus, 300).get_vocab() == train_tokenizer(iter(corpus), 300).get_vocab()


def test_no_more_tokens_than_allowed() -> None:
    assert len(train_tokenizer(["a long corpus of many different words"] * 5, 280)) <= 280


def test_an_empty_corpus_still_encodes() -> None:
    tokenizer = train_tokenizer([], 300)
    assert tokenizer.decode(tokenizer("effusion")["input_ids"]) == "effusion"


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="vocab_size=100 is too small"):
        train_tokenizer(["a"], 100)


def test_placeholders_are_added_once(tokenizer: Any) -> None:
    before = len(tokenizer)
    assert len(add_placeholders(tokenizer)) == before


def test_short_template(tokenizer: Any) -> None:
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image"}, {"type": "volume"}, {"type": "text", "text": "effusion?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "no"}]},
    ]
    text = tokenizer.apply_chat_template(chat, tokenize=False)
    assert text == "<|system|>Be brief.<|user|><image><volume>effusion?<|assistant|>no<|end|>"
    assert tokenizer.apply_chat_template(chat[:2], tokenize=False, add_generation_prompt=True).endswith("<|assistant|>")


def test_assistant_tokens_can_be_masked(tokenizer: Any) -> None:
    chat = [{"role": "user", "content": "effusion?"}, {"role": "assistant", "content": "no"}]
    out = tokenizer.apply_chat_template(chat, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    shown = [i for i, own in zip(out["input_ids"], out["assistant_masks"], strict=True) if own]
    assert tokenizer.decode(shown) == "no<|end|>"


def test_a_text_only_template_learns_images(tokenizer: Any) -> None:
    own = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] + '.' }}{% endfor %}"
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "left"}]}]
    assert tokenizer.apply_chat_template(chat, chat_template=with_images(own), tokenize=False) == "[user] <image>left."


def test_templates_that_know_images_and_missing_ones(tokenizer: Any) -> None:
    assert chat_template(tokenizer) == tokenizer.chat_template
    bare = train_tokenizer(["a"], 300)
    bare.chat_template = None
    assert chat_template(bare, "short") == with_images(SHORT)
    with pytest.raises(WeightsError, match=r"no chat template.* ends with '<\|end\|>'"):
        chat_template(bare)
    with pytest.raises(WeightsError, match="neither 'short' nor a file"):
        chat_template(bare, "chatml")


def test_a_template_file_learns_images(tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / "chat.jinja").write_text("{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}")
    bare = train_tokenizer(["a"], 300)
    template = chat_template(bare, str(tmp_path / "chat.jinja"))
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "left"}]}]
    assert tokenizer.apply_chat_template(chat, chat_template=template, tokenize=False) == "[user]<image>left"
