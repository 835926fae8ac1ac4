"""The step head: what it reads, learns and saves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.evaluation.steps import step_labels
from medvlm.models import load_vlm
from medvlm.step_head import (
    FILE,
    Reasoning,
    StepHead,
    load_step_head,
    save_step_head,
    step_ids,
    step_probabilities,
    step_states,
    train_step_head,
)
from medvlm.study import WeightsError
from medvlm.training.rewards import REWARDS

STEPS = ("There is a nodule.", "There is no effusion.", "left side")
SAID = [
    (question, steps, tuple("nodule" in step for step in steps))
    for question in ("Is there a nodule ?", "effusion on the left ?")
    for steps in (STEPS, STEPS[::-1], ("no nodule", "effusion right"), ("effusion", "nodule right"))
]
TRAINING = [Reasoning(*said) for said in SAID]


def test_a_step_sees_those_before_it_only(tiny: Any) -> None:
    model, processor = tiny
    model.eval()
    short, long = step_states(model, processor.tokenizer, [Reasoning("Yes ?", STEPS[:2]), Reasoning("Yes ?", STEPS)])
    assert short.shape == (2, long.shape[1])
    torch.testing.assert_close(long[:2], short, atol=1e-5, rtol=1e-4)


def test_states_are_those_of_the_decoder_at_the_ends(tiny: Any) -> None:
    model, processor = tiny
    model.eval()
    text = step_ids(processor.tokenizer, TRAINING[0])
    rows = model.get_decoder()(input_ids=torch.tensor([text.ids])).last_hidden_state[0]
    (states,) = step_states(model, processor.tokenizer, TRAINING[:1])
    torch.testing.assert_close(states, rows[[end - 1 for _, end in text.sentences]].detach(), atol=1e-5, rtol=1e-4)


def test_it_starts_at_even_odds_and_learns_what_the_labels_say(tiny: Any) -> None:
    model, processor = tiny
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert (
        step_probabilities(StepHead(model.config.get_text_config().hidden_size), model, processor.tokenizer, TRAINING)[
            0
        ]
        == [0.5] * 3
    )
    head, loss = train_step_head(model, processor.tokenizer, TRAINING)
    assert loss < 0.1
    fresh = Reasoning("side ?", ("right nodule", "no effusion"))
    seen = step_probabilities(head, model, processor.tokenizer, [*TRAINING, fresh])
    assert [[value > 0.5 for value in each] for each in seen[:-1]] == [list(one.labels) for one in TRAINING]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_saved_head_pays_like_the_one_that_was_trained(model_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    model, processor = load_vlm(folder)
    head, _ = train_step_head(model, processor.tokenizer, TRAINING)
    save_step_head(head, folder)
    text = "<think>There is a nodule. There is no effusion.</think><answer>yes</answer>"
    (each,) = step_probabilities(head, model, processor.tokenizer, [Reasoning("Is there a nodule ?", STEPS[:2])])
    asked = {"question": ["Is there a nodule ?"] * 2, "folder": str(folder)}
    for reduce, value in (("least", min(each)), ("mean", sum(each) / 2), ("last", each[-1])):
        paid = REWARDS["step_model"]([text, "yes"], reduce=reduce, **asked)
        assert paid == [pytest.approx(value, abs=1e-5), 0.0]
    with pytest.raises(ValueError, match="least, mean or last"):
        REWARDS["step_model"]([text], reduce="worst", folder=str(folder))


def test_a_head_that_is_not_there_damaged_or_anothers_is_refused(tiny: Any, tmp_path: Path) -> None:
    model, _ = tiny
    with pytest.raises(WeightsError, match=f"has no {FILE}"):
        load_step_head(tmp_path, model)
    (tmp_path / FILE).write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match="damaged"):
        load_step_head(tmp_path, model)
    save_step_head(StepHead(7), tmp_path)
    with pytest.raises(WeightsError, match="does not fit a decoder of width"):
        load_step_head(tmp_path, model)


@pytest.mark.parametrize("reasoning", [Reasoning("a", ()), Reasoning("a", ("b", " "))])
def test_empty_steps_are_refused(tiny: Any, reasoning: Reasoning) -> None:
    with pytest.raises(ValueError, match="expected at least one, and none empty"):
        step_ids(tiny[1].tokenizer, reasoning)


@pytest.mark.parametrize(("labels", "says"), [((True,), "2 steps have 1 labels"), ((True, True), "the same label")])
def test_labels_that_teach_nothing_are_refused(tiny: Any, labels: tuple[bool, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        train_step_head(*((tiny[0], tiny[1].tokenizer)), [Reasoning("a", ("b", "c"), labels)])


def test_labels_are_mined_from_a_report() -> None:
    steps = ["Left effusion.", "No nodule.", "Nodule and effusion.", "Hm."]
    assert step_labels(steps, "Small effusion. No nodule.") == [True, True, False, False]
