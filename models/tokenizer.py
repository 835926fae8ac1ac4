"""Tokenizers: a byte-level BPE trained on a corpus, and the placeholders that every tokenizer of ours has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AddedToken, AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from medvlm.study import WeightsError

from .templates import SHORT, with_images

IMAGE, VOLUME, PAD, END = "<image>", "<volume>", "<|pad|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def train_tokenizer(texts: Iterable[str], vocab_size: int = 2048) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE; with enough room each word of the corpus is one token, and any text encodes.

    Args:
        texts: The corpus, read once.
        vocab_size: Upper bound of the vocabulary, all 256 bytes and the special tokens included.

    Raises:
        ValueError: If ``vocab_size`` leaves no room beside bytes and special tokens.

    Examples:
        >>> tokenizer = train_tokenizer(["no effusion", "small effusion"], 400)
        >>> tokenizer.tokenize("no effusion")
        ['no', 'Ġeffusion']
    """
    special = [PAD, END, *ROLES, IMAGE, VOLUME]
    least = 256 + len(special) + len(TAGS)
    if vocab_size < least:
        raise ValueError(f"vocab_size={vocab_size} is too small: bytes and special tokens alone take {least}.")
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(TAGS),
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = with_images(SHORT)
    add_placeholders(tokenizer)
    return tokenizer


def add_placeholders(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Add what the composed model needs and the tokenizer lacks: placeholders, answer tags, padding.

    The tags stay ordinary tokens, so that decoding without special tokens keeps them for the answer parser.

    Raises:
        WeightsError: If no token of it ends a text.
    """
    if tokenizer.eos_token_id is None:
        raise WeightsError("The tokenizer has no token that ends a text (eos_token): no answer would ever end. Set it.")
    known = tokenizer.get_vocab()
    tokenizer.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in TAGS if tag not in known])
    tokenizer.add_tokens(
        [AddedToken(mark, normalized=False, special=True) for mark in (IMAGE, VOLUME)], special_tokens=True
    )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def load_tokenizer(source: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or Hub name, with the placeholders added.

    Raises:
        WeightsError: If a folder holds no tokenizer; transformers would make one without words of its configuration.
    """
    if (folder := Path(source)).is_dir() and not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise WeightsError(
            f"{source} holds no tokenizer (none of {', '.join(TOKENIZER_FILES)}): copy the decoder's there, or name "
            "one with model.tokenizer=FOLDER."
        )
    return add_placeholders(AutoTokenizer.from_pretrained(source))


def chat_template(tokenizer: PreTrainedTokenizerBase, given: str | None = None) -> str:
    """The processor's template: the decoder's own, or the one that is given, taught to take images.

    Of several named templates the default is taken. One that refuses a system message (Gemma, Mistral) gets its text
    with the user's. The short one closes an answer with the token that ends the decoder's texts.

    Args:
        tokenizer: The decoder's.
        given: ``short`` for our own short template, or the path of a Jinja file; None for the tokenizer's own.

    Raises:
        WeightsError: If there is none, or the file is not there.
    """
    if given == "short":
        return with_images(SHORT.replace(END, str(tokenizer.eos_token)))
    own = _own_template(tokenizer) if given is None else _template_file(given)
    if IMAGE in own:
        return own
    return with_images(own, fold_system=not _takes_system(tokenizer, own))


def _own_template(tokenizer: PreTrainedTokenizerBase) -> str:
    own: Any = tokenizer.chat_template
    if isinstance(own, Mapping):
        own = own.get("default")
    if not isinstance(own, str):
        raise WeightsError(
            "The decoder's tokenizer has no chat template, so it was never told questions from answers. Say "
            "model.chat_template=short (turns begin with <|user|> and <|assistant|>, an answer ends with "
            f"{tokenizer.eos_token!r}), or model.chat_template=FILE with a Jinja template."
        )
    return own


def _template_file(path: str) -> str:
    file = Path(path).expanduser()
    if not file.is_file():
        raise WeightsError(f"model.chat_template={path!r} is neither 'short' nor a file with a Jinja template.")
    return file.read_text(encoding="utf-8")


def _takes_system(tokenizer: PreTrainedTokenizerBase, template: str) -> bool:
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    try:
        tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)
    except TemplateError:
        return False
    return True
