"""BLEU and ROUGE as the packages that papers name count them, each text tokenised once; whoever calls names the score.

sacrebleu counts n-grams of all orders in one pass, from which it computes BLEU-1 to 4. Of rouge-score the tokenizer and
the formula are used; a word is stemmed once a process, and the longest common subsequence is found by rows of bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from importlib.metadata import version
from types import SimpleNamespace

from medvlm.study import need

Tokens = list[str]
ORDERS = (1, 2, 3, 4)


def sacre_orders(given: Sequence[str], wanted: Sequence[str], tokenizer: str = "13a") -> tuple[list[float], str]:
    """Corpus BLEU-1 to 4 of sacrebleu, 0 to 1, and its signature.

    Args:
        given: Predictions, their white space collapsed.
        wanted: The reference of each.
        tokenizer: Of sacrebleu: ``13a``, or ``zh``.

    Raises:
        ImportError: If sacrebleu is not installed.
    """
    scorer = need("sacrebleu.metrics", "metrics").BLEU(tokenize=tokenizer)
    found = scorer.corpus_score(given, [wanted])
    orders = [
        scorer.compute_bleu(
            list(found.counts[:order]),
            list(found.totals[:order]),
            found.sys_len,
            found.ref_len,
            smooth_method=scorer.smooth_method,
            max_ngram_order=order,
        )
        for order in ORDERS
    ]
    return [one.score / 100 for one in orders], f"sacrebleu|{scorer.get_signature()}"


def rouge_means(given: Sequence[str], wanted: Sequence[str], *, stemmer: bool = True) -> tuple[list[float], str]:
    """Mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L of rouge-score, and its signature.

    Args:
        given: Predictions; an empty one scores 0.
        wanted: The reference of each.
        stemmer: Whether words of more than three letters are stemmed (Porter).

    Raises:
        ImportError: If rouge-score is not installed.
        ValueError: If a reference has no letter from a to z or digit: rouge-score sees nothing else and would give 0 to
            a perfect text.
    """
    blind = [text for text in wanted if not any(letter.isascii() and letter.isalnum() for letter in text)]
    if blind:
        raise ValueError(
            f"rouge-score reads a-z and 0-9 only; {len(blind)} references hold none, first {blind[0][:40]!r}; read "
            "rouge_words"
        )
    tokenize = _rouge_tokenizer(stemmer)
    scores = [_rouge(tokenize(text), tokenize(target)) for text, target in zip(given, wanted, strict=True)]
    signature = f"rouge-score {version('rouge-score')}|stemmer:{'porter' if stemmer else 'no'}"
    return [sum(column) / len(scores) for column in zip(*scores, strict=True)], signature


def _rouge_tokenizer(stemmer: bool) -> Callable[[str], Tokens]:
    """The tokenizer of rouge-score, with a stemmer that remembers words."""
    tokenize: Callable[..., Tokens] = need("rouge_score.tokenize", "metrics").tokenize
    return partial(tokenize, stemmer=SimpleNamespace(stem=_stem()) if stemmer else None)


@lru_cache(maxsize=1)
def _stem() -> Callable[[str], str]:
    stem: Callable[[str], str] = need("nltk.stem.porter", "metrics").PorterStemmer().stem
    return lru_cache(maxsize=1 << 16)(stem)


def _rouge(given: Tokens, wanted: Tokens) -> tuple[float, float, float]:
    """F1 of ROUGE-1, 2 and L of one text."""
    pairs = [(ngrams(given, order), ngrams(wanted, order)) for order in (1, 2)]
    counted = [_f1((a & b).total(), max(a.total(), 1), max(b.total(), 1)) for a, b in pairs]
    return counted[0], counted[1], _f1(longest_common(given, wanted), max(len(given), 1), max(len(wanted), 1))


def _f1(hits: int, given: int, wanted: int) -> float:
    precision, recall = hits / given, hits / wanted
    return 2 * precision * recall / (precision + recall) if hits else 0.0


def ngrams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    """How often each run of so many tokens occurs.

    Args:
        tokens: Of one text.
        order: Tokens in a run.

    Examples:
        >>> ngrams("no no edema".split(), 1)[("no",)]
        2
    """
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


def longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, by whole rows of bits (Hyyrö 2004), so that long texts are quick.

    Args:
        a: Tokens.
        b: Others.

    Examples:
        >>> longest_common("no acute disease".split(), "no disease".split())
        2
    """
    places: dict[str, int] = {}
    for place, token in enumerate(a):
        places[token] = places.get(token, 0) | 1 << place
    full = (1 << len(a)) - 1
    row = full
    for token in b:
        hit = row & places.get(token, 0)
        row = ((row + hit) | (row - hit)) & full
    return len(a) - row.bit_count()
