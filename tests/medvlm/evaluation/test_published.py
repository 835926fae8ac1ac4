"""Scores by published weights, on tiny models of the same architecture saved under the published names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import BertConfig, BertModel, BertTokenizer

from medvlm.evaluation import published
from medvlm.evaluation.bertscore import bert_scores, load_encoder, match_f1
from medvlm.evaluation.chexbert import LABELS, CheXbert, label_f1, load_chexbert
from medvlm.evaluation.radgraph import graph_f1
from medvlm.study import WeightsError

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "no",
    "large",
    "effusion",
    "edema",
    "the",
    "nodule",
    ".",
    "heart",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bert-base-uncased, tiny, and a chexbert.pth as it was saved by the authors (several GPUs, old BERT)."""
    path = tmp_path_factory.mktemp("weights")
    (path / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(path)
    tokenizer = BertTokenizer(str(path / "vocab.txt"))
    tokenizer.save_pretrained(path)
    weights = {f"module.{name}": value for name, value in CheXbert(config, tokenizer).state_dict().items()}
    extra = {"module.bert.embeddings.position_ids": torch.arange(512), "module.bert.pooler.dense.bias": torch.zeros(16)}
    torch.save({"epoch": 3, "model_state_dict": weights | extra}, path / "chexbert.pth")
    return path


def favour(model: CheXbert, codes: dict[str, int]) -> None:
    """Let each head say a fixed code."""
    heads: Any = model.linear_heads
    for label, head in zip(LABELS, heads, strict=True):
        head.weight.data.zero_()
        head.bias.data = torch.nn.functional.one_hot(torch.tensor(codes.get(label, 0)), head.out_features).float()


def test_chexbert_gives_what_its_parts_give(folder: Path) -> None:
    model = load_chexbert(str(folder))
    ids = model.tokenizer("large effusion", return_tensors="pt")["input_ids"]
    heads: Any = model.linear_heads
    first = model.bert(input_ids=ids).last_hidden_state[0, 0]
    codes = [int((first @ head.weight.T + head.bias).argmax()) for head in heads]
    names = (None, "present", "absent", "uncertain")
    wanted = {label: names[code] for label, code in zip(LABELS, codes, strict=True) if code}
    assert model.label(["Large  effusion", "", "no edema"])[0] == wanted


def test_padding_changes_no_label(folder: Path) -> None:
    model = load_chexbert(str(folder))
    reports = ["effusion", "no large effusion . the heart . no nodule", "edema"]
    assert model.label(reports) == [model.label([report])[0] for report in reports]


def test_codes_are_the_papers(folder: Path) -> None:
    model = load_chexbert(str(folder))
    favour(model, {"Edema": 1, "Pleural Effusion": 2, "Fracture": 3, "No Finding": 1})
    wanted = {"Edema": "present", "Pleural Effusion": "absent", "Fracture": "uncertain", "No Finding": "present"}
    assert model.label(["edema", ""]) == [wanted, {}]
    load_chexbert.cache_clear()


def test_uncertain_counts_as_one_says() -> None:
    assert label_f1({"Edema": "uncertain"}, {"Edema": "present"}) == 1.0
    assert label_f1({"Edema": "uncertain"}, {"Edema": "present"}, uncertain=False) == 0.0
    assert label_f1({}, {}) == 1.0


def test_other_weights_are_no_chexbert(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "vocab.txt"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    torch.save({"model_state_dict": {"head.weight": torch.zeros(2)}}, tmp_path / "chexbert.pth")
    with pytest.raises(WeightsError, match=r"chexbert\.pth is no CheXbert"):
        load_chexbert(str(tmp_path))


@pytest.mark.parametrize("source", [published.CHEXBERT, published.BERTSCORE, published.RADGRAPH, published.RATE_NER])
def test_an_absent_file_is_named_with_its_place_and_licence(source: published.Published, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"holds no {source.files[0]}.*huggingface\.co.*Licence: \w"):
        source.folder(tmp_path)


# --- BERTScore -------------------------------------------------------------------------------------------------------


def by_loops(a: Tensor, b: Tensor) -> float:
    """The formulas of the paper, word by word."""
    near = [[float(torch.cosine_similarity(x, y, dim=0)) for y in b] for x in a]
    precision = sum(max(row) for row in near) / len(a)
    recall = sum(max(row[place] for row in near) for place in range(len(b))) / len(b)
    return 2 * precision * recall / (precision + recall)


def test_matching_is_the_papers() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(5, 8), torch.rand(3, 8)
    assert match_f1(a, b) == pytest.approx(by_loops(a, b))


def test_words_are_compared_without_special_tokens(folder: Path) -> None:
    model, tokenizer = encoder = load_encoder(str(folder))
    states = [
        model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 1:-1].detach()
        for text in ("no edema", "nodule")
    ]
    assert bert_scores(["no edema"], ["nodule"], encoder) == [pytest.approx(by_loops(*states), abs=1e-6)]
    assert bert_scores(["no edema"], ["no edema"], encoder) == [pytest.approx(1.0)]


def test_what_stops_the_package_does_not_stop_this(folder: Path) -> None:
    """bert-score 0.3.13 on transformers 5: "" raises AttributeError; no maximum length, OverflowError."""
    encoder = load_encoder(str(folder))
    long = "edema " * 2000
    assert bert_scores(["", " \n", "edema"], ["edema", "edema", ""], encoder) == [0.0, 0.0, 0.0]
    assert bert_scores([long], [long], encoder) == [pytest.approx(1.0)]


def test_rescaling_puts_the_baseline_at_zero(folder: Path) -> None:
    encoder = load_encoder(str(folder))
    (plain,), (scaled,) = (bert_scores(["no edema"], ["nodule"], encoder, baseline=base) for base in (None, 0.5))
    assert scaled == pytest.approx((plain - 0.5) / 0.5)


# --- RadGraph --------------------------------------------------------------------------------------------------------


def entity(words: str, label: str, *relations: tuple[str, str]) -> dict[str, Any]:
    return {"tokens": words, "label": label, "relations": [list(relation) for relation in relations]}


LEFT = {"1": entity("left", "ANAT-DP"), "2": entity("effusion", "OBS-DP", ("located_at", "1"))}
RIGHT = {"1": entity("right", "ANAT-DP"), "2": entity("effusion", "OBS-DP", ("located_at", "1"))}
LOOSE = {"1": entity("left", "ANAT-DP"), "2": entity("effusion", "OBS-DP")}


@pytest.mark.parametrize(
    ("level", "right", "loose"),
    # of two facts each: the effusion agrees; without its relation; with its target
    [("simple", 0.5, 1.0), ("partial", 0.5, 0.5), ("complete", 0.0, 0.5)],
)
def test_levels_by_hand(level: Any, right: float, loose: float) -> None:
    assert graph_f1(LEFT, LEFT, level) == 1.0
    assert graph_f1(RIGHT, LEFT, level) == right
    assert graph_f1(LOOSE, LEFT, level) == loose


def test_a_capital_changes_nothing() -> None:
    """In the radgraph package, complete lower-cases related entities alone: a capital costs a third there."""
    capital = {"1": entity("Left", "ANAT-DP"), "2": entity("Effusion", "OBS-DP", ("located_at", "1"))}
    assert [graph_f1(capital, LEFT, level) for level in ("simple", "partial", "complete")] == [1.0] * 3


def test_two_empty_graphs_agree() -> None:
    """The package gives 0 where either is empty, even both."""
    assert [graph_f1({}, {}), graph_f1({}, LEFT), graph_f1(LEFT, {})] == [1.0, 0.0, 0.0]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="simple, partial or complete"):
        graph_f1(LEFT, LEFT, "all")  # type: ignore[arg-type]
