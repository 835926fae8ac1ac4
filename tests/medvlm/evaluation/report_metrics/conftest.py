"""Tiny models of the published architectures, under the published names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.evaluation.records import Record, grade
from medvlm.study import Sample

TEXT = "[PAD] [UNK] [CLS] [SEP] [MASK] no large effusion edema the nodule . heart normal"


@pytest.fixture
def bert(tmp_path: Path) -> Callable[[str], Path]:
    """Saves a tiny BERT with its tokenizer in a folder of the name."""
    from transformers import BertConfig, BertModel, BertTokenizer

    def save(name: str, **config: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "vocab.txt").write_text(TEXT.replace(" ", "\n"))
        torch.manual_seed(0)
        sizes: dict[str, Any] = {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        }
        BertModel(BertConfig(vocab_size=len(TEXT.split()), **sizes, **config)).save_pretrained(folder)
        BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
        return folder

    return save


@pytest.fixture
def chexbert(bert: Callable[[str], Path]) -> Callable[[str], Path]:
    """Saves a tiny CheXbert in a folder of the name."""
    from transformers import AutoTokenizer, BertConfig

    from medvlm.evaluation.chexbert import CheXbert

    def save(name: str) -> Path:
        folder = bert(name)
        model = CheXbert(BertConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))
        torch.save({"model_state_dict": model.state_dict()}, folder / "chexbert.pth")
        return folder

    return save


def report(name: str, text: str, reference: str) -> Record:
    return grade(Sample(name, (), "Report.", reference, "report"), text, run="r", cluster=name)


@pytest.fixture
def records() -> list[Record]:
    """The same, another, an empty report, and one with thoughts."""
    made = [report("1", "Large effusion. Edema.", "Large effusion. Edema."), report("2", "No edema.", "Large nodule.")]
    thought = "<think>Large effusion. Edema.</think>Large effusion."
    return [*made, report("3", "", "No nodule."), report("4", thought, "Large effusion.\r\nNo edema.")]
