"""How an answer of each kind is scored: the rules that exist, by the names that protocol files give them."""

from __future__ import annotations

from collections.abc import Mapping

from medvlm.study import AnswerKind

PARSER_VERSION = 2

SCORING: Mapping[AnswerKind, Mapping[str, str]] = {
    "choice": {"letter": "letter equals the reference option's"},
    "closed": {"equal": "yes or no equal, or normalised text equal"},
    "open": {"equal": "normalised text equal; token F1 and token recall beside it"},
    "report": {
        "findings": "rule_chexpert F1 and hallucinated findings, BLEU and ROUGE-L over the corpus; no accuracy",
        "overlap": "BLEU and ROUGE-L over the corpus; no accuracy",
    },
    "box": {"iou": "IoU >= 0.5"},
    "number": {"within": "equal count, or within 5 % in the reference's unit"},
}
"""By kind: what a protocol file calls a rule, and what the rule is."""

RULES: Mapping[AnswerKind, str] = {kind: next(iter(rules.values())) for kind, rules in SCORING.items()}
"""The rule of a kind where a protocol names no other."""

AGGREGATION = "mean over questions; unparsed, refused and unreadable ones are wrong"
