"""Scores of shared n-grams over a corpus of reports: BLEU in two forms, ROUGE, METEOR; each name says which."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from medvlm.evaluation.metrics import Metric, pairs
from medvlm.evaluation.packages import Tokens, longest_common, ngrams, rouge_means, sacre_orders
from medvlm.evaluation.text import words
from medvlm.study import need

_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_VARIANTS: dict[str, Callable[[str], Tokens]] = {
    "whitespace": str.split,
    "whitespace, lower case": lambda text: text.lower().split(),
}


def bleu_all(predictions: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """BLEU-4 and BLEU-1 to 3 of sacrebleu over the corpus, each text tokenised once; signatures in the names.

    Its tokenizer 13a takes a Chinese sentence for one word. Where references are Chinese or Japanese, BLEU-4 with its
    tokenizer ``zh`` (a word a character) follows.

    Args:
        predictions: One text a study; an empty one counts.
        references: The text wanted for each.

    Raises:
        ImportError: If sacrebleu is not installed.
        ValueError: If there is nothing to score, or the counts differ.
    """
    given, wanted = pairs(predictions, references)
    (one, two, three, four), signature = sacre_orders(given, wanted)
    named = {"bleu": four, "bleu1": one, "bleu2": two, "bleu3": three}
    metrics = [Metric(f"{name}[{signature}]", value, len(given)) for name, value in named.items()]
    if any(_CJK.search(text) for text in wanted):
        orders, signature = sacre_orders(given, wanted, "zh")
        metrics.append(Metric(f"bleu4[{signature}]", orders[-1], len(given)))
    return metrics


def bleu_coco(predictions: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """BLEU-1 to 4 as COCO's caption evaluation counts it, over tokens between spaces, as written and in lower case.

    The geometric mean of clipped precisions over the corpus, each smoothed by 1e-15 above and 1e-9 below, times the
    brevity penalty of the whole corpus. COCO itself tokenises as the Penn Treebank does, by Java, which gives others.

    Args:
        predictions: One text a study; an empty one counts.
        references: The text wanted for each.

    Raises:
        ValueError: If there is nothing to score, or the counts differ.

    Examples:
        >>> [round(metric.value, 3) for metric in bleu_coco(["the lungs are clear"], ["The lungs are clear"])]
        [0.75, 0.707, 0.63, 0.0, 1.0, 1.0, 1.0, 1.0]
    """
    given, wanted = pairs(predictions, references)
    metrics = []
    for name, split in _VARIANTS.items():
        values = coco_orders([split(text) for text in given], [split(text) for text in wanted])
        metrics += [
            Metric(f"bleu{order}_coco[medvlm|tokens: {name}]", value, len(given))
            for order, value in enumerate(values, start=1)
        ]
    return metrics


def coco_orders(given: Sequence[Tokens], wanted: Sequence[Tokens]) -> list[float]:
    """BLEU-1 to 4 of tokens, as `bleu_coco`.

    Args:
        given: Tokens of each prediction.
        wanted: Tokens of its reference.
    """
    above, below = sum(map(len, given)), sum(map(len, wanted))
    ratio = (above + 1e-15) / (below + 1e-9)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    values, product = [], 1.0
    for order in (1, 2, 3, 4):
        hits = sum((ngrams(a, order) & ngrams(b, order)).total() for a, b in zip(given, wanted, strict=True))
        tries = sum(max(len(tokens) - order + 1, 0) for tokens in given)
        product *= (hits + 1e-15) / (tries + 1e-9)
        values.append(penalty * product ** (1 / order))
    return values


def rouge_all(predictions: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """Mean ROUGE-L, ROUGE-1 and ROUGE-2 F1 of rouge-score, stemmed (Porter), each text tokenised once.

    Args:
        predictions: One text a study; an empty one scores 0.
        references: The text wanted for each.

    Raises:
        ImportError: If rouge-score is not installed.
        ValueError: As `rouge_l`, also where a reference holds no letter that rouge-score reads.
    """
    given, wanted = pairs(predictions, references)
    (one, two, longest), signature = rouge_means(given, wanted)
    named = {"rougeL_f1": longest, "rouge1_f1": one, "rouge2_f1": two}
    return [Metric(f"{name}[{signature}]", value, len(given)) for name, value in named.items()]


def rouge_words(predictions: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """Mean ROUGE-1, 2 and L F1 over words of any script; each Chinese or Japanese character is a word.

    Args:
        predictions: One text a study; an empty one scores 0.
        references: The text wanted for each.

    Raises:
        ValueError: If there is nothing to score, or the counts differ.

    Examples:
        >>> [metric.value for metric in rouge_words(["双肺清晰"], ["双肺清晰"])]
        [1.0, 1.0, 1.0]
    """
    given, wanted = pairs(predictions, references)
    texts = [(words(a), words(b)) for a, b in zip(given, wanted, strict=True)]
    signature = "_words_f1[medvlm|no case, punctuation or articles; a word a CJK character; no stemmer]"
    values = {
        "rouge1": [_f1((ngrams(a, 1) & ngrams(b, 1)).total(), len(a), len(b)) for a, b in texts],
        "rouge2": [_f1((ngrams(a, 2) & ngrams(b, 2)).total(), len(a) - 1, len(b) - 1) for a, b in texts],
        "rougeL": [_f1(longest_common(a, b), len(a), len(b)) for a, b in texts],
    }
    return [Metric(name + signature, sum(found) / len(found), len(found)) for name, found in values.items()]


def meteor(predictions: Sequence[str], references: Sequence[str], wordnet: Any = None) -> list[Metric]:
    """Mean METEOR of nltk: alpha 0.9, beta 3, gamma 0.5, Porter stems and WordNet; about twice what Java's 1.5 gives.

    Args:
        predictions: One text a study; an empty one scores 0.
        references: The text wanted for each.
        wordnet: Gives synonyms by ``synsets``; nltk's WordNet if not given.

    Raises:
        ImportError: If nltk is not installed.
        ValueError: If WordNet is not on this disk: without synonyms it is another score.
    """
    given, wanted = pairs(predictions, references)
    score = need("nltk.translate.meteor_score", "metrics").meteor_score
    wordnet = wordnet or _wordnet()
    values = [score([b.split()], a.split(), wordnet=wordnet) for a, b in zip(given, wanted, strict=True)]
    name = f"meteor[nltk {version('nltk')}|tokens: whitespace, lower case|WordNet]"
    return [Metric(name, float(sum(values) / len(values)), len(values))]


def _wordnet() -> Any:
    data = need("nltk.data", "metrics")
    for name in ("corpora/wordnet", "corpora/wordnet.zip"):
        try:
            data.find(name)
        except LookupError:
            continue
        return need("nltk.corpus", "metrics").wordnet
    raise ValueError("WordNet is not on this disk; run `python -m nltk.downloader wordnet`, or read another score")


def _f1(hits: int, given: int, wanted: int) -> float:
    return 2 * hits / (given + wanted) if hits else 0.0
