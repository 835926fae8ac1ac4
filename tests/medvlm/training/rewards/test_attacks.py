"""Every reward of the registry against the cheap attacks of specs: none may earn what an honest answer earns.

The table must name every reward: one without a line fails the first test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from medvlm.evaluation.labeler import label_report
from medvlm.evaluation.metrics import token_f1
from medvlm.evaluation.steps import step_labels
from medvlm.training.rewards import REWARDS
from medvlm.training.rewards.scoring import with_options

JUNK = "qz " * 1000
LABELS = ("pleural effusion", "pneumothorax", "nodule", "normal")
EVERY_FINDING = (
    "Effusion. Pneumothorax. Nodule. Edema. Consolidation. Pneumonia. Atelectasis. Cardiomegaly. Opacity. "
    "Rib fracture. Pleural thickening. Widened mediastinum. Pacemaker."
)
REPORT = "FINDINGS: Large left pleural effusion. Mild cardiomegaly. No pneumothorax."


@dataclass(frozen=True)
class Case:
    """How a reward is asked, what is right and wrong, and what an attack may earn at most."""

    answer: str
    kind: str
    right: str
    wrong: str
    every: str
    best: float = 1.0
    options: tuple[str, ...] = ()
    ceiling: float = 0.0
    allowed: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    rationale: str = ""
    question: str = "What is shown?"
    bare: bool = False  # `right` is the whole completion, not the answer between tags


CHOICE: dict[str, Any] = {
    "answer": "pneumothorax",
    "kind": "choice",
    "right": "B",
    "wrong": "A",
    "every": "A, B, C, D",
    "options": LABELS,
}
BOX: dict[str, Any] = {
    "answer": "0.1 0.2 0.5 0.6",
    "kind": "box",
    "right": "[0.1, 0.2, 0.5, 0.6]",
    "wrong": "[0.6, 0.7, 0.9, 0.9]",
    "every": " ".join(f"[0.{x}, 0.{y}, 0.{x + 1}, 0.{y + 1}]" for x in range(9) for y in range(9)),
}
TEXT: dict[str, Any] = {"answer": REPORT, "kind": "report", "right": REPORT, "wrong": "Normal.", "every": EVERY_FINDING}


def same_words(question: str, reference: str, answer: str) -> float:
    """Stands in for a judge that knows what is right."""
    return float(answer.strip(" .") == reference)


def says(question: str, answer: str, criterion: str) -> bool:
    """Stands in for a judge of one criterion."""
    return criterion in answer.lower()


def graphs(reports: Sequence[str]) -> list[Any]:
    """Stands in for RadGraph: a finding of the rule labeler is an entity."""
    found = [label_report(report) for report in reports]
    return [{label: {"tokens": label, "label": state} for label, state in labels.items()} for labels in found]


class Rules:
    """Stands in for CheXbert."""

    def label(self, reports: Sequence[str]) -> list[Any]:
        return [label_report(report) for report in reports]


class Overlap:
    """Stands in for RaTEScore."""

    def compute_score(self, given: list[str], wanted: list[str]) -> list[float]:
        return overlap(given, wanted)


def overlap(given: list[str], wanted: list[str], *unused: Any, **options: Any) -> list[float]:
    return [token_f1(a, b) for a, b in zip(given, wanted, strict=True)]


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Models without weights: what is tested is what a reward makes of them."""
    monkeypatch.setattr("medvlm.evaluation.chexbert.load_chexbert", lambda *unused: Rules())
    monkeypatch.setattr("medvlm.evaluation.bertscore.load_encoder", lambda *unused: None)
    monkeypatch.setattr("medvlm.evaluation.bertscore.bert_scores", overlap)
    monkeypatch.setattr("medvlm.training.rewards.process._step_model", lambda *unused: (None, None, None))
    monkeypatch.setattr("medvlm.step_head.step_probabilities", true_steps)
    monkeypatch.setattr("medvlm.training.rewards.weighted.load_ratescore", lambda *unused: Overlap())
    monkeypatch.setattr("medvlm.evaluation.published.Published.folder", lambda self, folder: Path(folder))


def true_steps(head: Any, model: Any, tokenizer: Any, reasonings: Sequence[Any]) -> list[list[float]]:
    """Stands in for a learned head that knows what the report says."""
    return [[float(right) for right in step_labels(list(one.steps), REPORT)] for one in reasonings]


# a report said fifty times states what it states; length and repetition are other rewards' business
SETS = {"repeated": 1.0}
# a list that holds the answer among others holds it: it earns a share, far from all
FORM: dict[str, Any] = CHOICE | {"bare": True, "right": "<think>a</think><answer>B</answer>"}
PUNISHES: dict[str, Any] = CHOICE | {"best": 0.0}

# thoughts are what this one reads: recipes gate it by a reward that looks at the answer; repeats cost effectiveness
THOUGHTS = {"in thoughts only": 0.9, "thoughts never closed": 0.9, "two blocks": 0.9, "two blocks, wrong first": 0.9,
            "repeated": 0.8, "every in thoughts": 0.45}  # fmt: skip

RUBRIC = [
    {"criterion": "left", "points": 2},
    {"criterion": "effusion", "points": 3},
    {"criterion": "nodule", "points": -9},
]

LOOKED_UP = (
    f"<think>{'The left lung has collapsed. ' * 20}</think><query>pneumothorax signs</query>"
    "<retrieve>A pleural line without markings beyond it.</retrieve><answer>B) pneumothorax</answer>"
)

CASES: dict[str, Case] = {
    "accuracy": Case(**CHOICE),
    "bertscore": Case(**TEXT, settings={"folder": "x"}, ceiling=0.35),
    "bleu": Case(**TEXT, ceiling=0.1),
    "box_hit": Case(**BOX),
    "box_iou": Case(**BOX),
    "boxed": Case(**(FORM | {"right": r"<think>a</think>\boxed{B}"})),
    "chexbert": Case(**TEXT, settings={"folder": "x"}, allowed=SETS | {"every": 0.3}),
    "cosine_length": Case(**CHOICE, settings={"limit": 1000}, allowed={"repeated": 0.5}),
    "finding_f1": Case(**TEXT, allowed=SETS | {"every": 0.3}),
    "format": Case(**FORM, allowed={"every": 1.0}),
    "jaccard": Case("edema; nodule", "open", "nodule; edema", "mass", "edema; nodule; mass; effusion; fracture",
                    allowed={"every": 0.4, "repeated": 1.0}),
    "judge": Case("left effusion", "open", "left effusion", "right effusion", "left right effusion nodule edema",
                  settings={"judge": same_words}),
    "language": Case(**PUNISHES),
    "length": Case(**PUNISHES, settings={"longest": 400}),
    "mcq_gated": Case(**FORM),
    "mcq_letter": Case(**CHOICE),
    "number": Case("45 mm", "number", "4.5 cm", "9 mm", "10 mm, 20 mm, 30 mm, 45 mm"),
    "option_text": Case(**(CHOICE | {"right": "pneumothorax", "wrong": "nodule", "every": ", ".join(LABELS)})),
    "overlong": Case(**PUNISHES, settings={"limit": 400, "cache": 100}),
    "process": Case("yes", "closed", "<think>Large left effusion. Cardiomegaly.</think><answer>yes</answer>",
                    "<think>No effusion.</think><answer>yes</answer>", EVERY_FINDING, bare=True, rationale=REPORT,
                    question="Is there a pleural effusion?", best=0.9, allowed=THOUGHTS),
    "radgraph": Case(**TEXT, settings={"annotate": graphs}, allowed=SETS | {"every": 0.3}),
    "ratescore": Case(**TEXT, settings={"folder": "x"}, ceiling=0.35),
    "repetition": Case(**PUNISHES),
    "retrieval": Case(**(FORM | {"right": LOOKED_UP}), best=8.0),
    "rouge_l": Case(**TEXT, ceiling=0.35),
    "rubric": Case("", "report", "Left effusion.", "Right nodule.", EVERY_FINDING, allowed=SETS,
                   settings={"judge": says, "criteria": RUBRIC}),
    "step_model": Case("yes", "closed", "<think>Large left effusion. Cardiomegaly.</think><answer>yes</answer>",
                       "<think>No effusion.</think><answer>yes</answer>", "Effusion. Nodule.", bare=True,
                       settings={"folder": "x"}, allowed=dict.fromkeys(THOUGHTS, 1.0) | {"every in thoughts": 0.0}),
    "temporal": Case("The effusion is unchanged. New nodule.", "report", "Stable effusion. New nodule.", "Edema.",
                     "New, worse, better and stable effusion, nodule, edema and opacity, all resolved.",
                     allowed={"every": 0.35, "repeated": 1.0, "every in thoughts": 0.0}),
    "token_f1": Case("left lower lobe", "open", "left lower lobe", "right", "left right upper middle lower lobe",
                     allowed={"every": 0.7, "repeated": 0.1}),
    "yes_no": Case("yes", "closed", "yes", "no", "yes, no", allowed={"repeated": 1.0}),
}  # fmt: skip


def attacks(case: Case) -> dict[str, str]:
    right, wrong = case.right, case.wrong
    prompt = f"{case.question}\n" + "\n".join(
        f"{letter}) {text}" for letter, text in zip("ABCD", case.options, strict=False)
    )
    return {
        "nothing": "",
        "empty answer": "<think>It is hard.</think><answer></answer>",
        "every": f"<think>It is hard.</think><answer>{case.every}</answer>",
        "two blocks": f"<think>a</think><answer>{right}</answer><answer>{wrong}</answer>",
        "two blocks, wrong first": f"<answer>{wrong}</answer><answer>{right}</answer>",
        "in thoughts only": f"<think>It is {right}. <answer>{right}</answer></think>",
        "thoughts never closed": f"<think>The answer is {right}",
        "junk": JUNK,
        "junk in tags": f"<answer>{JUNK}</answer>",
        "repeated": f"<answer>{', '.join([right] * 50)}</answer>",
        "every in thoughts": f"<think>{case.every}</think><answer></answer>",
        "prompt echoed": prompt,
        "prompt echoed in thoughts": f"<think>{prompt}</think><answer></answer>",
        "prompt echoed in tags": f"<answer>{prompt}</answer>",
    }


def earned(name: str, *texts: str) -> list[float | None]:
    case = CASES[name]
    count = len(texts)
    columns: dict[str, list[Any]] = {
        "id": ["s"] * count,
        "question": [case.question] * count,
        "answer": [case.answer] * count,
        "kind": [case.kind] * count,
        "options": [case.options] * count,
        "categories": [{}] * count,
        "rationale": [case.rationale] * count,
        "extra": [case.extra] * count,
        "completion_ids": [[len(word) for word in text.split()] for text in texts],
        "finished": [True] * count,
    }
    return with_options(name, case.settings)(list(texts), **columns)


def honest(case: Case) -> str:
    return case.right if case.bare else f"<think>Seen.</think><answer>{case.right}</answer>"


def test_no_reward_skips_the_attacks() -> None:
    assert set(CASES) == set(REWARDS)


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_honest_answer_earns_the_most(name: str) -> None:
    assert earned(name, honest(CASES[name])) == [pytest.approx(CASES[name].best, abs=0.15)]


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize("attack", attacks(Case(**CHOICE)))
def test_an_attack_earns_nothing(name: str, attack: str) -> None:
    case = CASES[name]
    (value,) = earned(name, attacks(case)[attack])
    assert value is None or value <= case.allowed.get(attack, case.ceiling)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_reward_is_not_constant(name: str) -> None:
    """MedGround-R1's public medclip_reward does not read the completion: no gradient comes of it."""
    texts = [honest(CASES[name]), f"<answer>{CASES[name].wrong}</answer>", JUNK, "左肺" * 300]
    assert len(set(earned(name, *texts))) > 1


@pytest.mark.parametrize("name", sorted(CASES))
def test_each_completion_is_judged_alone(name: str) -> None:
    """CheXagent's grounding score takes the box of the sample before where none is found."""
    texts = [honest(CASES[name]), "", JUNK, honest(CASES[name])]
    assert earned(name, *texts) == [value for text in texts for value in earned(name, text)]
