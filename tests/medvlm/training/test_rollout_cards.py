"""Which rollouts are shown: steps from first to last, groups that teach, one image once."""

from __future__ import annotations

import json
from pathlib import Path

from medvlm.training.rollout_cards import rollout_cards, telling
from medvlm.training.rollout_files import Group, Kept


def group(name: str, *rewards: float, image: str = "") -> Group:
    members = tuple(Kept(f"{name}{index}", 1, True, {}, reward, 0.0) for index, reward in enumerate(rewards))
    return Group("grpo", 0, name, "?", "x", "open", (), (image or name,), members)


def test_groups_that_teach_come_first_then_one_of_each_flat_kind() -> None:
    groups = [group("all wrong", 0, 0), group("a", 1, 0), group("half", 0.5, 0), group("all right", 1, 1)]
    groups += [group("also right", 1, 1), group("b", 1, 0, image="a")]
    assert [found.sample for found in telling(groups, 4)] == ["a", "half", "all right", "all wrong"]
    assert [found.sample for found in telling(groups, 5)] == ["a", "half", "b", "all right", "all wrong"]
    assert [found.sample for found in telling(groups[3:4], 4)] == ["all right"]
    assert telling([], 3) == []


def test_cards_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "grpo" / "rollouts"
    folder.mkdir(parents=True)
    record = {"sample": "q", "question": "?", "answer": "x", "parts": {"accuracy": 1.0}, "reward": 1.0, "tokens": 2}
    for step in range(30):
        lines = [record | {"completion": text} for text in ("same", "same", f"other {step}")]
        (folder / f"step-{step:06d}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    cards = list(rollout_cards(folder, lambda found: None, steps=3))
    assert [card.step for card in cards] == [0, 14, 29]
    assert [(one.text, one.count) for one in cards[2].tries] == [("same", 2), ("other 29", 1)]
    assert list(rollout_cards(tmp_path / "sft" / "rollouts", lambda found: None)) == []
